"""The bytes of a tar in, its members out. Speaks to: nothing.

Reads what Go's archive/tar reads, because container engines unpack with it: ustar, pax, GNU long names, base-256
numbers and sparse files. Python's tarfile is ten times slower and forgives more: what an engine would refuse is
refused here as well. Names stay bytes; they need not be UTF-8.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from pipeline.measure import sparse
from pipeline.measure.fields import decimal, number, octal
from pipeline.measure.stream import Forward, Limits, refused

BLOCK = 512
NEWLINE = ord("\n")
ADLER = 65521  # Adler-32 counts modulo this prime
SPACES = 8 * ord(" ")  # what the checksum's own field counts as
END = bytes(BLOCK)
FILE, HARD_LINK, SYMLINK, FOLDER, OTHER = "f", "h", "s", "d", "o"
KINDS = {b"0": FILE, b"\0": FILE, b"7": FILE, b"S": FILE, b"1": HARD_LINK, b"2": SYMLINK,
         b"3": OTHER, b"4": OTHER, b"5": FOLDER, b"6": OTHER}  # fmt: skip
INT64 = (1 << 63) - 1


class Member(NamedTuple):
    """One member. `size` is the file's; `parts` are the stored parts of a sparse file, None for any other."""

    name: bytes
    kind: str
    size: int
    mode: int
    uid: int
    gid: int
    mtime: int
    link: bytes
    parts: sparse.Parts | None


@dataclass(slots=True)
class _Ahead:
    """What extended headers say about the member that follows them."""

    pax: Mapping[bytes, bytes] = field(default_factory=dict)
    name: bytes = b""
    link: bytes = b""


def members(stream: Forward, limits: Limits) -> Iterator[Member]:
    """Yield each member; its content is `content(stream, member)`, before the next is asked for. Raises BadImage."""
    ahead = _Ahead()
    extended = False
    headers = names = 0
    most, longest, every = limits.headers, limits.path, limits.names
    while not stream.ended():
        raw = stream.read(BLOCK)
        if raw == END:
            if not stream.ended() and stream.read(BLOCK) != END:
                raise refused(stream.layer, f"a lone block of zeros before byte {stream.position}")
            return
        headers += 1
        if headers > most:
            raise refused(stream.layer, f"has more than {most} entries")
        flag = _checked(raw, stream)
        if flag in b"xgLK":
            _extended(flag, raw, ahead, stream, limits)
            extended = True
            continue
        member, end = _member(raw, flag, ahead, stream)
        if extended:
            ahead, extended = _Ahead(), False
        name, link = len(member.name), len(member.link)
        names += name + link
        if name > longest or link > longest or names > every:
            raise refused(stream.layer, f"names too long at byte {stream.position}")
        yield member
        stream.skip(end - stream.position)
    if ahead != _Ahead():
        raise refused(stream.layer, "ends after an extended header")


def content(stream: Forward, member: Member) -> Iterator[memoryview]:
    """Yield the content of the member that `members` has just given."""
    if member.parts is None:
        return stream.pieces(member.size)
    return sparse.content(stream, member.parts, member.size)


def _checked(raw: bytes, stream: Forward) -> bytes:
    """The type flag of a header whose checksum holds. Old writers summed signed bytes; both sums are accepted."""
    field = raw[148:156]
    expected = _adler(field)
    # Adler-32's low half is one more than the sum of all bytes, modulo 65,521, and is had forty times as fast.
    if expected != zlib.adler32(raw) & 0xFFFF and number(field, stream) != _signed(raw):
        raise refused(stream.layer, f"no tar header at byte {stream.position - BLOCK}")
    return raw[156:157]


@lru_cache(maxsize=1 << 14)
def _adler(field: bytes) -> int:
    """The low half of a whole header's Adler-32, by what its checksum field says; -1 for what is no number."""
    said = octal(field)
    return -1 if said is None else (said + sum(field) - SPACES + 1) % ADLER


def _signed(raw: bytes) -> int:
    """A header's checksum over signed bytes."""
    others = raw[:148] + raw[156:]
    return SPACES + sum(others) - 256 * sum(byte > 127 for byte in others)


