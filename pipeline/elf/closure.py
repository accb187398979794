"""The ELF files of a root in, where each library is found and which is not out. Speaks to: nothing.

Every program, and every library that no program loads, is loaded as ld.so of glibc would: breadth first, what has
been loaded is not looked for again, RPATH, LD_LIBRARY_PATH, RUNPATH, the configured folders, the default ones
(ld.so(8)). A library that no program of the image loads is one that some process opens later on, with dlopen: that
process may hold libraries already, so what lies elsewhere in the image is not called missing there.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from posixpath import basename, dirname, normpath

from pipeline.elf.read import LIBRARY, PROGRAM, Elf, Version

Finder = Callable[[str], str | None]  # a path -> the real path of the regular file there, links followed

FOUND, LOADED_BEFORE, OFF_PATH, DRIVER, MISSING = (
    "found",
    "found only if loaded before",
    "off path",
    "driver",
    "missing",
)
GLIBC, MUSL = "glibc", "musl"
LIBC = "libc.so.6"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "386": "i386", "s390x": "s390x", "ppc64le": "ppc64le"}
TRIPLETS = {
    "x86_64": "x86_64-linux-gnu",
    "aarch64": "aarch64-linux-gnu",
    "i386": "i386-linux-gnu",
    "s390x": "s390x-linux-gnu",
    "ppc64le": "powerpc64le-linux-gnu",
}
# What the NVIDIA container toolkit brings from the host (docs.nvidia.com/datacenter/cloud-native/container-toolkit)
DRIVERS = re.compile(
    r"lib(?:cuda|cudadebugger|nvcuvid|nvoptix|nvidia-[\w.-]+|(?:EGL|GLX|GLESv1_CM|GLESv2|vdpau)_nvidia)\.so(?:\.\d+)*"
)
TOKEN = re.compile(r"\$(?:\{(ORIGIN|LIB|PLATFORM)\}|(ORIGIN|LIB|PLATFORM)\b)")
MOST_LOOKS = 5_000_000  # at folders, in all: some minute; an honest image of 20 GB needs some 100,000


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A library that a file asks for by name, and what becomes of it."""

    file: str  # who asks
    soname: str
    outcome: str  # found | found only if loaded before | off path | driver | missing
    where: str = ""  # the real path of what is found, or of what lies where nobody looks
    head: str = ""  # the program, or the library opened first, in whose load this was seen


@dataclass(frozen=True, slots=True, kw_only=True)
class TooOld:
    """A file that was linked against a newer library than the root has: it will not start."""

    file: str
    library: str  # libc.so.6 | libstdc++.so.6
    needs: Version
    has: Version


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """What the root's programs and libraries need: `needs` once for each file, name and outcome, in file order."""

    libc: str  # glibc | musl, whose rules are others and are not judged | "" where the root has neither
    glibc: Version = ()
    needs: tuple[Need, ...] = ()
    too_old: tuple[TooOld, ...] = ()
    complete: bool = True  # False: there was more to look at than in any honest image


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """Where the loader looks. `configured` are the lines of ld.so.conf and of the files that it includes."""

    elves: Mapping[str, Elf]  # by real path
    find: Finder
    architecture: str = "amd64"  # as an image's config says it
    configured: Sequence[str] = ()
    library_path: str = ""  # LD_LIBRARY_PATH of the image


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A library in a process: where it was found, what it is and who asked for it first."""

    path: str  # as found: its folder is $ORIGIN
    real: str
    elf: Elf
    loader: _Loaded | None


class _Enough(Exception):
    """There was more to look at than in any honest image."""


def closure(root: Root) -> Closure:
    """Return what each program and library of a root needs, and where that is found. Raises what `find` does."""
    machine = MACHINES.get(root.architecture, root.architecture)
    system = _system(root, machine)
    if system is None:
        musl = any(basename(path).startswith("ld-musl-") for path in root.elves)
        return Closure(libc=MUSL if musl else "")
    loader = _Loader(root, machine, system)
    complete = True
    try:
        for head in _heads(root.elves, loader):
            loader.load(head)
    except _Enough:
        complete = False
    libc = root.elves[system.libc]
    return Closure(
        libc=GLIBC,
        glibc=libc.defines.glibc,
        needs=tuple(sorted(loader.needs.values(), key=lambda need: (need.file, need.soname, need.outcome))),
        too_old=tuple(_too_old(root.elves, libc, loader)),
        complete=complete,
    )


@dataclass(frozen=True, slots=True)
class _System:
    """How this root's glibc was built: where it lies, and which folders it looks through without being told."""

    libc: str
    folders: tuple[str, ...]
    lib: str  # $LIB


