"""An image's layers in, an index of each out. Speaks to: nothing.

A layer never changes, so it is read once on a machine; after that its index comes from the cache. Reading checks the
diff ID: what was indexed is what the image's config promises.
"""

from __future__ import annotations

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.errors import BadImage
from pipeline.layout import Layout
from pipeline.measure import cache, packages, tar
from pipeline.measure.entries import Entry, LayerIndex, entry, shown
from pipeline.measure.sources import located
from pipeline.measure.stream import Blob, Limits, Stream, refused


def indexes(layout: Layout, folder: Path, limits: Limits) -> tuple[LayerIndex, ...]:
    """Return the index of each layer, lowest first, reading those that the cache in `folder` does not know.

    Raises BadImage, naming the layer. Reading, unpacking and hashing leave Python's lock alone, so a thread a core
    keeps every core busy.
    """
    layers = {diff_id: (digest, size) for digest, diff_id, size, _ in layout.layers}
    stop = threading.Event()

    def index(diff_id: str) -> LayerIndex:
        digest, size = layers[diff_id]
        known = cache.load(folder, diff_id)
        if known is None:
            known = read(_blob(layout, digest, size), digest, diff_id, limits, stop)
            cache.save(folder, known)
        return known

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        # The biggest first: otherwise it may start last and the other cores wait for it.
        order = sorted(layers, key=lambda diff_id: -layers[diff_id][1])
        futures = {diff_id: pool.submit(index, diff_id) for diff_id in order}
        try:
            return tuple(futures[diff_id].result() for _, diff_id, _, _ in layout.layers)
        finally:
            stop.set()  # after an error or Ctrl-C the others end at their next chunk
            pool.shutdown(wait=False, cancel_futures=True)


def read(blob: Blob, digest: str, diff_id: str, limits: Limits, stop: threading.Event) -> LayerIndex:
    """Read one layer. Raises BadImage for what an engine would not unpack or an honest builder would not write."""
    entries: list[Entry] = []
    contents: dict[bytes, bytes] = {}
    captured = 0
    with Stream(blob, digest, limits, stop) as stream:
        for member in tar.members(stream, limits):
            found = entry(member, digest)
            if found is None:
                continue
            if member.size:
                keep = packages.wanted(found.name) and member.size <= limits.captured_file
                sha256, content = _content(stream, member, keep)
                found = found._replace(sha256=sha256)
                if keep:
                    contents[found.name] = packages.kept(found.name, content)
                    captured += len(contents[found.name])
                    if captured > limits.captured:
                        raise refused(digest, f"its package databases hold more than {limits.captured} bytes")
                elif found.name == packages.STATUS:
                    raise refused(digest, f"{shown(found.name)} has {member.size} bytes")
            entries.append(found)
        actual = stream.finish()
    if actual != diff_id:
        raise refused(digest, f"its content is {actual}, the image's config promises {diff_id}")
    return LayerIndex(diff_id=diff_id, size=stream.position, entries=tuple(entries), contents=contents)


def _content(stream: Stream, member: tar.Member, keep: bool) -> tuple[bytes, bytes]:
    """The sha256 of a member's content, and the content itself when it is to be kept."""
    sha256 = hashlib.sha256()
    kept: list[bytes] = []
    for piece in tar.content(stream, member):
        sha256.update(piece)
        if keep:
            kept.append(bytes(piece))
    return sha256.digest(), b"".join(kept)


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
