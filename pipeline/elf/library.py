"""An ELF file's bytes in, what an image's weighing keeps of it out, as a value and as JSON. Speaks to: nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.elf.fatbin import kernels
from pipeline.elf.read import Elf, Reader, Versions, read

MAGIC = b"\x7fELF"
RELOCATABLE = "relocatable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """The GPU code of one file for one compute capability in one form. `bytes` are the file's."""

    capability: str  # "8.0", "9.0a", "10.0f"
    form: str  # machine code | ptx | lto ir | relocatable | unknown
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A program or a library: what its headers say, and its GPU code, ascending."""

    elf: Elf
    code: tuple[Code, ...] = ()


def look(reader: Reader, size: int) -> Library | None:
    """Return what a file of `size` bytes is; None where it is no ELF file. Raises what `reader` does."""
    elf = read(reader, size)
    if elf is None:
        return None
    found: dict[tuple[str, str], int] = {}
    for kernel in kernels(reader, elf) if elf.kernel_sections else ():
        key = kernel.capability, RELOCATABLE if kernel.relocatable else kernel.form
        found[key] = found.get(key, 0) + kernel.bytes
    code = (Code(capability=capability, form=form, bytes=size) for (capability, form), size in found.items())
    return Library(elf=elf, code=tuple(sorted(code, key=lambda one: (_number(one.capability), one.form))))


def packed(libraries: Mapping[bytes, Library]) -> bytes:
    """Return libraries by path as JSON. Names need not be UTF-8."""
    return json.dumps([[name.decode("utf-8", "surrogateescape"), asdict(one)] for name, one in libraries.items()],
                      separators=(",", ":")).encode()  # fmt: skip


def unpacked(raw: bytes) -> dict[bytes, Library]:
    """Return what `packed` wrote. Raises ValueError, KeyError and TypeError for anything else."""
    return {name.encode("utf-8", "surrogateescape"): _library(**one) for name, one in json.loads(raw)}


def _library(elf: dict[str, Any], code: list[dict[str, Any]]) -> Library:
    runpath = elf["runpath"]
    made = {
        **elf,
        "needed": tuple(elf["needed"]),
        "rpath": tuple(elf["rpath"]),
        "runpath": None if runpath is None else tuple(runpath),
        "needs": _versions(elf["needs"]),
        "defines": _versions(elf["defines"]),
        "kernel_sections": (),  # they were looked into
    }
    return Library(elf=Elf(**made), code=tuple(Code(**one) for one in code))


def _versions(raw: dict[str, list[int]]) -> Versions:
    return Versions(**{family: tuple(version) for family, version in raw.items()})


def _number(capability: str) -> tuple[int, int, str]:
    major, _, rest = capability.partition(".")
    minor = rest.rstrip("af")
    return int(major), int(minor), rest[len(minor) :]
