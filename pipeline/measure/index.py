"""An image's layers in, an index of each out. Speaks to: nothing.

A layer never changes, so it is read once on a machine; after that its index comes from the cache. Reading it whole
checks the diff ID: what was indexed is what the image's config promises. Only such an index is kept for any image.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from pipeline.errors import BadImage
from pipeline.layout import Layout
from pipeline.measure import cache
from pipeline.measure.entries import Entry, LayerIndex
from pipeline.measure.listing import Listing
from pipeline.measure.sources import located
from pipeline.measure.stream import CHUNK, Blob, Limits, Stream, refused
from pipeline.measure.window import Window, is_plain

T = TypeVar("T")
R = TypeVar("R")
AT_ONCE = 8  # files that one thread hashes before it takes more


def indexes(layout: Layout, folder: Path, limits: Limits, *, verify: bool = True) -> tuple[LayerIndex, ...]:
    """Return the index of each layer, lowest first, reading those that the cache in `folder` does not know.

    Without `verify`, of a layer that is a plain tar only headers are read, and content where two files have the same
    size: such an index says so, and is kept for the very file that it was made from.
    Raises BadImage, naming the layer.
    """
    layers = {diff_id: (digest, size) for digest, diff_id, size, _ in layout.layers}
    stop = threading.Event()
    walked: dict[str, tuple[Blob, LayerIndex | None]] = {}

    def index(diff_id: str) -> LayerIndex:
        known = cache.load(folder, diff_id)
        if known is not None:
            return known
        digest, size = layers[diff_id]
        blob = _blob(layout, digest, size)
        if not verify and is_plain(blob):
            known = cache.load(folder, diff_id, blob)
            walked[diff_id] = blob, known
            return known or walk(blob, digest, diff_id, limits, stop)
        known = read(blob, digest, diff_id, limits, stop)
        cache.save(folder, known)
        return known

    # The biggest first: otherwise it may start last and the other cores wait for it.
    found = _each(index, sorted(layers, key=lambda diff_id: -layers[diff_id][1]), stop)
    by_id = {index.diff_id: index for index in found}
    if walked:
        by_id = _hashed(by_id, layout, limits, stop)
        for diff_id, (blob, known) in walked.items():
            if by_id[diff_id] is not known:
                cache.save(folder, by_id[diff_id], blob)
    return tuple(by_id[diff_id] for _, diff_id, _, _ in layout.layers)


def read(blob: Blob, digest: str, diff_id: str, limits: Limits, stop: threading.Event) -> LayerIndex:
    """Read one layer whole. Raises BadImage for what an engine would not unpack or an honest builder not write."""
    with contextlib.ExitStack() as opened:
        plain = opened.enter_context(Window(blob, digest, limits, stop)) if is_plain(blob) else None
        stream = opened.enter_context(Stream(blob, digest, limits, stop))
        listing = Listing(stream, limits, whole=True, plain=plain)
        actual = stream.finish()
        size = stream.position
    if actual != diff_id:
        raise refused(digest, f"its content is {actual}, the image's config promises {diff_id}")
    return _index(listing, diff_id, size, verified=True)


def walk(blob: Blob, digest: str, diff_id: str, limits: Limits, stop: threading.Event) -> LayerIndex:
    """Read the headers of a layer that is a plain tar, and what is kept of files. Raises BadImage as `read` does."""
    with Window(blob, digest, limits, stop) as window:
        listing = Listing(window, limits, whole=False, plain=window)
    return _index(listing, diff_id, blob.size, verified=False)


def _index(listing: Listing, diff_id: str, size: int, *, verified: bool) -> LayerIndex:
    return LayerIndex(
        diff_id=diff_id,
        size=size,
        entries=tuple(listing.entries),
        contents=listing.contents,
        libraries=listing.libraries,
        starts=listing.starts,
        verified=verified,
    )


def _hashed(
    indexes: dict[str, LayerIndex], layout: Layout, limits: Limits, stop: threading.Event
) -> dict[str, LayerIndex]:
    """The same indexes with the hash of each file whose size another file has as well."""
    sizes = Counter(entry.size for index in indexes.values() for entry in index.entries if entry.size)
    digests = {diff_id: (digest, size) for digest, diff_id, size, _ in layout.layers}
    done = dict(indexes)
    for diff_id, index in indexes.items():
        wanted = [number for number, entry in enumerate(index.entries)
                  if entry.size and not entry.hash and sizes[entry.size] > 1]  # fmt: skip
        if not wanted:
            continue
        digest, size = digests[diff_id]
        with Window(_blob(layout, digest, size), digest, limits, stop) as window:
            entries = list(index.entries)

            def hashes(
                numbers: Sequence[int], entries: list[Entry] = entries, window: Window = window
            ) -> list[bytes]:
                return [_hash_at(window, entries[number]) for number in numbers]

            groups = [wanted[at : at + AT_ONCE] for at in range(0, len(wanted), AT_ONCE)]
            for group, found in zip(groups, _each(hashes, groups, stop), strict=True):
                for number, value in zip(group, found, strict=True):
                    entries[number] = entries[number].hashed(value)
        done[diff_id] = dataclasses.replace(index, entries=tuple(entries))
    return done


def _hash_at(window: Window, entry: Entry) -> bytes:
    from xxhash import xxh3_128, xxh3_128_digest

    if entry.size <= CHUNK:
        return xxh3_128_digest(window.at(entry.offset, entry.size))
    hashed = xxh3_128()
    for at in range(0, entry.size, CHUNK):
        hashed.update(window.at(entry.offset + at, min(CHUNK, entry.size - at)))
    return hashed.digest()


def _each(work: Callable[[T], R], todo: Sequence[T], stop: threading.Event) -> list[R]:
    """`work` of each, a thread a core: reading, unpacking and hashing leave Python's lock alone."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        futures = [pool.submit(work, one) for one in todo]
        try:
            return [future.result() for future in futures]
        except BaseException:
            stop.set()  # after an error or Ctrl-C the others end at their next chunk
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _blob(layout: Layout, digest: str, size: int) -> Blob:
    try:
        blob = located(layout, digest)
    except OSError as error:
        raise BadImage(
            f"layer {digest} is not there: {error}",
            hint="pull or build the image again; the engine may have pruned it",
        ) from None
    if blob.size != size:
        raise refused(digest, f"has {blob.size} bytes, the manifest says {size}")
    return blob
