"""A tar's member in, what it does to the image's root out. Speaks to: nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.elf import Library
from pipeline.measure import tar
from pipeline.measure.stream import refused

WHITEOUT, OPAQUE = (
    "w",
    "q",
)  # kinds beside tar's: a path of the layers below goes, all that they have in a folder goes
MARK = b".wh."
OPAQUE_NAME = b".wh..wh..opq"
AUFS_MARK = b".wh..wh."  # aufs' own notes, which engines pass over


class Entry(NamedTuple):
    """One entry of a layer. `name` is relative to the root; a whiteout's name is the path that it removes."""

    name: bytes
    kind: str
    size: int  # bytes, of a regular file; 0 for everything else
    mode: int
    uid: int
    gid: int
    mtime: int
    link: bytes  # a hard link's is relative to the root, a symbolic link's as it is written
    offset: int = 0  # of a regular file's content in the tar, uncompressed
    hash: bytes = b""  # XXH3-128 of a regular file's content; b"" for an empty one, and where nobody had to ask

    def hashed(self, value: bytes) -> Entry:
        """Return the same entry with its content's hash. A third of what `_replace` takes."""
        return Entry(*self[:9], value)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerIndex:
    """What one layer holds, in the order of its tar. `size` is that of the whole tar, uncompressed."""

    diff_id: str
    size: int
    entries: tuple[Entry, ...]
    contents: Mapping[bytes, bytes]  # the package databases, by name
    libraries: Mapping[bytes, Library]  # what its ELF files say of themselves, by name
    starts: Mapping[bytes, bytes]  # the first 16 bytes of what is named like model weights
    verified: bool  # the whole layer was read, and is what its diff ID says; every file has its hash then

    @property
    def bytes(self) -> int:
        """The sizes of its regular files."""
        return sum(entry.size for entry in self.entries)

    @property
    def files(self) -> int:
        """How many regular files are not empty; a hard link is no further file."""
        return sum(1 for entry in self.entries if entry.size)


def entry(member: tar.Member, layer: str, offset: int) -> Entry | None:
    """Return the entry of a member whose content begins at `offset`; None for the root itself and for aufs' notes.

    Raises BadImage.

    An absolute name is taken as relative to the root: container engines do so, and some builders write such names.
    A name with `..` is refused, although engines clamp it to the root: no honest builder writes one.
    """
    name = inside(member.name, layer)
    folder, _, last = name.rpartition(b"/")
    kind = member.kind
    if MARK in name and (last.startswith(MARK) or folder.startswith(MARK) or b"/" + MARK in folder):
        if member.size:
            raise refused(layer, f"a whiteout that carries {member.size} bytes: {shown(name)}")
        if last == OPAQUE_NAME:
            name, kind = folder, OPAQUE
        elif AUFS_MARK in name:
            return None
        else:
            gone = last.removeprefix(MARK)
            if not last.startswith(MARK) or gone in (b"", b".", b".."):
                raise refused(layer, f"a whiteout of nothing: {shown(name)}")
            name, kind = folder + b"/" + gone if folder else gone, WHITEOUT
    elif not name:
        return None
    link = inside(member.link, layer) if kind == tar.HARD_LINK else member.link
    return Entry(name, kind, member.size, member.mode, member.uid, member.gid, member.mtime, link, offset)


def inside(name: bytes, layer: str) -> bytes:
    """Return a name without leading slashes, `.` and doubled slashes. Raises BadImage for `..` and for a NUL."""
    if name and name[0] not in b"./" and b"/." not in name and b"//" not in name and b"\0" not in name:
        return name.removesuffix(b"/")
    if b"\0" in name:
        raise refused(layer, f"a name with a NUL in it: {shown(name)}")
    parts = [part for part in name.split(b"/") if part and part != b"."]
    if b".." in parts:
        raise refused(layer, f"a name that leaves the root: {shown(name)}")
    return b"/".join(parts)


def shown(name: bytes) -> str:
    """A name for people: what is not UTF-8 is escaped."""
    return name.decode("utf-8", "backslashreplace")
