"""Random access to a file in, what its ELF headers say out. Speaks to: nothing.

What the loader needs is read the loader's way, by program headers, so a file without section headers loses only its
sizes. A file that lies gives the facts up to its lie: a window over it bounds what is read, however it counts.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from elftools.elf.dynamic import Dynamic
    from elftools.elf.elffile import ELFFile
    from elftools.elf.gnuversions import GNUVersionSection

Reader = Callable[[int, int], bytes]  # (offset, count) -> at most `count` bytes of the file

PROGRAM, LIBRARY, OBJECT, OTHER = "program", "library", "object", "other"
KERNEL_SECTIONS = (".nv_fatbin", "__nv_relfatbin")
SEGMENT_SECTION = ".nvFatBinSegment"
MACHINES = {  # as uname -m says them
    "EM_X86_64": "x86_64",
    "EM_386": "i386",
    "EM_AARCH64": "aarch64",
    "EM_ARM": "arm",
    "EM_PPC64": "ppc64le",
    "EM_S390": "s390x",
    "EM_RISCV": "riscv64",
    "EM_CUDA": "cuda",
}

PAGE = 4096
MOST_PAGES = 128  # kept at a time: 512 KiB
MOST_READS = 60_000
MOST_BYTES = 8 << 20
SHF_ALLOC = 2
DF_1_PIE = 0x0800_0000
VER_FLG_WEAK = 2
RELR_GLIBC = (2, 36)  # GLIBC_ABI_DT_RELR: the first glibc that reads packed relocations
VERSION = re.compile(r"^(GLIBC|GLIBCXX|CXXABI)_(\d{1,6}(?:\.\d{1,6}){1,3})$")

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """The highest symbol version of each family, () where there is none."""

    glibc: Version = ()
    glibcxx: Version = ()
    cxxabi: Version = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """A section that holds bytes of the file: its name, where it starts and how many bytes it has."""

    name: str
    offset: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Elf:
    """What an ELF file's headers say. Paths are as written, $ORIGIN and all; sizes are bytes of the file."""

    bits: int  # 32 | 64
    machine: str  # as uname -m says it, else the number
    kind: str  # program | library | object | other
    static: bool  # a program that needs neither a loader nor a library
    soname: str = ""
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] | None = None  # () is a RUNPATH too: it switches RPATH off
    interpreter: str = ""
    needs: Versions = Versions()
    defines: Versions = Versions()
    debug_bytes: int = 0  # .debug_*: what `strip --strip-debug` takes away
    symbol_bytes: int = 0  # .symtab and .strtab: what `strip` takes away besides
    kernel_sections: tuple[Extent, ...] = ()
    gpu_bytes: int = 0  # .nv_fatbin, __nv_relfatbin and .nvFatBinSegment
    whole: bool = True  # False: damaged, or larger in its headers than any honest file; facts are missing


@dataclass(slots=True)
class _Facts:
    """What has been found so far: it outlives the error that ends a reading."""

    interpreter: str = ""
    soname: str = ""
    needed: list[str] = field(default_factory=list)
    rpath: str = ""
    runpath: str | None = None
    pie: bool = False
    needs: Versions = Versions()
    defines: Versions = Versions()
    debug: int = 0
    symbols: int = 0
    segment: int = 0
    kernels: list[Extent] = field(default_factory=list)
    whole: bool = True


class _TooMuch(Exception):
    """A file made us read more than any honest file's headers hold."""


