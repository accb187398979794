"""A comparison in, tables for a terminal out. Speaks to: nothing.

Growth is red, saving is green, and the sign says the same to those who see neither. Every word from an image has its
control characters spelled out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pipeline.model.comparison import Comparison, FileChange, Files, FlawsChange, LayerChange, PackageChange, Side
from pipeline.report.words import clip, count, duration, short, size, visible

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table
    from rich.text import Text

GROWN, SHRUNK = "red", "green"
BAR = 12  # characters
AT_ONCE = 20  # rows of a table whose length nobody chose; the document has all of them
LONGEST = 200
FILE_WORDS = {"attributes": "mode or owner only", "times": "times only", "link": "link leads elsewhere",
              "kind": "another kind of file"}  # fmt: skip


def text(found: Comparison) -> Group:
    """Return the comparison as a person reads it, the totals first."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [_side("before", found.before), _side("after", found.after), "", _totals(found)]
    again = found.shared
    parts.append(Text(f"{count(again.layers, 'layer')} shared ({size(again.compressed_bytes)} compressed); "
                      f"{size(again.pushed_again)} must be pushed again"))  # fmt: skip
    parts += ["", _layers(found.layers)]
    if found.packages:
        parts += ["", _packages(found.packages)]
    if found.files is None:
        parts += ["", Text("files SKIPPED: of one image only its record is known", style="bold yellow")]
    else:
        parts += ["", *_files(found.files)]
    if found.flaws is not None:
        parts += ["", *_flaws(found.flaws)]
    if found.start_up is not None:
        now, was = found.start_up.after, found.start_up.before
        sign = "+" if now >= was else "-"
        parts.append(
            Text(f"ready after {duration(now)}, before after {duration(was)} ({sign}{duration(abs(now - was))})")
        )
    return Group(*parts)


def delta(change: int) -> str:
    """Bytes with their sign: `+1.20 MB`, `-3 B`, `0 B`."""
    return f"{'+' if change > 0 else '-' if change < 0 else ''}{size(abs(change))}"


def _side(word: str, side: Side) -> Text:
    from rich.text import Text

    return Text(clip(f"{word:6} {visible(side.image)} ({short(visible(side.digest))}), {side.source}", LONGEST))


def _totals(found: Comparison) -> Table:
    was, now, change = found.totals.before, found.totals.after, found.totals.delta
    rows = [
        ("bytes", was.bytes, now.bytes, change.bytes),
        ("compressed", was.compressed_bytes, now.compressed_bytes, change.compressed_bytes),
        ("wasted", was.wasted_bytes, now.wasted_bytes, change.wasted_bytes),
        ("duplicate", was.duplicate_bytes, now.duplicate_bytes, change.duplicate_bytes),
    ]
    most = max(abs(row[3]) for row in rows)
    table = _table(("", "before", "after", "change", ""), right=(1, 2, 3))
    for word, first, second, moved in rows:
        table.add_row(word, size(first), size(second), _delta(moved), _bar(moved, most))
    files = f"{'+' if change.files > 0 else ''}{change.files:,}"
    table.add_row("files", f"{was.files:,}", f"{now.files:,}", _coloured(files, change.files))
    return table


def _layers(layers: Sequence[LayerChange]) -> Table:
    moved = [(row.bytes_after or 0) - (row.bytes_before or 0) for row in layers]
    most = max(map(abs, moved), default=0)
    table = _table(("line", "layer", "bytes", "change", "", "instruction"), right=(0, 2, 3))
    for row, change in zip(layers, moved, strict=True):
        line = row.line_after if row.line_after is not None else row.line_before
        shown = row.bytes_after if row.bytes_after is not None else row.bytes_before
        table.add_row(str(line or ""), row.change, size(shown), _delta(change), _bar(change, most),
                      _words(row.instruction, 90))  # fmt: skip
    return table


