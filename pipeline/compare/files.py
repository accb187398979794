"""Two final roots in, the names and folders that differ out. Speaks to: the cache folder, read only.

Both trees are walked at once and nothing is kept of a name that is the same. Folders and devices have no row of
their own, and modes and owners are those of regular files.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.compare.walk import Pair, Sum, Walk
from pipeline.measure import cache, tar
from pipeline.measure.entries import shown
from pipeline.measure.root import Content, Other, Root
from pipeline.model.comparison import FileChange, FileCounts, Files, FolderChange

MOST_FOLDERS = 100
TIMES = "times"

Lines = tuple[int | None, ...]  # of each layer of an image, the Dockerfile's line
Seen = dict[tuple[int, bytes, int], int]  # layer, name and offset of a file → its time of change


@dataclass(frozen=True, slots=True)
class Image:
    """A root to compare, and for each of its layers the diff ID and the line. `cache` holds their indexes."""

    root: Root
    diff_ids: tuple[str, ...]
    lines: Lines
    cache: Path

    def times(self, files: Iterable[Content]) -> Seen | None:
        """Return when each file was last changed, in seconds since 1970; None when an index was not kept."""
        wanted: dict[int, set[tuple[bytes, int]]] = defaultdict(set)
        for file in files:
            wanted[file.layer].add((file.path, file.offset))
        found: Seen = {}
        for layer, places in wanted.items():
            index = cache.load(self.cache, self.diff_ids[layer])
            if index is None:
                return None
            for entry in index.entries:
                if entry.kind == tar.FILE and (entry.name, entry.offset) in places:
                    found[layer, entry.name, entry.offset] = entry.mtime
        return found


def files(before: Image, after: Image, *, most: int, depth: int) -> Files:
    """Return what differs: the `most` biggest names, and the biggest folders not deeper than `depth`."""
    counts: Counter[str] = Counter()
    alike: list[tuple[bytes, Content, Content]] = []
    walk = Walk(before.root.top, after.root.top, depth)

    def changed() -> Iterator[tuple[str, Pair]]:
        for pair in walk:
            change = _change(pair.before, pair.after)
            if change is not None:
                pair.folder.changed += 1
                counts[change] += 1
                yield change, pair
                continue
            old, new = pair.before, pair.after
            if isinstance(old, Content) and isinstance(new, Content) and not _one(old, new, before, after):
                alike.append((pair.path, old, new))

    # At least one, since nsmallest of none would not walk at all.
    biggest = heapq.nsmallest(max(most, 1), changed(), key=lambda found: _rank(found[1]))[:most]
    rows = [_row(change, pair.path, pair.before, pair.after, before, after) for change, pair in biggest]
    touched = _touched(alike, before, after)
    last = heapq.nsmallest(most - len(rows), touched or (), key=lambda found: (-found[1].size, found[0]))
    rows += [_row(TIMES, *found, before, after) for found in last]
    folders = [_folder(one) for one in walk.sums if one.changed]
    kept = heapq.nsmallest(
        MOST_FOLDERS, folders, key=lambda row: (-abs(row.bytes_after - row.bytes_before), -row.changed, row.path)
    )
    return Files(
        counts=FileCounts(
            added=counts["added"], removed=counts["removed"], content=counts["content"],
            attributes=counts["attributes"], link=counts["link"], kind=counts["kind"],
            times=None if touched is None else len(touched),
        ),
        folders=tuple(kept), folders_left=len(folders) - len(kept),
        rows=tuple(rows), rows_left=sum(counts.values()) + len(touched or ()) - len(rows),
    )  # fmt: skip


def _change(before: Content | Other | None, after: Content | Other | None) -> str | None:
    """What happened to a name, None when it is the same but perhaps for its time."""
    if before is None or after is None:
        return "added" if before is None else "removed"
    if isinstance(before, Content) and isinstance(after, Content):
        if (before.size, before.hash) != (after.size, after.hash):
            return "content"
        return None if _attributes(before) == _attributes(after) else "attributes"
    if isinstance(before, Other) and isinstance(after, Other) and bool(before.link) == bool(after.link):
        return None if before.link == after.link else "link"
    return "kind"


def _attributes(file: Content) -> tuple[int, int, int]:
    return file.mode & 0o7777, file.uid, file.gid


def _one(first: Content, second: Content, before: Image, after: Image) -> bool:
    """Whether two files are the same bytes of the same layer, so that their times are the same as well."""
    return (before.diff_ids[first.layer], first.path, first.offset) == (
        after.diff_ids[second.layer], second.path, second.offset
    )  # fmt: skip


def _touched(
    alike: list[tuple[bytes, Content, Content]], before: Image, after: Image
) -> list[tuple[bytes, Content, Content]] | None:
    """Those of which only the time differs. None when nobody knows the times."""
    was = before.times(file for _, file, _ in alike)
    is_now = after.times(file for _, _, file in alike)
    if was is None or is_now is None:
        return None
    return [
        (path, old, new)
        for path, old, new in alike
        if was.get((old.layer, old.path, old.offset)) != is_now.get((new.layer, new.path, new.offset))
    ]


def _rank(pair: Pair) -> tuple[int, bytes]:
    """The biggest first: what a change ships or saves, not by how much it differs."""
    return -max(one.size if isinstance(one, Content) else 0 for one in (pair.before, pair.after)), pair.path


def _row(
    change: str,
    path: bytes,
    first: Content | Other | None,
    second: Content | Other | None,
    before: Image,
    after: Image,
) -> FileChange:
    old = first if isinstance(first, Content) else None
    new = second if isinstance(second, Content) else None
    return FileChange(
        change=change, path=shown(path),
        bytes_before=old.size if old else None, bytes_after=new.size if new else None,
        mode_before=f"{old.mode & 0o7777:04o}" if old else None,
        mode_after=f"{new.mode & 0o7777:04o}" if new else None,
        owner_before=f"{old.uid}:{old.gid}" if old else None, owner_after=f"{new.uid}:{new.gid}" if new else None,
        line_before=before.lines[old.layer] if old else None, line_after=after.lines[new.layer] if new else None,
    )  # fmt: skip


def _folder(found: Sum) -> FolderChange:
    return FolderChange(path=shown(found.path), bytes_before=found.bytes[0], bytes_after=found.bytes[1],
                        files_before=found.files[0], files_after=found.files[1], changed=found.changed)  # fmt: skip
