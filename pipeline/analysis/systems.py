"""A base image or a stage in, its operating system, C library and Python out. Speaks to: nothing.

Only what a name says for sure: `python:3.12-slim` moves from one Debian to the next, so its system is None.
"""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

from pipeline import facts
from pipeline.analysis import shell
from pipeline.analysis.variables import split_words, substituted
from pipeline.analysis.walk import chain, copied_from
from pipeline.facts import Reference, reference
from pipeline.facts.systems import CODENAMES
from pipeline.model import Dockerfile, Stage, once_per_file

Minor = tuple[int, int]  # a Python version: 3, 12

_NAMED = r"(ubuntu|debian|ubi|rockylinux|almalinux|centos|alpine|oraclelinux|amzn)-?(\d+(?:\.\d+)?)"
_SYSTEMS = {
    "ubuntu": "ubuntu", "debian": "debian", "alpine": "alpine", "rockylinux": "rockylinux", "almalinux": "almalinux",
    "centos": "centos", "amazonlinux": "amzn", "oraclelinux": "oraclelinux",
}  # fmt: skip
# The python3 of the distribution's own packages.
_OWN_PYTHON: dict[str, Minor] = {
    "ubuntu18.04": (3, 6), "ubuntu20.04": (3, 8), "ubuntu22.04": (3, 10), "ubuntu24.04": (3, 12),
    "debian10": (3, 7), "debian11": (3, 9), "debian12": (3, 11), "debian13": (3, 13),
    "rockylinux8": (3, 6), "rockylinux9": (3, 9), "ubi8": (3, 6), "ubi9": (3, 9), "amzn2023": (3, 9),
}  # fmt: skip


class Interpreter(NamedTuple):
    """A Python that a stage has: its version, and where its program lies."""

    version: Minor
    folder: str  # /usr/bin, /usr/local/bin, /opt/conda/bin


def system(image: str | None) -> str | None:
    """The operating system of an image as NVIDIA's tags write it: `ubuntu22.04`, `debian12`, `alpine3.20`."""
    if not image:
        return None
    parts = reference(image)
    tag = parts.tag or ""
    gpu = facts.gpu_base(image)
    if gpu is not None:
        return gpu.os
    name = posixpath.basename(parts.repository)
    words = re.split(r"[-_]", tag)
    for word in words:
        named = CODENAMES.get(word, "")
        if named.startswith("debian") or (named and name in ("ubuntu", "buildpack-deps")):
            return named
    for word in (words[0],) if name in _SYSTEMS else ():
        if re.fullmatch(r"\d+(\.\d+)*", word):
            return _SYSTEMS[name] + _shortened(_SYSTEMS[name], word)
    found = re.search(_NAMED, tag)
    if found:
        return found[1] + _shortened(found[1], found[2])
    if re.search(r"(?:^|-)alpine", tag):
        return "alpine"
    return None


def _shortened(name: str, version: str) -> str:
    """Ubuntu and Alpine count by two numbers, the others by one: rockylinux:9.4 is rockylinux9."""
    keep = 2 if name in ("ubuntu", "alpine") else 1
    return ".".join(version.split(".")[:keep])


@once_per_file
def interpreter(dockerfile: Dockerfile, stage: Stage) -> Interpreter | None:
    """The `python3` that a stage has at its end, as far as the file tells; None when it cannot be told."""
    whole = chain(dockerfile, stage)
    if any(_other_python(dockerfile, one) for one in whole):
        return None
    image = whole[-1].image
    official = _official(reference(image)) if image else None
    if official is not None:
        return official
    own = _OWN_PYTHON.get(system(image) or "")
    if own is None or _framework(image):
        return None
    return Interpreter(own, "/usr/bin")


def _official(parts: Reference) -> Interpreter | None:
    """The Python of the `python` image: `python:3.12-slim-bookworm`."""
    if parts.repository not in ("python", "library/python") and not parts.repository.endswith("/library/python"):
        return None
    found = re.match(r"(\d+)\.(\d+)(?:[.\-]|$)", parts.tag or "")
    return Interpreter((int(found[1]), int(found[2])), "/usr/local/bin") if found else None


def _framework(image: str | None) -> bool:
    """Is this an image that may bring a Python of its own beside the system's?"""
    name = posixpath.basename(reference(image or "").repository)
    return name not in {*_SYSTEMS, "cuda", "ubi8", "ubi9", "buildpack-deps"} and not name.startswith("ubi")


def _other_python(dockerfile: Dockerfile, stage: Stage) -> bool:
    """Does a stage bring a Python beside the base's own: uv's, conda's, pyenv's, deadsnakes', or a copied one?"""
    for instruction in stage.instructions:
        if instruction.keyword == "COPY" and copied_from(instruction) is not None:
            if any(_may_hold_python(substituted(word, stage)) for word in instruction.words):
                return True
        elif instruction.keyword == "RUN":
            for command in shell.commands(dockerfile, instruction):
                if command.argv[:2] in (("uv", "python"), ("uv", "sync")):
                    return True
                if any(map(_brings_python, split_words(command.argv, stage))):
                    return True
    return False


def _brings_python(word: str) -> bool:
    """`python3.11` of deadsnakes, `/opt/python3.11`, miniconda, pyenv, update-alternatives, a PYTHON variable."""
    if re.fullmatch(r"python3?\.?\d*-(?:pip|venv|dev|setuptools|wheel|distutils|minimal)|python3?|python3-\S+", word):
        return False
    return bool(re.search(r"conda|mamba|pyenv|deadsnakes|python-build-standalone|Python-3", word)) or bool(
        re.fullmatch(r"(?:/usr/bin/|/usr/local/bin/)?python(?:3?\.\d+|\$.*)(?:-\S+)?", word)
    )


def _may_hold_python(path: str) -> bool:
    """`COPY --from=python /usr/local /usr/local`, uv's managed Pythons."""
    path = path.rstrip("/")
    if path.endswith(("/site-packages", "/dist-packages")):
        return False
    return path in ("", "/usr", "/usr/local", "/usr/local/bin", "/opt", "/opt/conda", "/root") or "python" in path