def _packages(packages: Sequence[PackageChange]) -> RenderableType:
    moved = [(row.bytes_after or 0) - (row.bytes_before or 0) for row in packages]
    table = _table(("package", "kind", "change", "before", "after", "bytes", ""), right=(5,))
    most = max(map(abs, moved))
    for row, change in list(zip(packages, moved, strict=True))[:AT_ONCE]:
        table.add_row(_words(row.name), _words(row.kind), row.change, _words(row.version_before or "-"),
                      _words(row.version_after or "-"), _delta(change), _bar(change, most))  # fmt: skip
    return _with_rest(table, len(packages) - AT_ONCE, "package")


def _files(files: Files) -> list[RenderableType]:
    from rich.text import Text

    counts = files.counts
    times = "times not known" if counts.times is None else f"{counts.times:,} in their times only"
    parts: list[RenderableType] = [
        Text(f"files: {counts.added:,} added, {counts.removed:,} removed, {counts.content:,} of other content, "
             f"{counts.attributes:,} of other mode or owner only, {counts.link + counts.kind:,} other, {times}")
    ]  # fmt: skip
    if files.folders:
        most = max(abs(row.bytes_after - row.bytes_before) for row in files.folders)
        table = _table(("folder", "before", "after", "change", "", "changed"), right=(1, 2, 3, 5))
        for row in files.folders[:AT_ONCE]:
            change = row.bytes_after - row.bytes_before
            table.add_row(_words(f"/{row.path}"), size(row.bytes_before), size(row.bytes_after), _delta(change),
                          _bar(change, most), f"{row.changed:,}")  # fmt: skip
        parts += ["", _with_rest(table, len(files.folders) - AT_ONCE + files.folders_left, "folder")]
    if files.rows:
        table = _table(("line", "file", "before", "after", "change", "path"), right=(0, 2, 3, 4))
        for one in files.rows:
            line = one.line_after if one.line_after is not None else one.line_before
            change = (one.bytes_after or 0) - (one.bytes_before or 0)
            table.add_row(str(line or ""), _what(one), size(one.bytes_before), size(one.bytes_after), _delta(change),
                          _words(f"/{one.path}", LONGEST))  # fmt: skip
        parts += ["", _with_rest(table, files.rows_left, "file")]
    return parts


def _what(row: FileChange) -> str:
    """What happened to a file, with the mode and the owner where those are what happened."""
    if row.change != "attributes":
        return FILE_WORDS.get(row.change, row.change)
    pairs = ((row.mode_before, row.mode_after), (row.owner_before, row.owner_after))
    return ", ".join(f"{was} → {now}" for was, now in pairs if was != now)


def _flaws(flaws: FlawsChange) -> list[RenderableType]:
    from rich.text import Text

    parts: list[RenderableType] = [Text(f"known flaws: {len(flaws.gained):,} gained, {len(flaws.lost):,} lost")]
    table = _table(("", "severity", "id", "package"))
    rows = [("gained", flaw) for flaw in flaws.gained] + [("lost", flaw) for flaw in flaws.lost]
    for word, flaw in rows[:AT_ONCE]:
        table.add_row(_coloured(word, 1 if word == "gained" else -1), _words(flaw.severity), _words(flaw.id),
                      _words(f"{flaw.package} {flaw.version}"))  # fmt: skip
    return [*parts, _with_rest(table, len(rows) - AT_ONCE, "flaw")] if rows else parts


def _with_rest(table: Table, left: int, noun: str) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    return Group(table, Text(f"and {count(left, noun)} more", style="dim")) if left > 0 else table


def _table(titles: Iterable[str], *, right: Sequence[int] = ()) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for index, title in enumerate(titles):
        table.add_column(title, justify="right" if index in right else "left", overflow="fold")
    return table


def _words(words: str, longest: int = 60) -> Text:
    from rich.text import Text

    return Text(clip(visible(words), longest))


def _delta(change: int) -> Text:
    return _coloured(delta(change), change)


def _bar(change: int, most: int) -> Text:
    """A change as long as it is of the biggest one; one that is there shows."""
    return _coloured("█" * (max(1, round(BAR * abs(change) / most)) if change and most else 0), change)


def _coloured(words: str, change: int) -> Text:
    from rich.text import Text

    return Text(words, style=GROWN if change > 0 else SHRUNK if change < 0 else "dim")
