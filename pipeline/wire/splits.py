"""Layers and what the large ones hold in, layers that would pull faster in several out. Speaks to: nothing.

An engine unpacks a layer when it is whole, so that nothing of a large one is unpacked while it is downloaded. Cut in
several, the first part is unpacked while the next is on its way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heapify, heapreplace

from pipeline.model.image import Layer
from pipeline.model.wire import Blob, Speeds, Split
from pipeline.wire.pull import DEFAULT, pull

MOST = 8  # parts of one layer: each is an instruction that somebody keeps
LEAST_SHARE, LEAST_SECONDS = 0.10, 1.0  # what a split must save to be worth it: both
ENOUGH = 0.05  # fewer parts are taken when more would save less than this much of the pull


def splits(
    layers: Sequence[Layer],
    parts: Sequence[Blob],
    contents: Mapping[str, Sequence[tuple[str, int]]],
    *,
    bandwidth: float,
    cores: int = 2,
    concurrent: int = 3,
    speeds: Speeds = DEFAULT,
) -> tuple[Split, ...]:
    """The own layers that are worth cutting, each alone, by most seconds saved.

    `contents` has per digest the packages or folders of a layer, by name and bytes. Raises ValueError as `pull` does.
    """

    def seconds(some: Sequence[Blob]) -> float:
        return pull(some, bandwidth=bandwidth, cores=cores, concurrent=concurrent, speeds=speeds).seconds

    before = seconds(parts)
    found = []
    for index, (layer, blob) in enumerate(zip(layers, parts, strict=True)):
        rows = [(name, size) for name, size in contents.get(layer.digest, ()) if size > 0]
        if layer.origin != "own" or len(rows) < 2:
            continue
        best: tuple[float, tuple[tuple[str, ...], ...]] | None = None
        for count in range(2, min(MOST, len(rows)) + 1):
            groups = _groups(rows, count)
            after = seconds([*parts[:index], *_cut(blob, groups), *parts[index + 1 :]])
            if best is None or best[0] - after > ENOUGH * before:
                best = after, tuple(tuple(name for name, _ in group) for group in groups)
        if best and before - best[0] > max(LEAST_SECONDS, LEAST_SHARE * before):
            found.append(
                Split(
                    digest=layer.digest,
                    dockerfile_line=layer.dockerfile_line,
                    instruction=layer.instruction,
                    parts=best[1],
                    seconds_before=before,
                    seconds_after=best[0],
                )
            )
    return tuple(sorted(found, key=lambda one: one.seconds_after))


def _groups(rows: Sequence[tuple[str, int]], count: int) -> list[list[tuple[str, int]]]:
    """Rows in `count` groups of about equal bytes: the largest row first, each into the emptiest group."""
    groups: list[list[tuple[str, int]]] = [[] for _ in range(count)]
    filled = [(0, index) for index in range(count)]
    heapify(filled)
    for row in sorted(rows, key=lambda one: (-one[1], one[0])):
        size, index = filled[0]
        groups[index].append(row)
        heapreplace(filled, (size + row[1], index))
    return groups


def _cut(blob: Blob, groups: Sequence[Sequence[tuple[str, int]]]) -> list[Blob]:
    """The parts of a blob by their share of its bytes; what no row names is in the last."""
    sizes = [sum(size for _, size in group) for group in groups]
    whole = max(blob.tar_bytes, sum(sizes), 1)
    sizes[-1] += whole - sum(sizes)
    parts = []
    compressed = tar = done = 0
    for number, size in enumerate(sizes):
        done += size
        until = blob.compressed_bytes * done // whole, blob.tar_bytes * done // whole
        parts.append(
            Blob(
                digest=f"{blob.digest}#{number}",
                compressed_bytes=until[0] - compressed,
                tar_bytes=until[1] - tar,
                compression=blob.compression,
            )
        )
        compressed, tar = until
    return parts
