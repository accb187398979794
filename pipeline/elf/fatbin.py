"""An ELF file's fat binaries in, its GPU code by compute capability out. Speaks to: nothing.

A section holds containers, a container entries, and an entry one piece of code for one compute capability. Each says
how long it is, so its code is hopped over and never read. NVIDIA publishes no layout; the fields were read off what
nvcc 13.0 writes for known -gencode flags, and the result is held against cuobjdump (tests/test_elf.py).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.elf.read import Elf, Extent, Reader

MAGIC = 0xBA55ED50
CONTAINER = struct.Struct("<IHHQ")  # magic, version, bytes of this header, bytes of all entries
ENTRY = struct.Struct("<HHIQ12xI8xQ")  # kind, version, bytes of this header, bytes of code, …, arch, …, flags
PTX, MACHINE_CODE, LTO_IR, UNKNOWN = "ptx", "machine code", "lto ir", "unknown"
FORMS = {1: PTX, 2: MACHINE_CODE, 8: LTO_IR}
COMPRESSED = 0x2000 | 0x8000  # LZ4 of older toolkits, Zstandard
SPECIFIC, FAMILY = 0x10_0000, 0x20_0000  # sm_90a and sm_100f
RELOCATABLE_SECTION = "__nv_relfatbin"

MOST_HOPS = 200_000  # cuBLASLt, the richest library measured, has some 8,000 containers and entries
SEARCHED = 4096  # bytes between two containers: a linker aligns them and fills with zeros


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """One piece of GPU code. `bytes` are the file's, as packed, with its header and padding."""

    capability: str  # "8.0", "9.0a", "10.0f"
    form: str  # machine code | ptx | lto ir | unknown
    compressed: bool
    relocatable: bool  # input that nvlink left behind; a program that runs was linked from it and does not load it
    bytes: int


def kernels(reader: Reader, elf: Elf) -> tuple[Kernel, ...]:
    """Return the GPU code of a file in its order, by what `read` said of it. Raises what `reader` does.

    Bytes that are no fat binary end a section; at most 200,000 headers are looked at.
    """
    hops = iter(range(MOST_HOPS))
    return tuple(kernel for extent in elf.kernel_sections for kernel in _section(reader, extent, hops))


def _section(reader: Reader, extent: Extent, hops: Iterator[int]) -> Iterator[Kernel]:
    at, end = extent.offset, extent.offset + extent.bytes
    relocatable = extent.name == RELOCATABLE_SECTION
    for _ in hops:
        start = _next(reader, at, end)
        if start is None:
            return
        _, _, header, length = CONTAINER.unpack(reader(start, CONTAINER.size))
        if header < CONTAINER.size or length > end - start - header:
            return
        at = start + header + length
        yield from _entries(reader, start + header, at, relocatable, hops)


def _next(reader: Reader, at: int, end: int) -> int | None:
    """Where the next container starts, its header whole; None where nothing but padding follows."""
    raw = reader(at, max(0, min(CONTAINER.size, end - at)))
    if len(raw) < CONTAINER.size:
        return None
    magic = struct.pack("<I", MAGIC)
    if raw.startswith(magic):
        return at
    found = reader(at, min(SEARCHED, end - at)).find(magic)
    start = at + found
    return start if found >= 0 and len(reader(start, min(CONTAINER.size, end - start))) == CONTAINER.size else None


def _entries(reader: Reader, at: int, end: int, relocatable: bool, hops: Iterator[int]) -> Iterator[Kernel]:
    for _ in hops:
        raw = reader(at, max(0, min(ENTRY.size, end - at)))
        if len(raw) < ENTRY.size:
            return
        kind, _, header, length, arch, flags = ENTRY.unpack(raw)
        if header < ENTRY.size or header + length > end - at:
            return
        variant = "a" if flags & SPECIFIC else "f" if flags & FAMILY else ""
        yield Kernel(
            capability=f"{arch // 10}.{arch % 10}{variant}",
            form=FORMS.get(kind, UNKNOWN),
            compressed=bool(flags & COMPRESSED),
            relocatable=relocatable,
            bytes=header + length,
        )
        at += header + length