def _system(root: Root, machine: str) -> _System | None:
    """Debian's glibc looks through its triplet's folders, Red Hat's through lib64: the folder of libc.so.6 tells."""
    triplet = f"lib/{TRIPLETS.get(machine, machine + '-linux-gnu')}"
    for lib, names in ((triplet, (triplet, "lib")), ("lib64", ("lib64",)), ("lib", ("lib",))):
        for prefix in ("/", "/usr/"):
            real = root.find(f"{prefix}{lib}/{LIBC}")
            elf = root.elves.get(real) if real else None
            if real and elf and elf.machine == machine:
                folders = tuple(f"{top}{name}" for name in names for top in ("/", "/usr/"))
                return _System(real, folders, lib)
    return None


def _heads(elves: Mapping[str, Elf], loader: _Loader) -> Iterator[str]:
    """Programs; then libraries that no file asks for by name; then, of what only asks for each other, the rest."""
    yield from sorted(path for path, elf in elves.items() if elf.kind == PROGRAM)
    libraries = sorted(path for path, elf in elves.items() if elf.kind == LIBRARY)
    asked = {soname for elf in elves.values() for soname in elf.needed}
    yield from (path for path in libraries if not {elves[path].soname, basename(path)} & asked)
    yield from (path for path in libraries if path not in loader.seen)


