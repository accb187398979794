"""Layers that come as a stream in, an index of each in the cache out. Speaks to: what opens the streams.

What cannot be read twice, or would have to be stored first, is hashed and listed as it passes. A layer whose index is
in the cache is not opened at all.
"""

from __future__ import annotations

import hashlib
import io
import os
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pipeline.layout import Layout, blob_path
from pipeline.measure import cache
from pipeline.measure.entries import LayerIndex
from pipeline.measure.listing import Listing
from pipeline.measure.stream import Blob, Limits, Stream, refused

AT_ONCE = 4  # layers: more connections hardly make a registry faster, and each holds its own chunks
SAID = 2.0  # seconds between two lines about how far it is

Chunks = Generator[bytes, None, None]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedLayout(Layout):
    """A layout whose layers lie elsewhere. `chunks` yields the bytes of the layer with a digest, unchecked."""

    chunks: Callable[[str], Chunks]

    def blob(self, digest: str) -> Path:
        """The file of a blob; one that is not here is stored first, for those who cannot do with its index."""
        path = blob_path(self.blobs, digest)
        if not path.exists():
            size = next((size for known, _, size, _ in self.layers if known == digest), None)
            if size is None:
                raise FileNotFoundError(f"{self.digest} has no layer {digest}")
            partial = path.with_suffix(f".{threading.get_ident()}")
            with closing(self.chunks(digest)) as chunks, partial.open("wb") as file:
                arriving = Arriving(chunks, digest, size)
                while chunk := arriving.read(1 << 20):
                    file.write(chunk)
                arriving.check()
            partial.replace(path)
        return path


class Arriving(io.RawIOBase):
    """The bytes of one blob as a file that is read forward once; `check` says whether they were the blob's.

    Closing it does not end `chunks`: a reader closes it after the blob's size, and `check` asks what follows.
    """

    def __init__(self, chunks: Chunks, digest: str, size: int, came: Callable[[int], None] = lambda _: None) -> None:
        self._chunks, self._chunk = chunks, memoryview(b"")
        self._digest, self._size, self._came = digest, size, came
        self._sha256 = hashlib.sha256()
        self._count = 0

    def open(self, mode: str, buffering: int) -> Arriving:
        """Return itself: where a file is expected, this is one."""
        return self

    def readable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Stay where it begins: that is all that a reader of blobs asks for. Raises OSError for another place."""
        if offset or whence or self._count:
            raise OSError("a stream has no other place than its next byte")
        return 0

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`, less only at the end. Raises BadImage for more bytes than the blob has."""
        wanted = memoryview(buffer)
        filled = 0
        while filled < len(wanted) and (self._chunk or self._next()):
            piece = self._chunk[: len(wanted) - filled]
            wanted[filled : filled + len(piece)] = piece
            self._chunk = self._chunk[len(piece) :]
            filled += len(piece)
        return filled

    def check(self) -> None:
        """Raise BadImage unless all bytes came, none too many, and their sha256 is the digest."""
        while self._next():
            pass
        if self._count != self._size:
            raise refused(self._digest, f"{self._count} bytes came, the manifest says {self._size}")
        actual = f"sha256:{self._sha256.hexdigest()}"
        if actual != self._digest:
            raise refused(self._digest, f"what came is {actual}")

    def _next(self) -> bool:
        for chunk in self._chunks:
            self._count += len(chunk)
            if self._count > self._size:
                raise refused(self._digest, f"more than the {self._size} bytes came that the manifest says")
            self._sha256.update(chunk)
            self._came(len(chunk))
            self._chunk = memoryview(chunk)
            return True
        return False


def fill(layout: StreamedLayout, folder: Path, limits: Limits, say: Say = lambda _: None) -> None:
    """Put an index of each layer that the cache in `folder` does not know into it. Raises BadImage, RegistryFailed.

    Where the cache cannot be written, whoever weighs the layout finds no index and asks for the blob instead.
    """
    wanted = {diff_id: (digest, size) for digest, diff_id, size, _ in layout.layers}
    todo = [diff_id for diff_id in wanted if cache.load(folder, diff_id) is None]
    if not todo:
        return
    stop = threading.Event()
    came = _Progress(sum(wanted[diff_id][1] for diff_id in todo), len(todo), say)

    def one(diff_id: str) -> None:
        digest, size = wanted[diff_id]
        cache.save(folder, read(layout.chunks(digest), digest, size, diff_id, limits, stop, came.add))

    with ThreadPoolExecutor(min(AT_ONCE, os.cpu_count() or 1)) as pool:
        futures = [pool.submit(one, diff_id) for diff_id in sorted(todo, key=lambda known: -wanted[known][1])]
        try:
            for future in futures:
                future.result()
        finally:
            stop.set()  # after an error or Ctrl-C the others end at their next chunk
            pool.shutdown(wait=True, cancel_futures=True)


def read(
    chunks: Chunks, digest: str, size: int, diff_id: str, limits: Limits, stop: threading.Event,
    came: Callable[[int], None] = lambda _: None,
) -> LayerIndex:  # fmt: skip
    """Return the index of a layer whose blob comes as `chunks`. Raises BadImage as for a layer in a file."""
    with closing(chunks):
        arriving = Arriving(chunks, digest, size, came)
        blob = Blob(cast(Path, arriving), 0, size)  # a stream opens a blob, seeks its start and reads it: no more
        with Stream(blob, digest, limits, stop) as stream:
            listing = Listing(stream, limits, whole=True, plain=None)
            actual = stream.finish()
            unpacked = stream.position
            arriving.check()
    if actual != diff_id:
        raise refused(digest, f"its content is {actual}, the image's config promises {diff_id}")
    return LayerIndex(
        diff_id=diff_id,
        size=unpacked,
        entries=tuple(listing.entries),
        contents=listing.contents,
        libraries=listing.libraries,
        starts=listing.starts,
        verified=True,
    )


class _Progress:
    """How much of all layers has come, said every now and then."""

    def __init__(self, size: int, layers: int, say: Say) -> None:
        self._size, self._layers, self._say = size, layers, say
        self._count = 0
        self._said = 0.0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        with self._lock:
            self._count += count
            now = time.monotonic()
            if now - self._said < SAID:
                return
            self._said = now
            count = self._count
        self._say(f"reading {self._layers} layers, {count / 1e6:,.0f} of {self._size / 1e6:,.0f} MB")
