"""A layer's blob in, its uncompressed bytes out, once and in order. Speaks to: nothing.

Whatever the blob claims to be, its first bytes decide: zstd, gzip, or a plain tar. That is how container engines
read layers too. Nothing is written to disk, and no more than one chunk is held.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from pipeline import tools
from pipeline.errors import BadImage, Interrupted

CHUNK = 1 << 19
PACKED = 1 << 17  # bytes of gzip taken at a time: what is unpacked should still lie in the processor's cache
GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
ZSTD_SKIPPABLE = b"\x2a\x4d\x18"  # after one byte from 0x50 to 0x5f


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one layer, and for folders one image, may cost before it is refused. Sizes are bytes.

    A gzip or zstd stream of zeros is more than a thousand times smaller than what comes out of it, and people do ship
    files of zeros, so the ratio is only looked at once `ratio_after` has come out.
    """

    layer: int = 256 << 30  # uncompressed, with the holes of sparse files
    ratio: int = 1000  # uncompressed over compressed
    ratio_after: int = 4 << 30
    headers: int = 2_000_000  # tar headers; a file with a long name has two
    names: int = 512 << 20  # all names and link targets together
    folders: int = 1_000_000  # of the image; a deep name makes one with each slash
    path: int = 4096  # one name: Linux' PATH_MAX
    extended: int = 1 << 20  # one pax header or GNU long name, as Go's reader has it
    captured_file: int = 32 << 20  # one package database
    captured: int = 256 << 20  # all package databases of a layer

    def allowed(self, compressed: int) -> int:
        """The most bytes that a blob of this size may become."""
        return min(self.layer, max(self.ratio_after, self.ratio * compressed))


@dataclass(frozen=True, slots=True)
class Blob:
    """Where a blob's bytes lie: a whole file, or a part of an archive."""

    path: Path
    offset: int
    size: int


def refused(layer: str, what: str) -> BadImage:
    """The error for a layer that cannot be read or must not be trusted."""
    return BadImage(
        f"layer {layer}: {what}",
        hint="build or pull the image again; if it comes from somebody else, do not run it",
    )


class Forward(Protocol):
    """The bytes of a tar, read forward."""

    @property
    def layer(self) -> str:
        """The layer's digest, for error messages."""

    @property
    def position(self) -> int:
        """How many bytes were read or passed over."""

    def charge(self, count: int) -> None:
        """Count bytes that come out, holes included, against the layer's limit."""

    def pieces(self, count: int) -> Iterator[memoryview]:
        """Yield exactly the next `count` bytes, in pieces."""

    def read(self, count: int) -> bytes:
        """Return exactly the next `count` bytes."""

    def skip(self, count: int) -> None:
        """Pass over exactly the next `count` bytes."""

    def ended(self) -> bool:
        """Is there nothing left?"""


