"""gzip layers and their files in, what they would weigh as zstd out: an estimate from samples. Speaks to: nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.model.wire import Blob

WINDOW = 8 << 20  # bytes compressed at a time: the window of zstd's usual levels and more
EVERY = 8  # one window in this many is compressed
LEVEL = 3  # what BuildKit's zstd does unless told


def as_zstd(parts: Sequence[Blob], find: Callable[[str], Path | None]) -> tuple[Blob, ...] | None:
    """The layers with the compressed bytes that zstd would make of them; None where a layer cannot be read.

    `find` has a digest's file, or None. One eighth of each gzip or plain layer is compressed, spread over it, so the
    bytes are an estimate. zstd layers stay as they are. No more of a layer is read than its `tar_bytes`.
    """
    found = []
    for blob in parts:
        if blob.compression == "zstd" or blob.tar_bytes == 0:
            found.append(replace(blob, compression="zstd"))
            continue
        path = find(blob.digest)
        ratio = None if path is None else _ratio(path, blob)
        if ratio is None:
            return None
        found.append(replace(blob, compression="zstd", compressed_bytes=round(blob.tar_bytes * ratio)))
    return tuple(found)


def _ratio(path: Path, blob: Blob) -> float | None:
    """Compressed bytes over bytes of the windows that were looked at; None for what is not the gzip it should be."""
    import zstandard
    from isal import isal_zlib

    read = packed = position = 0
    try:
        with path.open("rb") as raw, _opened(raw, blob.compression) as file:
            while position < blob.tar_bytes:
                window = file.read(min(WINDOW, blob.tar_bytes - position))
                if not window:
                    break
                if position // WINDOW % EVERY == 0:
                    read += len(window)
                    packed += len(zstandard.ZstdCompressor(level=LEVEL).compress(window))
                position += len(window)
    except (OSError, EOFError, isal_zlib.error):  # type: ignore[misc]  # isal's stub: no class
        return None
    return packed / read if read else None


def _opened(raw: BinaryIO, compression: str) -> AbstractContextManager[Any]:
    from isal import igzip

    if compression != "gzip":
        return raw
    return igzip.IGzipFile(fileobj=raw, mode="rb")  # type: ignore[no-untyped-call]
