"""The name of a GPU, or a CUDA version, in; compute capabilities out. Speaks to: the table of GPUs.

A compute capability is written as NVIDIA writes it: `8.0`, `12.0`; machine code for it is `sm_80`, `sm_120`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from packaging.version import Version

from pipeline.facts.tables import table


def capability(text: str) -> Version | None:
    """Read a compute capability or a GPU's name: `8.0`, `sm_80`, `A100`, `NVIDIA H100 80GB HBM3`, `RTX 4090`.

    None for what is neither, and for a GPU that the table does not know.
    """
    words = text.strip().lower()
    if found := re.fullmatch(r"(\d{1,2})\.(\d)[af]?", words):
        return Version(f"{found[1]}.{found[2]}")
    if found := re.fullmatch(r"(?:sm|compute)_?(\d{1,2})(\d)[af]?", words):
        return Version(f"{found[1]}.{found[2]}")
    known = table("gpus")["capability"]
    name = _plain(words)
    while name:  # from the right: "h100 80gb hbm3" is an h100
        if name in known:
            return Version(known[name])
        name = name.rpartition(" ")[0]
    return None


def gpu_names() -> tuple[str, ...]:
    """Every GPU name that `capability` knows, in lower case."""
    return tuple(table("gpus")["capability"])


def compiles_for(cuda: Version) -> tuple[str, ...] | None:
    """Return the compute capabilities that a toolkit's nvcc makes machine code for, ascending; None if unknown."""
    found = table("gpus")["nvcc"].get(f"{cuda.major}.{cuda.minor}")
    return None if found is None else tuple(found.split())


def covers(capabilities: Iterable[str], wanted: Version) -> bool:
    """Return whether code built for these runs on a GPU of capability `wanted`.

    Machine code runs on its own capability and on later ones of the same major version: 8.6 runs on 8.9, 8.0 on both.
    With `+PTX` behind it the driver can also compile it for anything newer.
    """
    for text in capabilities:
        built = Version(text.removesuffix("+PTX"))
        if built.major == wanted.major and built.minor <= wanted.minor:
            return True
        if text.endswith("+PTX") and built <= wanted:
            return True
    return False


def _plain(words: str) -> str:
    """A GPU's name without its maker and its form: `NVIDIA GeForce RTX 4090` → rtx 4090, `Tesla V100-SXM2` → v100."""
    words = re.sub(r"nvidia|tesla|geforce|quadro|\(r\)|graphics", " ", words)
    words = re.sub(r"[-_/]", " ", words)
    words = re.sub(r"\b(rtx|gtx) ?(pro )?(a?\d)", lambda m: f"{m[1]} {m[2] or ''}{m[3]}", words)
    return " ".join(words.split())
