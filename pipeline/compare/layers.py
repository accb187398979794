"""The layers of two images in, which of them belong together and what they share out. Speaks to: nothing."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Sequence

from pipeline.model import Layer
from pipeline.model.comparison import LayerChange, Shared


def layers(before: Sequence[Layer], after: Sequence[Layer]) -> tuple[LayerChange, ...]:
    """Return a row for each layer, in the order of the second image; those that went stand at the end.

    Layers belong together by diff ID, else by the text of their instruction, else by their line, each in its order.
    """
    partner: dict[int, tuple[int, str]] = {}  # after → before, and how it was found
    left = list(range(len(before)))
    keys: tuple[tuple[str, Callable[[Layer], Hashable]], ...] = (
        ("diff_id", lambda layer: layer.diff_id),
        ("instruction", lambda layer: layer.instruction or None),
        ("line", lambda layer: layer.dockerfile_line),
    )
    for how, key in keys:
        waiting: dict[Hashable, deque[int]] = defaultdict(deque)
        for number in left:
            waiting[key(before[number])].append(number)
        waiting.pop(None, None)
        for number, layer in enumerate(after):
            found = waiting.get(key(layer)) if number not in partner else None
            if found:
                partner[number] = found.popleft(), how
        taken = {number for number, _ in partner.values()}
        left = [number for number in left if number not in taken]
    rows = [_row(before[partner[number][0]], layer, partner[number][1]) if number in partner else _row(None, layer)
            for number, layer in enumerate(after)]  # fmt: skip
    return (*rows, *(_row(before[number], None) for number in left))


def shared(before: Sequence[Layer], after: Sequence[Layer]) -> Shared:
    """Return what of the second image a registry that holds the first one need not be sent."""
    held = {layer.digest for layer in before}
    travels = {layer.digest: layer for layer in after}
    kept = [layer for digest, layer in travels.items() if digest in held]
    return Shared(
        layers=len(kept),
        bytes=sum(layer.bytes for layer in kept),
        compressed_bytes=sum(layer.compressed_bytes for layer in kept),
        pushed_again=sum(layer.compressed_bytes for digest, layer in travels.items() if digest not in held),
    )


def _row(before: Layer | None, after: Layer | None, how: str | None = None) -> LayerChange:
    if before is None or after is None:
        change = "added" if before is None else "removed"
    elif before.diff_id != after.diff_id:
        change = "changed"
    else:
        change = "same" if before.digest == after.digest else "recompressed"
    named = after or before
    return LayerChange(
        change=change,
        matched_by=how,
        instruction=named.instruction if named else "",
        line_before=before.dockerfile_line if before else None,
        line_after=after.dockerfile_line if after else None,
        bytes_before=before.bytes if before else None,
        bytes_after=after.bytes if after else None,
        compressed_before=before.compressed_bytes if before else None,
        compressed_after=after.compressed_bytes if after else None,
    )
