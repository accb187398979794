"""An image's layers in, an index of each out. Speaks to: nothing.

A layer never changes, so it is read once on a machine; after that its index comes from the cache. Reading it whole
checks the diff ID: what was indexed is what the image's config promises. Only such an index is kept.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from pipeline.errors import BadImage
from pipeline.layout import Layout
from pipeline.measure import cache, packages, tar
from pipeline.measure.entries import Entry, LayerIndex, entry, shown
from pipeline.measure.sources import located
from pipeline.measure.stream import CHUNK, Blob, Forward, Limits, Stream, refused
from pipeline.measure.window import Window, is_plain

T = TypeVar("T")
R = TypeVar("R")
AT_ONCE = 8  # files that one thread hashes before it takes more
SMALL = 1 << 12  # bytes; such a file is hashed as it is passed: it came with its header, and others have its size


def indexes(layout: Layout, folder: Path, limits: Limits, *, verify: bool = True) -> tuple[LayerIndex, ...]:
    """Return the index of each layer, lowest first, reading those that the cache in `folder` does not know.

    Without `verify`, of a layer that is a plain tar only headers are read, and content where two files have the same
    size: such an index is not kept, and says so. Raises BadImage, naming the layer.
    """
    layers = {diff_id: (digest, size) for digest, diff_id, size, _ in layout.layers}
    stop = threading.Event()

    def index(diff_id: str) -> LayerIndex:
        known = cache.load(folder, diff_id)
        if known is not None:
            return known
        digest, size = layers[diff_id]
        blob = _blob(layout, digest, size)
        if not verify and is_plain(blob):
            return walk(blob, digest, diff_id, limits, stop)
        known = read(blob, digest, diff_id, limits, stop)
        cache.save(folder, known)
        return known

    # The biggest first: otherwise it may start last and the other cores wait for it.
    found = _each(index, sorted(layers, key=lambda diff_id: -layers[diff_id][1]), stop)
    by_id = {index.diff_id: index for index in found}
    if not all(index.verified for index in found):
        by_id = _hashed(by_id, layout, limits, stop)
    return tuple(by_id[diff_id] for _, diff_id, _, _ in layout.layers)


def read(blob: Blob, digest: str, diff_id: str, limits: Limits, stop: threading.Event) -> LayerIndex:
    """Read one layer whole. Raises BadImage for what an engine would not unpack or an honest builder not write."""
    with Stream(blob, digest, limits, stop) as stream:
        entries, contents = _listed(stream, limits, whole=True)
        actual = stream.finish()
    if actual != diff_id:
        raise refused(digest, f"its content is {actual}, the image's config promises {diff_id}")
    return LayerIndex(diff_id=diff_id, size=stream.position, entries=entries, contents=contents, verified=True)


def walk(blob: Blob, digest: str, diff_id: str, limits: Limits, stop: threading.Event) -> LayerIndex:
    """Read the headers of a layer that is a plain tar, and its package databases. Raises BadImage as `read` does."""
    with Window(blob, digest, limits, stop) as window:
        entries, contents = _listed(window, limits, whole=False)
    return LayerIndex(diff_id=diff_id, size=blob.size, entries=entries, contents=contents, verified=False)


def _listed(stream: Forward, limits: Limits, *, whole: bool) -> tuple[tuple[Entry, ...], dict[bytes, bytes]]:
    """The entries of a tar, and the package databases in it. Files are hashed when it is read `whole`."""
    from xxhash import xxh3_128_digest

    entries: list[Entry] = []
    contents: dict[bytes, bytes] = {}
    captured = 0
    for member in tar.members(stream, limits):
        size = member.size
        found = entry(member, stream.layer, stream.position if size else 0)
        if found is None:
            continue
        if size:
            if packages.wanted(found.name) and size <= limits.captured_file:
                content = b"".join(tar.content(stream, member))
                contents[found.name] = packages.kept(found.name, content)
                captured += len(contents[found.name])
                if captured > limits.captured:
                    raise refused(stream.layer, f"its package databases hold more than {limits.captured} bytes")
                found = found.hashed(xxh3_128_digest(content))
            elif found.name == packages.STATUS:
                raise refused(stream.layer, f"{shown(found.name)} has {size} bytes")
            elif size <= SMALL and member.parts is None:
                found = found.hashed(xxh3_128_digest(stream.read(size)))
            elif whole or member.parts is not None:
                found = found.hashed(_hash(stream, member))
        entries.append(found)
    return tuple(entries), contents


def _hash(stream: Forward, member: tar.Member) -> bytes:
    """The XXH3-128 of a member's content: equal content is looked for, and nothing is proven by it."""
    from xxhash import xxh3_128

    hashed = xxh3_128()
    for piece in tar.content(stream, member):
        hashed.update(piece)
    return hashed.digest()


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
        done[diff_id] = LayerIndex(
            diff_id=diff_id, size=index.size, entries=tuple(entries), contents=index.contents, verified=False
        )
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
