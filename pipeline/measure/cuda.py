"""The libraries of a final root in, what GPU code of them the fleet runs, and what of CUDA is there twice out.

Speaks to: nothing.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pipeline import elf
from pipeline.measure.root import Folder, Root
from pipeline.model.libraries import Code, Copy, Kernels, Twice

if TYPE_CHECKING:
    from pipeline.measure.libraries import Seen

# Names of the libraries that CUDA's toolkit, cuDNN, NCCL and TensorRT consist of, as NVIDIA's wheels ship them.
CUDA = re.compile(
    r"(lib(?:cudart|cublas(?:Lt)?|cudnn\w*|cufft\w*|cufile\w*|cupti|curand|cusolver\w*|cusparse(?:Lt)?|nccl|nvrtc"
    r"(?:-builtins)?|nvJitLink|nvjpeg|nvblas|nvshmem_host|nvvm|nvToolsExt|npp\w+|nvinfer\w*|nvonnxparser)\.so)[\d.]*"
)
WHEEL, CONDA, SYSTEM = "wheel", "conda", "system"
SITE = ("/site-packages/", "/dist-packages/")
CAPABILITY = re.compile(r"(\d+)\.(\d+)([af]?)")
SASS, PTX = "machine code", "ptx"

Number = tuple[int, int]


def kernels(seen: Iterable[Seen], fleet: Sequence[str]) -> tuple[Kernels, ...]:
    """Return the GPU code of each library, and what of it none of the fleet's GPUs would load."""
    devices = sorted({number for name in fleet if (number := _number(name)) is not None})
    found = []
    for one in seen:
        if not one.library.code:
            continue
        wanted = {code for device in devices for code in _loaded(one.library.code, device)}
        found.append(
            Kernels(
                file=one.path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"),
                bytes=one.content.size,
                code=tuple(
                    Code(
                        capability=code.capability,
                        form=code.form,
                        bytes=code.bytes,
                        runs=code in wanted if devices else None,
                    )
                    for code in one.library.code
                ),
                unused_bytes=sum(code.bytes for code in one.library.code if code not in wanted) if devices else None,
                instruction=one.layer.instruction,
                dockerfile_line=one.layer.dockerfile_line,
            )
        )
    return tuple(sorted(found, key=lambda one: (-sum(code.bytes for code in one.code), one.file)))


def _loaded(code: Sequence[elf.Code], device: Number) -> list[elf.Code]:
    """What a GPU takes: the machine code that fits best, else the newest PTX that its driver can compile.

    Machine code runs on later GPUs of its major version; with an `a` on its own GPU alone; with an `f` on its
    family, which NVIDIA keeps within a major version (CUDA C++ programming guide, compute capabilities).
    """
    best: tuple[int, Number, str] | None = None
    for one in code:
        rank = _rank(one, device)
        if rank is not None and (best is None or rank > best):
            best = rank
    return [one for one in code if best is not None and _rank(one, device) == best]


def _rank(code: elf.Code, device: Number) -> tuple[int, Number, str] | None:
    """How well a piece of code fits a GPU; None where it does not run there."""
    found = CAPABILITY.fullmatch(code.capability)
    if found is None or code.form not in (SASS, PTX):
        return None
    number, variant = (int(found[1]), int(found[2])), found[3]
    if number > device or (variant == "a" and number != device) or (variant == "f" and number[0] != device[0]):
        return None
    if code.form == SASS:
        return (2, number, variant) if number[0] == device[0] else None
    return 1, number, variant


def _number(name: str) -> Number | None:
    """A capability of the fleet as numbers; a GPU's name is looked up in the facts."""
    from pipeline import facts

    found = facts.capability(name)
    return None if found is None else (found.major, found.minor)


def twice(root: Root, seen: Iterable[Seen]) -> tuple[Twice, ...]:
    """Return the CUDA libraries that are there more than once, by name without version, the most bytes first.

    To keep is the wheel's copy: its neighbours find it by their RPATH, and ask for exactly its version.
    """
    groups: dict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        name = CUDA.fullmatch(one.library.elf.soname or posixpath.basename(one.path))
        if name and one.library.elf.kind == elf.LIBRARY and "/stubs/" not in one.path:
            groups[name[1]].append(one)
    found = []
    for library, files in groups.items():
        if len(files) < 2:
            continue
        brought = {one.path: _brought_by(root, one.path) for one in files}
        order = (WHEEL, CONDA, SYSTEM)
        files.sort(key=lambda one: (order.index(brought[one.path]), -one.content.size, one.path))
        contents = {(one.content.hash or one.path, one.content.size) for one in files}
        copies = tuple(
            Copy(
                file=one.path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"),
                soname=one.library.elf.soname,
                bytes=one.content.size,
                brought_by=brought[one.path],
                origin=one.layer.origin,
                instruction=one.layer.instruction,
                dockerfile_line=one.layer.dockerfile_line,
            )
            for one in files
        )
        found.append(
            Twice(
                library=library,
                bytes=sum(copy.bytes for copy in copies[1:]),
                same_content=len(contents) == 1,
                copies=copies,
                hint=_hint(copies),
            )
        )
    return tuple(sorted(found, key=lambda one: (-one.bytes, one.library)))


def _brought_by(root: Root, path: str) -> str:
    if any(site in path for site in SITE):
        return WHEEL
    folder = path.rpartition("/lib/")[0].encode("utf-8", "surrogateescape")
    return CONDA if folder and isinstance(root.find(folder + b"/conda-meta"), Folder) else SYSTEM


def _hint(copies: Sequence[Copy]) -> str:
    """What to change, by who brings the copies."""
    by = {copy.brought_by for copy in copies}
    if by == {WHEEL}:
        return "two wheels bring it: install both from one index and for one CUDA version, so that they share it"
    if by == {WHEEL, SYSTEM}:
        if any(copy.brought_by == SYSTEM and copy.origin == "base" for copy in copies):
            return (
                "the wheels bring their own CUDA: let the last stage begin from the base's `base` flavour or a plain "
                "system; only what was compiled against the base's copy needs it"
            )
        return "the wheels bring their own CUDA: leave the system's packages out of the last stage"
    if CONDA in by:
        return "conda and another installer both bring it: let one of them bring CUDA, on a base without it"
    return "two packages bring it, or a copy was made: keep one and let ld.so.conf or a link lead to it"
