"""A plain tar in a file in, its headers and any of its files out, without reading the rest. Speaks to: nothing.

What nobody asks for is passed over, so a layer of a few big libraries costs what its headers cost. That leaves its
diff ID unchecked: who must be sure reads the layer as a `Stream`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

from pipeline import tools
from pipeline.errors import Interrupted
from pipeline.measure.stream import CHUNK, GZIP, ZSTD, ZSTD_SKIPPABLE, Blob, Limits, refused

AHEAD = 1 << 13  # bytes read at a header: half of all files are smaller, and the next header comes with them


def is_plain(blob: Blob) -> bool:
    """Is this blob a tar without compression? Raises OSError."""
    with blob.path.open("rb", buffering=0) as file:
        start = os.pread(file.fileno(), 4, blob.offset)
    return not start.startswith(GZIP) and start != ZSTD and start[1:] != ZSTD_SKIPPABLE


class Window:
    """The bytes of a plain layer, in a `with` block: read forward as a tar is read, or at any place.

    Raises BadImage, naming the layer, for an early end and for more bytes than `limits` allow; Interrupted once
    `stop` is set.
    """

    def __init__(self, blob: Blob, layer: str, limits: Limits, stop: threading.Event) -> None:
        self.layer = layer
        self.position = 0
        self.size = blob.size
        self._offset = blob.offset
        self._held = b""
        self._held_at = 0
        self._holes = 0
        self._allowed = limits.allowed(blob.size)
        self._stop = stop
        try:
            self._file = blob.path.open("rb", buffering=0)
        except OSError as error:
            raise refused(layer, f"cannot be read: {error}") from None
        self._fileno = self._file.fileno()

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def charge(self, count: int) -> None:
        """Count bytes that come out of the layer without lying in it, against its limit."""
        self._holes += count
        if self.size + self._holes > self._allowed:
            raise refused(self.layer, f"unpacks to more than {self._allowed} bytes; this looks like a bomb")

    def at(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes at a place of the layer; fewer at its end. Any thread may ask."""
        try:
            return os.pread(self._fileno, max(min(count, self.size - offset), 0), self._offset + offset)
        except OSError as error:
            raise refused(self.layer, f"cannot be read: {error}") from None

    def read(self, count: int) -> bytes:
        """Return exactly the next `count` bytes."""
        start = self.position - self._held_at  # never below 0: a window is only read forward
        if start + count > len(self._held):
            if self._stop.is_set() or tools.stopping():
                raise Interrupted("measuring was stopped", hint="run the command again")
            self._held, self._held_at, start = self.at(self.position, max(count, AHEAD)), self.position, 0
            if len(self._held) < count:
                raise refused(self.layer, f"ends {count - len(self._held)} bytes too early, at byte {self.size}")
        self.position += count
        return self._held[start : start + count]

    def pieces(self, count: int) -> Iterator[memoryview]:
        """Yield exactly the next `count` bytes, in pieces."""
        while count:
            piece = self.read(min(count, CHUNK))
            count -= len(piece)
            yield memoryview(piece)

    def skip(self, count: int) -> None:
        """Pass over exactly the next `count` bytes."""
        if self.position + count > self.size:
            missing = self.position + count - self.size
            raise refused(self.layer, f"ends {missing} bytes too early, at byte {self.size}")
        self.position += count

    def ended(self) -> bool:
        """Is there nothing left?"""
        return self.position >= self.size
