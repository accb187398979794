"""A layer's tar in, its entries and what is kept of single files out. Speaks to: nothing.

Kept are package databases, where the loader looks, what programs and libraries say of themselves, and the first
bytes of model weights.
"""

from __future__ import annotations

import io
import tempfile
from typing import IO

from pipeline import elf
from pipeline.elf import Library, Reader
from pipeline.measure import packages, places, tar
from pipeline.measure.entries import Entry, entry, shown
from pipeline.measure.stream import Forward, Limits, refused
from pipeline.measure.window import Window

SMALL = 1 << 12  # bytes; such a file is hashed as it is passed: it came with its header, and others have its size
LD_SO_CONF = b"etc/ld.so.conf"  # and what lies in ld.so.conf.d
START = 16  # bytes of a file of weights
SPOOLED = 4 << 20  # bytes of a program in a compressed layer that are held in memory; more go to a file


class Listing:
    """What one layer holds. `whole`: every file is hashed; otherwise small ones are, and what is kept."""

    def __init__(self, stream: Forward, limits: Limits, *, whole: bool, plain: Window | None) -> None:
        self.entries: list[Entry] = []
        self.contents: dict[bytes, bytes] = {}
        self.libraries: dict[bytes, Library] = {}
        self.starts: dict[bytes, bytes] = {}
        self._stream, self._limits, self._whole = stream, limits, whole
        self._plain = plain  # the same bytes at any place; None where they are compressed
        self._captured = 0
        self._read()

    def _read(self) -> None:
        from xxhash import xxh3_128_digest

        stream, entries, most = self._stream, self.entries, self._limits.captured_file
        for member in tar.members(stream, self._limits):
            size = member.size
            found = entry(member, stream.layer, stream.position if size else 0)
            if found is None:
                continue
            if size:
                if (packages.wanted(found.name) or found.name.startswith(LD_SO_CONF)) and size <= most:
                    found = found.hashed(xxh3_128_digest(self._capture(found.name, member)))
                elif found.name == packages.STATUS:
                    raise refused(stream.layer, f"{shown(found.name)} has {size} bytes")
                elif size <= SMALL and member.parts is None:
                    content = stream.read(size)
                    if content.startswith(elf.MAGIC):
                        self._look(found.name, _reader(io.BytesIO(content)), size)
                    found = found.hashed(xxh3_128_digest(content))
                elif self._whole or member.parts is not None:
                    found = found.hashed(self._passed(found, member))
                else:
                    self._glance(found, self._plain.at(found.offset, START) if self._plain else b"")
            entries.append(found)

    def _capture(self, name: bytes, member: tar.Member) -> bytes:
        content = b"".join(tar.content(self._stream, member))
        self.contents[name] = packages.kept(name, content)
        self._captured += len(self.contents[name])
        if self._captured > self._limits.captured:
            raise refused(self._stream.layer, f"its package databases hold more than {self._limits.captured} bytes")
        return content

    def _passed(self, found: Entry, member: tar.Member) -> bytes:
        """The XXH3-128 of a member's content: equal content is looked for, and nothing is proven by it."""
        from xxhash import xxh3_128

        hashed = xxh3_128()
        pieces = tar.content(self._stream, member)
        piece = next(pieces)
        start = bytes(piece[:START])
        hashed.update(piece)
        if start.startswith(elf.MAGIC) and (self._plain is None or member.parts is not None):
            with tempfile.SpooledTemporaryFile(SPOOLED) as file:
                file.write(piece)
                for piece in pieces:
                    hashed.update(piece)
                    file.write(piece)
                self._look(found.name, _reader(file), found.size)
            return hashed.digest()
        self._glance(found, start)
        for piece in pieces:
            hashed.update(piece)
        return hashed.digest()

    def _glance(self, found: Entry, start: bytes) -> None:
        """Look into a file of a plain layer when its first bytes say that it is worth it."""
        if start.startswith(elf.MAGIC):
            plain = self._plain
            if plain is not None:
                self._look(found.name, lambda at, count: plain.at(found.offset + at, min(count, found.size - at)),
                           found.size)  # fmt: skip
        elif places.weighty(found.name, found.size):
            self.starts[found.name] = start

    def _look(self, name: bytes, reader: Reader, size: int) -> None:
        library = elf.look(reader, size)
        if library is not None:
            self.libraries[name] = library


def _reader(file: IO[bytes]) -> Reader:
    def read(at: int, count: int) -> bytes:
        file.seek(at)
        return file.read(count)

    return read
