"""ELF files in, what they need, what they carry and what will not be found out. Speaks to: nothing."""

from pipeline.elf.closure import (
    DRIVER,
    FOUND,
    GLIBC,
    LOADED_BEFORE,
    MISSING,
    MUSL,
    OFF_PATH,
    Closure,
    Finder,
    Need,
    Root,
    TooOld,
    closure,
)
from pipeline.elf.fatbin import Kernel, kernels
from pipeline.elf.library import MAGIC, RELOCATABLE, Code, Library, look, packed, unpacked
from pipeline.elf.read import LIBRARY, Elf, Extent, Reader, Version, Versions, read

__all__ = [
    "DRIVER",
    "FOUND",
    "GLIBC",
    "LIBRARY",
    "LOADED_BEFORE",
    "MAGIC",
    "MISSING",
    "MUSL",
    "OFF_PATH",
    "RELOCATABLE",
    "Closure",
    "Code",
    "Elf",
    "Extent",
    "Finder",
    "Kernel",
    "Library",
    "Need",
    "Reader",
    "Root",
    "TooOld",
    "Version",
    "Versions",
    "closure",
    "kernels",
    "look",
    "packed",
    "read",
    "unpacked",
]