class _Loader:
    """Loads one head after another and keeps what became of each need."""

    def __init__(self, root: Root, machine: str, system: _System) -> None:
        self.needs: dict[tuple[str, str, str], Need] = {}
        self.seen: set[str] = set()  # real paths that some head has loaded
        self._root, self._machine, self._system = root, machine, system
        self._library_path = tuple(part for part in re.split("[:;]", root.library_path) if part)
        self._behind = (*_configured(root.configured), *system.folders)
        self._left = MOST_LOOKS
        self._known: dict[tuple[str, str, int], tuple[str, str] | None] = {}
        self._named: dict[str, list[str]] = defaultdict(list)
        for path, elf in sorted(root.elves.items()):
            for name in {elf.soname, basename(path)} if elf.kind == LIBRARY else ():
                self._named[name].append(path)

    def load(self, path: str) -> None:
        """Load a program or a library with all that it needs, breadth first. Raises _Enough."""
        elf = self._root.elves[path]
        if elf.machine != self._machine or elf.static:
            return
        head = _Loaded(path, path, elf, None)
        held = {elf.soname or basename(path): head}
        files = {path: head}
        if elf.interpreter and elf.kind == PROGRAM:
            self._interpreter(head, held)
        queue = [head]
        for loaded in queue:
            self.seen.add(loaded.real)
            for soname in loaded.elf.needed:
                self._left -= 1
                at = held.get(soname) or self._search(soname, loaded)
                if at is None:
                    self._lost(soname, loaded, head)
                    continue
                if at.real not in files:
                    files[at.real] = at
                    queue.append(at)
                held[soname] = held[at.elf.soname or soname] = files[at.real]
                self._note(loaded, soname, FOUND, at.real, head)

    def _interpreter(self, head: _Loaded, held: dict[str, _Loaded]) -> None:
        """The loader is in the process before anything that it loads."""
        name = head.elf.interpreter
        real = self._root.find(name)
        elf = self._root.elves.get(real) if real else None
        if real is None or elf is None:
            self._note(head, name, MISSING, "", head)
            return
        held[elf.soname or basename(name)] = _Loaded(name, real, elf, head)

    def _note(self, loaded: _Loaded, soname: str, outcome: str, where: str, head: _Loaded) -> None:
        key = (loaded.real, soname, outcome)
        if key not in self.needs:
            self.needs[key] = Need(file=loaded.real, soname=soname, outcome=outcome, where=where, head=head.real)

    def _lost(self, soname: str, loaded: _Loaded, head: _Loaded) -> None:
        elsewhere = next((path for path in self._named.get(basename(soname), ()) if self._fits(path, loaded.elf)), "")
        if DRIVERS.fullmatch(basename(soname)):
            outcome, elsewhere = DRIVER, ""
        elif not elsewhere:
            outcome = MISSING
        else:
            outcome = OFF_PATH if head.elf.kind == PROGRAM else LOADED_BEFORE
        self._note(loaded, soname, outcome, elsewhere, head)

    def _search(self, soname: str, loaded: _Loaded) -> _Loaded | None:
        if "/" in soname:
            found = self._at(self._expanded(soname, loaded), loaded.elf) if soname[0] in "/$" else None
            return found and _Loaded(*found, self._root.elves[found[1]], loaded)
        for folder in self._folders(loaded):
            found = self._known_at(folder, soname, loaded.elf)
            if found:
                return _Loaded(*found, self._root.elves[found[1]], loaded)
        return None

    def _folders(self, loaded: _Loaded) -> Iterator[str]:
        """The folders for what a file needs, in the loader's order. A RUNPATH switches all RPATHs off."""
        if loaded.elf.runpath is None:
            up: _Loaded | None = loaded
            while up is not None:
                if up.elf.runpath is None:
                    yield from (self._expanded(folder, up) for folder in up.elf.rpath)
                up = up.loader
        yield from (self._expanded(folder, loaded) for folder in self._library_path)
        yield from (self._expanded(folder, loaded) for folder in loaded.elf.runpath or ())
        yield from self._behind

    def _expanded(self, path: str, loaded: _Loaded) -> str:
        tokens = {"ORIGIN": dirname(loaded.path), "LIB": self._system.lib, "PLATFORM": self._machine}
        return TOKEN.sub(lambda token: tokens[token[1] or token[2]], path)

    def _known_at(self, folder: str, soname: str, elf: Elf) -> tuple[str, str] | None:
        key = (folder, soname, elf.bits)
        if key not in self._known:
            self._known[key] = self._at(f"{folder}/{soname}", elf)
        else:
            self._left -= 1
        return self._known[key]

    def _at(self, path: str, elf: Elf) -> tuple[str, str] | None:
        """The library at a path, as found and as it really is; None where it is none of the asking file's class."""
        self._left -= 1
        if self._left < 0:
            raise _Enough
        if not path.startswith("/"):
            return None  # below the working directory, which nobody knows
        real = self._root.find(path)
        return (normpath(path), real) if real is not None and self._fits(real, elf) else None

    def _fits(self, path: str, elf: Elf) -> bool:
        other = self._root.elves.get(path)
        return other is not None and (other.bits, other.machine) == (elf.bits, elf.machine)


def _configured(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        for folder in line.split("#", 1)[0].replace(",", " ").replace(":", " ").split():
            if folder.startswith("/"):
                yield folder.split("=", 1)[0]


def _too_old(elves: Mapping[str, Elf], libc: Elf, loader: _Loader) -> Iterator[TooOld]:
    for path, elf in sorted(elves.items()):
        fits = (elf.bits, elf.machine) == (libc.bits, libc.machine)
        if fits and libc.defines.glibc and elf.needs.glibc > libc.defines.glibc:
            yield TooOld(file=path, library=LIBC, needs=elf.needs.glibc, has=libc.defines.glibc)
    for need in sorted(loader.needs.values(), key=lambda need: need.file):
        has = elves[need.where].defines.glibcxx if need.outcome == FOUND else ()
        wants = elves[need.file].needs.glibcxx
        if need.soname == "libstdc++.so.6" and has and wants > has:
            yield TooOld(file=need.file, library=need.soname, needs=wants, has=has)