def _extended(flag: bytes, raw: bytes, ahead: _Ahead, stream: Forward, limits: Limits) -> None:
    """Read a pax header or a GNU long name. Global pax headers are passed over, as Go does."""
    size = number(raw[124:136], stream)
    if not 0 <= size <= limits.extended:
        raise refused(stream.layer, f"an extended header of {size} bytes at byte {stream.position - BLOCK}")
    data = stream.read(size)
    stream.skip(-size % BLOCK)
    if flag == b"x":
        ahead.pax = _pax(data, stream)
    elif flag == b"L":
        ahead.name = data.split(b"\0", 1)[0]
    elif flag == b"K":
        ahead.link = data.split(b"\0", 1)[0]


def _pax(data: bytes, stream: Forward) -> dict[bytes, bytes]:
    """The records of a pax header: `length key=value` and a line feed each."""
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 20)
        length = data[at:space]
        end = at + int(length) if length.isdigit() and space > 0 else 0
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not space < end <= len(data) or data[end - 1] != NEWLINE or not key or not equals or b"\0" in key:
            raise refused(stream.layer, f"a broken pax record before byte {stream.position}")
        at = end
        if key in (b"atime", b"ctime"):
            continue
        if key in (b"path", b"linkpath", b"GNU.sparse.name") and b"\0" in value:
            raise refused(stream.layer, f"a name with a NUL in it before byte {stream.position}")
        if key in sparse.REPEATED and key in records:
            value = records[key] + b"," + value
        records[key] = value
    return records


def _member(raw: bytes, flag: bytes, ahead: _Ahead, stream: Forward) -> tuple[Member, int]:
    """The member that a header and what stood before it describe, and the byte after its content."""
    kind = KINDS.get(flag)
    if kind is None:
        raise refused(stream.layer, f"an entry of unknown type {flag!r} at byte {stream.position - BLOCK}")
    pax = ahead.pax
    name = ahead.name or pax.get(b"path") or _name(raw)
    size, mode, uid = octal(raw[124:136]), octal(raw[100:108]), octal(raw[108:116])
    gid, mtime = octal(raw[116:124]), octal(raw[136:148])
    if size is None or mode is None or uid is None or gid is None or mtime is None:
        raise refused(stream.layer, f"a number that is none before byte {stream.position}")
    if pax:
        size = decimal(pax[b"size"], stream) if pax.get(b"size") else size
        uid = decimal(pax[b"uid"], stream) if pax.get(b"uid") else uid
        gid = decimal(pax[b"gid"], stream) if pax.get(b"gid") else gid
        mtime = _time(pax[b"mtime"], stream) if pax.get(b"mtime") else mtime
    if size < 0:
        raise refused(stream.layer, f"a size below zero at byte {stream.position - BLOCK}")
    # Go reads no content after links, folders and devices, whatever size their header names.
    stored = size if kind == FILE else 0
    parts = None
    if flag == b"S":
        parts, size = sparse.old_gnu(raw, stream)
    end = stream.position + stored + -stored % BLOCK
    if pax and kind == FILE and flag != b"S" and sparse.described(pax):
        name = pax.get(b"GNU.sparse.name") or name
        parts, size = sparse.pax(pax, stream, stored)
    if parts is not None:
        sparse.check(parts, size, end - stream.position, stream)
    if flag == b"\0" and name.endswith(b"/"):  # how tars from before 1988 write a folder
        kind = FOLDER
    link = b""
    if kind in (HARD_LINK, SYMLINK):
        link = ahead.link or pax.get(b"linkpath") or raw[157:257].split(b"\0", 1)[0]
    member = Member(
        name,
        kind,
        size if kind == FILE else 0,
        mode & 0o7777,
        uid if 0 <= uid <= INT64 else _within(uid, 0),
        gid if 0 <= gid <= INT64 else _within(gid, 0),
        mtime if 0 <= mtime <= INT64 else _within(mtime, -INT64),
        link,
        parts,
    )
    return member, end


def _within(value: int, least: int) -> int:
    return min(max(value, least), INT64)


def _name(raw: bytes) -> bytes:
    name = raw[:100].split(b"\0", 1)[0]
    if raw[257:263] != b"ustar\0":
        return name
    prefix = raw[345 : 476 if raw[508:512] == b"tar\0" else 500].split(b"\0", 1)[0]
    return prefix + b"/" + name if prefix else name


def _time(value: bytes, stream: Forward) -> int:
    """Whole seconds since 1970; the fraction that pax allows is cut off."""
    seconds = value.split(b".", 1)[0]
    negative = seconds.startswith(b"-")
    return -decimal(seconds[1:], stream) if negative else decimal(seconds, stream)