class _Window(io.RawIOBase):
    """A file object over a reader: whole pages are fetched and kept, and what is read in all is bounded."""

    def __init__(self, reader: Reader, size: int) -> None:
        self._reader, self._size, self._at = reader, size, 0
        self._pages: dict[int, bytes] = {}
        self._reads, self._bytes = MOST_READS, MOST_BYTES

    def seekable(self) -> bool:
        """Return True: every offset can be reached."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to an offset of the file; one that lies before it is refused with ValueError."""
        self._at = offset + (0 if whence == 0 else self._at if whence == 1 else self._size)
        if self._at < 0:
            raise ValueError("an offset before the file")
        return self._at

    def tell(self) -> int:
        """Return the offset that the next read begins at."""
        return self._at

    def read(self, count: int | None = -1) -> bytes:
        """Return up to `count` bytes. Raises _TooMuch when the file has had its share."""
        left = self._size - self._at
        count = max(0, left if count is None or count < 0 else min(count, left))
        self._reads -= 1
        self._bytes -= count
        if self._reads < 0 or self._bytes < 0:
            raise _TooMuch
        parts = []
        end = self._at + count
        while self._at < end:
            number, start = divmod(self._at, PAGE)
            part = self._page(number)[start : start + end - self._at]
            if not part:
                break
            parts.append(part)
            self._at += len(part)
        return b"".join(parts)

    def _page(self, number: int) -> bytes:
        page = self._pages.get(number)
        if page is None:
            if len(self._pages) >= MOST_PAGES:
                del self._pages[next(iter(self._pages))]
            page = self._pages[number] = self._reader(number * PAGE, min(PAGE, self._size - number * PAGE))
        return page


def read(reader: Reader, size: int) -> Elf | None:
    """Return what the headers of a file of `size` bytes say; None where it is no ELF file. Raises what `reader` does.

    At most 8 MiB of the file are read and half a MiB of it is held.
    """
    from elftools.elf.elffile import ELFFile

    if size < 52 or reader(0, 4) != b"\x7fELF":
        return None
    facts = _Facts()
    file = None
    try:
        file = ELFFile(cast("IO[bytes]", _Window(reader, size)))
        kind, machine = str(file.header["e_type"]), str(file.header["e_machine"])
    except OSError:
        raise
    except Exception:  # pyelftools meets damage with whatever its parsers and tables raise
        return None
    for look in (_interpreter, _dynamic, _sections):
        try:
            look(file, facts, size)
        except OSError:
            raise
        except Exception:  # as above; what was found before the damage stays
            facts.whole = False
    return _elf(facts, file.elfclass, kind, MACHINES.get(machine, machine.removeprefix("EM_").lower()), size)


def _elf(facts: _Facts, bits: int, e_type: str, machine: str, size: int) -> Elf:
    dynamic_program = facts.pie or bool(facts.interpreter and not facts.soname)  # libc.so.6 has a loader and a soname
    program = e_type == "ET_EXEC" or (e_type == "ET_DYN" and dynamic_program)
    kind = PROGRAM if program else {"ET_DYN": LIBRARY, "ET_REL": OBJECT}.get(e_type, OTHER)
    return Elf(
        bits=bits,
        machine=machine,
        kind=kind,
        static=program and facts.whole and not facts.interpreter and not facts.needed,
        soname=facts.soname,
        needed=tuple(dict.fromkeys(facts.needed)),
        rpath=_folders(facts.rpath),
        runpath=None if facts.runpath is None else _folders(facts.runpath),
        interpreter=facts.interpreter,
        needs=facts.needs,
        defines=facts.defines,
        debug_bytes=min(size, facts.debug),
        symbol_bytes=min(size, facts.symbols),
        kernel_sections=tuple(facts.kernels),
        gpu_bytes=min(size, facts.segment + sum(extent.bytes for extent in facts.kernels)),
        whole=facts.whole,
    )


def _folders(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split(":") if part)


