"""A final root in, the bytes that were shipped and that nobody sees out. Speaks to: nothing."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable

from pipeline.measure.entries import shown
from pipeline.measure.root import DELETED, HIDDEN, OVERWRITTEN, Loss, Root
from pipeline.model import Layer, Waste

MOST_PATHS = 10
COPIED_UP = "copied-up"  # overwritten by the same content with another owner or mode
WASTED = frozenset((OVERWRITTEN, COPIED_UP, DELETED, HIDDEN))  # the causes whose rows sum up to the wasted bytes

HINTS = {
    OVERWRITTEN: "a later layer ships these files again: bring each once, in its last state "
    "(one RUN, or another stage and COPY --from)",
    COPIED_UP: "a later layer ships the same files again for a new owner or mode: set it in the line that brings "
    "them (COPY --chown, --chmod), or run chown and chmod in the RUN that makes them",
    DELETED: "deleting in a later layer saves nothing: delete in the RUN that writes them, "
    "or write them to a cache mount or in another stage",
    HIDDEN: "a later layer replaces the whole folder: make it once, in one RUN or in another stage",
}
OF_BASE = {
    OVERWRITTEN: "a later layer ships these files of the base again: take a newer base, which has them as they "
    "should be, in place of upgrading or replacing them here",
    COPIED_UP: "a later layer ships the same files of the base again for a new owner or mode: leave them as the base "
    "has them, or have the base changed",
    DELETED: "deleting what the base ships saves nothing: the base must change; take a smaller one, "
    "or COPY --from it what is needed",
    HIDDEN: "a later layer replaces a whole folder of the base: the base must change; take one without it",
}


def waste(root: Root, layers: tuple[Layer, ...], sizes: tuple[int, ...]) -> tuple[Waste, ...]:
    """Return what was shipped and is not seen, by cause and by the layer that shipped it, the most first.

    `sizes` are the layers' uncompressed tars; what a row costs on the wire is estimated by how well its layer shrank.
    """
    rows: dict[tuple[str, int], list[Loss]] = defaultdict(list)
    for loss in root.lost:
        rows[_cause(loss), loss.content.layer].append(loss)
    found = [
        row(cause, ((loss.content.size, loss.content.path) for loss in losses), _hint(cause, losses, layers, number),
            layers[number], sizes[number])
        for (cause, number), losses in rows.items()
    ]  # fmt: skip
    return by_size(found)


def duplicate_bytes(root: Root) -> int:
    """Return, among the visible files of equal content, the bytes of all but one. Hard links are one file."""
    copies: set[tuple[bytes, int]] = set()
    total = 0
    for content in root.visible():
        if content.hash:
            if (content.hash, content.size) in copies:
                total += content.size
            copies.add((content.hash, content.size))
    return total


def row(cause: str, files: Iterable[tuple[int, bytes]], hint: str, layer: Layer, size: int) -> Waste:
    """Return the row of files in one layer, each given by its bytes and its path; `size` is the layer's tar's."""
    total = 0
    biggest: list[tuple[int, bytes]] = []
    for number, path in files:
        total += number
        biggest.append((-number, path))
    return Waste(
        cause=cause,
        seen=cause not in WASTED,
        bytes=total,
        compressed_bytes=round(total * layer.compressed_bytes / size),
        layer=layer.digest,
        instruction=layer.instruction,
        dockerfile_line=layer.dockerfile_line,
        paths=tuple(shown(path) for _, path in heapq.nsmallest(MOST_PATHS, biggest)),
        hint=hint,
    )


def by_size(rows: Iterable[Waste]) -> tuple[Waste, ...]:
    """Return rows in their order in a report: the biggest first."""
    return tuple(sorted(rows, key=lambda row: (-row.bytes, row.cause, row.layer)))


def _cause(loss: Loss) -> str:
    """The loss's own cause; copied up when a later layer has the same content there, owned or allowed otherwise."""
    old, new = loss.content, loss.instead
    if loss.cause != OVERWRITTEN or new is None or new.layer == old.layer:
        return loss.cause
    same = bool(old.hash) and (old.hash, old.size) == (new.hash, new.size)
    return COPIED_UP if same and (old.mode, old.uid, old.gid) != (new.mode, new.uid, new.gid) else loss.cause


def _hint(cause: str, losses: list[Loss], layers: tuple[Layer, ...], number: int) -> str:
    hints = OF_BASE if layers[number].origin == "base" else HINTS
    lines = sorted({line for loss in losses if (line := layers[loss.by].dockerfile_line) is not None})
    return hints[cause] + (f"; done by line {', '.join(map(str, lines))}" if lines else "")
