"""A final root in, its wasted and duplicate bytes out. Speaks to: nothing."""

from __future__ import annotations

import heapq
from collections import defaultdict

from pipeline.measure.entries import shown
from pipeline.measure.root import DELETED, HIDDEN, OVERWRITTEN, Loss, Root
from pipeline.model import Layer, Waste

MOST_PATHS = 10

HINTS = {
    OVERWRITTEN: "a later layer ships these files again, and a new owner or mode is enough for that: "
    "set it in the line that brings them (COPY --chown, --chmod), or bring them once",
    DELETED: "deleting in a later layer saves nothing: delete in the RUN that writes them, "
    "or write them to a cache mount or in another stage",
    HIDDEN: "a later layer replaces the whole folder: make it once, in one RUN or in another stage",
}


def waste(root: Root, layers: tuple[Layer, ...], sizes: tuple[int, ...]) -> tuple[Waste, ...]:
    """Return what was shipped and is not seen, by cause and by the layer that shipped it, the most first.

    `sizes` are the layers' uncompressed tars; what a row costs on the wire is estimated by how well its layer shrank.
    """
    rows: dict[tuple[str, int], list[Loss]] = defaultdict(list)
    for loss in root.lost:
        rows[loss.cause, loss.content.layer].append(loss)
    found = [_row(cause, losses, layers, number, sizes[number]) for (cause, number), losses in rows.items()]
    return tuple(sorted(found, key=lambda row: (-row.bytes, row.cause, row.layer)))


def duplicate_bytes(root: Root) -> int:
    """Return, among the visible files of equal content, the bytes of all but one. Hard links are one file."""
    copies: dict[bytes, int] = {}
    total = 0
    for content in root.visible():
        if content.size:
            if content.sha256 in copies:
                total += content.size
            copies[content.sha256] = content.size
    return total


def _row(cause: str, losses: list[Loss], layers: tuple[Layer, ...], number: int, size: int) -> Waste:
    layer = layers[number]
    total = sum(loss.content.size for loss in losses)
    biggest = heapq.nsmallest(MOST_PATHS, losses, key=lambda loss: (-loss.content.size, loss.content.path))
    lines = sorted({line for loss in losses if (line := layers[loss.by].dockerfile_line) is not None})
    by = f"; done by line {', '.join(map(str, lines))}" if lines else ""
    return Waste(
        cause=cause,
        bytes=total,
        compressed_bytes=round(total * layer.compressed_bytes / size),
        layer=layer.digest,
        instruction=layer.instruction,
        dockerfile_line=layer.dockerfile_line,
        paths=tuple(shown(loss.content.path) for loss in biggest),
        hint=HINTS[cause] + by,
    )