def _interpreter(file: ELFFile, facts: _Facts, size: int) -> None:
    for segment in file.iter_segments("PT_INTERP"):
        file.stream.seek(segment["p_offset"])
        facts.interpreter = _text(file.stream.read(min(segment["p_filesz"], PAGE)).split(b"\0")[0])


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _dynamic(file: ELFFile, facts: _Facts, size: int) -> None:
    from elftools.elf.dynamic import Dynamic

    for segment in file.iter_segments("PT_DYNAMIC"):
        if not segment["p_filesz"] or segment["p_offset"] >= size:
            continue  # a file of debug information keeps the header and not the bytes
        dynamic = Dynamic(file.stream, file, None, segment["p_offset"], False)
        tables = _tags(dynamic, facts)
        facts.needs = _highest(_versions(file, dynamic, tables, "DT_VERNEED"))
        facts.defines = _highest(_versions(file, dynamic, tables, "DT_VERDEF"))


def _tags(dynamic: Dynamic, facts: _Facts) -> dict[str, int]:
    """Note what the loader is told; return where the tables of versions lie and how many versions each has."""
    tables: dict[str, int] = {}
    for tag in dynamic.iter_tags():
        value = tag.entry.d_val
        match tag.entry.d_tag:
            case "DT_NEEDED":
                facts.needed.append(dynamic._get_stringtable().get_string(value))
            case "DT_SONAME":
                facts.soname = dynamic._get_stringtable().get_string(value)
            case "DT_RPATH":
                facts.rpath = dynamic._get_stringtable().get_string(value)
            case "DT_RUNPATH":
                facts.runpath = dynamic._get_stringtable().get_string(value)
            case "DT_FLAGS_1":
                facts.pie = bool(value & DF_1_PIE)
            case "DT_VERNEED" | "DT_VERNEEDNUM" | "DT_VERDEF" | "DT_VERDEFNUM" as table:
                tables[table] = value
    return tables


def _versions(file: ELFFile, dynamic: Dynamic, tables: dict[str, int], table: str) -> Iterator[str]:
    """The names in a table of versions that the dynamic segment points to: all that are not weak."""
    from elftools.construct.lib.container import Container
    from elftools.elf.gnuversions import GNUVerDefSection, GNUVerNeedSection

    count = tables.get(table + "NUM", 0)
    offset = next(file.address_offsets(tables[table]), None) if count and table in tables else None
    if offset is None:
        return
    header = Container(sh_offset=offset, sh_info=count, sh_flags=0, sh_size=0, sh_addralign=4, sh_type="SHT_NULL")
    kind = GNUVerNeedSection if table == "DT_VERNEED" else GNUVerDefSection
    strings = dynamic._get_stringtable()
    section: GNUVersionSection = kind(header, table, file, strings)  # type: ignore[arg-type]
    for _version, names in section.iter_versions():
        for name in names:
            if not name.entry.get("vna_flags", 0) & VER_FLG_WEAK:
                yield str(name.name)
            if table == "DT_VERDEF":
                break  # the others are the version's parents


def _highest(names: Iterator[str]) -> Versions:
    highest: dict[str, Version] = {}
    for name in names:
        found = VERSION.match(name)
        if found:
            family, version = found[1], tuple(map(int, found[2].split(".")))
        elif name == "GLIBC_ABI_DT_RELR":
            family, version = "GLIBC", RELR_GLIBC
        else:
            continue
        highest[family] = max(highest.get(family, ()), version)
    return Versions(
        glibc=highest.get("GLIBC", ()), glibcxx=highest.get("GLIBCXX", ()), cxxabi=highest.get("CXXABI", ())
    )


def _sections(file: ELFFile, facts: _Facts, size: int) -> None:
    if not file.header["e_shoff"]:
        return
    for section in file.iter_sections():
        if section["sh_type"] == "SHT_NOBITS":
            continue
        name, offset = section.name, section["sh_offset"]
        length = max(0, min(section["sh_size"], size - offset))
        if name in KERNEL_SECTIONS:
            facts.kernels.append(Extent(name=name, offset=offset, bytes=length))
        elif name == SEGMENT_SECTION:
            facts.segment += length
        elif not section["sh_flags"] & SHF_ALLOC:
            if name.startswith((".debug_", ".zdebug_")):
                facts.debug += length
            elif name in (".symtab", ".strtab"):
                facts.symbols += length
