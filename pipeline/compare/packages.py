"""The packages of two images in, those that differ out. Speaks to: nothing."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from itertools import zip_longest

from pipeline.model import Package
from pipeline.model.comparison import PackageChange


def packages(before: Iterable[Package], after: Iterable[Package]) -> tuple[PackageChange, ...]:
    """Return the packages that came, went, or have another version or size, by the bytes that changed."""
    both: dict[tuple[str, str], tuple[list[Package], list[Package]]] = defaultdict(lambda: ([], []))
    for side, found in enumerate((before, after)):
        for package in found:
            both[package.kind, package.name][side].append(package)
    rows = [row for first, second in both.values() for row in _rows(first, second)]
    return tuple(sorted(rows, key=lambda row: (-abs((row.bytes_after or 0) - (row.bytes_before or 0)),
                                               row.kind, row.name, row.version_after or "")))  # fmt: skip


def _rows(before: list[Package], after: list[Package]) -> Iterator[PackageChange]:
    """The rows of one name. It can be installed more than once: equal versions belong together first."""
    versions: dict[str, deque[Package]] = defaultdict(deque)
    for package in before:
        versions[package.version].append(package)
    others = []
    for package in after:
        same = versions[package.version]
        if not same:
            others.append(package)
        elif (partner := same.popleft()).bytes != package.bytes:
            yield _row("bytes", partner, package)
    for first, second in zip_longest((one for same in versions.values() for one in same), others):
        yield _row("added" if first is None else "removed" if second is None else "version", first, second)


def _row(change: str, before: Package | None, after: Package | None) -> PackageChange:
    named = after or before
    assert named is not None, "a row has at least one side"
    return PackageChange(
        change=change, kind=named.kind, name=named.name,
        version_before=before.version if before else None, version_after=after.version if after else None,
        bytes_before=before.bytes if before else None, bytes_after=after.bytes if after else None,
    )  # fmt: skip