class Stream:
    """The uncompressed bytes of one layer, read forward only, in a `with` block. Hashes them on the way.

    Raises BadImage, naming the layer, for damaged compression, an early end, or more bytes than `limits` allow;
    Interrupted once `stop` is set.
    """

    def __init__(self, blob: Blob, layer: str, limits: Limits, stop: threading.Event) -> None:
        self.layer = layer
        self.position = 0  # uncompressed bytes handed out
        self._chunks = self._ahead(self._uncompressed(blob))
        self._chunk = memoryview(b"")
        self._sha256 = hashlib.sha256()
        self._produced = 0
        self._allowed = limits.allowed(blob.size)
        self._stop = stop

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        """End the threads that work ahead; the garbage collector would do it at any time and in any thread."""
        self._chunks.close()

    def charge(self, count: int) -> None:
        """Count bytes that come out of the layer, holes included, against its limit."""
        self._produced += count
        if self._produced > self._allowed:
            raise refused(self.layer, f"unpacks to more than {self._allowed} bytes; this looks like a bomb")

    def pieces(self, count: int) -> Iterator[memoryview]:
        """Yield exactly the next `count` bytes, in pieces."""
        while count:
            if not self._chunk and not self._next():
                raise refused(self.layer, f"ends {count} bytes too early, at byte {self.position}")
            piece = self._chunk[:count]
            self._chunk = self._chunk[len(piece) :]
            self.position += len(piece)
            count -= len(piece)
            yield piece

    def read(self, count: int) -> bytes:
        """Return exactly the next `count` bytes."""
        if count <= len(self._chunk):
            piece = bytes(self._chunk[:count])
            self._chunk = self._chunk[count:]
            self.position += count
            return piece
        return b"".join(self.pieces(count))

    def skip(self, count: int) -> None:
        """Pass over exactly the next `count` bytes."""
        for _ in self.pieces(count):
            pass

    def ended(self) -> bool:
        """Is there nothing left?"""
        return not self._chunk and not self._next()

    def finish(self) -> str:
        """Pass over the rest and return the diff ID: the digest of all uncompressed bytes."""
        while not self.ended():
            self.position += len(self._chunk)
            self._chunk = memoryview(b"")
        return f"sha256:{self._sha256.hexdigest()}"

    def _next(self) -> bool:
        for chunk in self._chunks:
            if self._stop.is_set() or tools.stopping():
                raise Interrupted("measuring was stopped", hint="run the command again")
            self._chunk = memoryview(chunk)
            return True
        return False

    def _ahead(self, chunks: Generator[bytes, None, None]) -> Generator[bytes, None, None]:
        """Unpack the next chunk and hash this one while the caller works on it: a big layer keeps two cores busy."""
        with ThreadPoolExecutor(1) as unpacker, ThreadPoolExecutor(1) as hasher:
            try:
                upcoming = unpacker.submit(next, chunks, b"")
                while chunk := upcoming.result():
                    self.charge(len(chunk))
                    upcoming = unpacker.submit(next, chunks, b"")
                    hashed = hasher.submit(self._sha256.update, chunk)
                    yield chunk
                    hashed.result()
            finally:
                unpacker.shutdown()
                chunks.close()

    def _uncompressed(self, blob: Blob) -> Generator[bytes, None, None]:
        import zstandard
        from isal import igzip_lib

        try:
            with io.BufferedReader(_Part(blob), CHUNK) as compressed:
                start = compressed.peek(4)[:4]
                if start.startswith(GZIP):
                    yield from _gunzipped(compressed)
                elif start == ZSTD or (start[1:] == ZSTD_SKIPPABLE and start[0] & 0xF0 == 0x50):
                    yield from _unzstded(compressed)
                else:
                    yield from _chunks(compressed)
        except (igzip_lib.error, zstandard.ZstdError, EOFError) as error:  # type: ignore[misc]  # isal's stub: no class
            raise refused(self.layer, f"its compression is damaged: {error}") from None
        except OSError as error:
            raise refused(self.layer, f"cannot be read: {error}") from None


class _Part(io.RawIOBase):
    """The part of a file that is a blob."""

    def __init__(self, blob: Blob) -> None:
        self._file = blob.path.open("rb", buffering=0)
        self._file.seek(blob.offset)
        self._left = blob.size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(memoryview(buffer)[: self._left])
        if self._left and not count:
            raise EOFError(f"{self._left} bytes are missing")
        self._left -= count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def _chunks(compressed: BinaryIO) -> Iterator[bytes]:
    while chunk := compressed.read(CHUNK):
        yield chunk


def _gunzipped(compressed: BinaryIO) -> Iterator[bytes]:
    """All gzip members, one after the other: stargz and pigz write many."""
    from isal import isal_zlib

    member = isal_zlib.decompressobj(wbits=31)
    while chunk := compressed.read(PACKED):
        while chunk:
            if member.eof:
                member = isal_zlib.decompressobj(wbits=31)
            if ready := member.decompress(chunk, CHUNK):
                yield ready
            chunk = member.unused_data if member.eof else member.unconsumed_tail
    while not member.eof:
        rest = member.decompress(member.unconsumed_tail, CHUNK)
        if not rest:
            raise EOFError("the gzip stream ends too early")
        yield rest


def _unzstded(compressed: BinaryIO) -> Iterator[bytes]:
    """All zstd frames, skippable ones passed over. The library's window limit (128 MiB) bounds the memory."""
    import zstandard

    reader = zstandard.ZstdDecompressor().stream_reader(compressed, read_size=CHUNK, read_across_frames=True)
    while chunk := reader.read(CHUNK):
        yield chunk
