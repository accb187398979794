"""Two trees in, every name of either with what stands there in both out. Speaks to: nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.measure.root import Content, Folder, Node, Other


@dataclass(slots=True, eq=False)
class Sum:
    """What lies in a folder and below it, before and after. Each regular file counts at its first name alone."""

    path: bytes
    bytes: list[int] = field(default_factory=lambda: [0, 0])
    files: list[int] = field(default_factory=lambda: [0, 0])
    changed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """What stands at a path in both trees; None for nothing and for a folder. `folder` is where it is counted."""

    path: bytes
    before: Content | Other | None
    after: Content | Other | None
    folder: Sum


class Walk:
    """A walk over two trees at once. When it is over, `sums` are those of the folders down to `depth`, root first."""

    def __init__(self, before: Folder, after: Folder, depth: int) -> None:
        self.sums = [Sum(b"")]
        self._above = [0]  # of each sum, the number of that of the folder that it lies in
        self._tops = before, after
        self._depth = depth
        self._seen: tuple[set[int], set[int]] = (set(), set())  # files that have more names than one

    def __iter__(self) -> Iterator[Pair]:
        left: list[tuple[bytes, Folder | None, Folder | None, int, int]] = [(b"", *self._tops, 0, 0)]
        while left:
            path, before, after, number, depth = left.pop()
            first, second = before.inside if before else {}, after.inside if after else {}
            for name in sorted(first.keys() | second.keys()):
                here = path + b"/" + name if path else name
                both = first.get(name), second.get(name)
                inner = [node if isinstance(node, Folder) else None for node in both]
                if inner[0] or inner[1]:
                    at = self._sum(here, number) if depth < self._depth else number
                    left.append((here, inner[0], inner[1], at, depth + 1))
                outer = [None if isinstance(node, Folder) else node for node in both]
                if outer[0] or outer[1]:
                    for side, node in enumerate(outer):
                        self._count(node, side, self.sums[number])
                    yield Pair(here, outer[0], outer[1], self.sums[number])
        self._add_up()

    def _sum(self, path: bytes, above: int) -> int:
        self.sums.append(Sum(path))
        self._above.append(above)
        return len(self.sums) - 1

    def _count(self, node: Node | None, side: int, folder: Sum) -> None:
        if isinstance(node, Content):
            if node.names > 1:
                if id(node) in self._seen[side]:
                    return
                self._seen[side].add(id(node))
            folder.bytes[side] += node.size
            folder.files[side] += 1

    def _add_up(self) -> None:
        """Add each folder to the one that it lies in; those were found before it."""
        for number in range(len(self.sums) - 1, 0, -1):
            inner, outer = self.sums[number], self.sums[self._above[number]]
            for side in (0, 1):
                outer.bytes[side] += inner.bytes[side]
                outer.files[side] += inner.files[side]
            outer.changed += inner.changed
