"""A Measurement in, tables with bars and a tree for a terminal out. Speaks to: nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from pipeline.model import Measurement, Waste
from pipeline.model.libraries import Libraries
from pipeline.model.shares import Share
from pipeline.model.wire import Wire
from pipeline.report import answers
from pipeline.report.stages import source_line
from pipeline.report.words import clip, count, duration, short, size, visible

BAR = 20  # characters
ROWS = 12  # of each table; the JSON has all
ALMOST = 0.98  # of a folder is in one below it: that one is shown, with its whole path
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_STYLES = {"missing": "bold red", "off path": "bold red"}


def weighed(measured: Measurement) -> Group:
    """What an image weighs: where the bytes are, which of them nobody needs, what starts and what a pull takes."""
    parts: list[Any] = [*_head(measured), "", _layers(measured)]
    for title, shown in (
        ("Where the visible bytes are", _folders(measured.shares.folders)),
        ("Shipped, and seen by nobody", _waste(row for row in measured.waste if not row.seen)),
        ("Seen, and most likely not needed", _waste(row for row in measured.waste if row.seen)),
        *_of_libraries(measured.libraries),
        *_of_wire(measured.wire),
        ("Packages", _packages(measured)),
    ):
        if shown is not None and (isinstance(shown, Group) or shown.row_count):
            parts += ["", Text(title, style="bold"), shown]
    return Group(*parts)


def _head(measured: Measurement) -> Iterator[Text]:
    totals = measured.totals
    own = sum(layer.bytes for layer in measured.layers if layer.origin == "own")
    base = "" if own in (0, totals.bytes) else f", {size(own)} of them its own"
    yield _text(f"{measured.image} ({measured.digest})", "bold")
    yield _text(
        f"{size(totals.bytes)} in {count(totals.files, 'file')}{base}; {size(totals.compressed_bytes)} compressed; "
        f"{size(totals.wasted_bytes)} wasted, {size(totals.duplicate_bytes)} duplicate"
    )
    checked = "" if measured.verified else ", walked from header to header: contents not checked"
    yield _text(f"read from {measured.source} in {duration(measured.seconds)}{checked}", "dim")
    if measured.libraries is not None:
        answer = answers.starts(measured.libraries)
        yield _text(f"starts: {answer}", {"yes": "green", "no,": "bold red"}.get(answer[:3], "dim"))
    if measured.wire is not None:
        yield _text(f"pull: {answers.pull(measured.wire)}")
        for one in measured.wire.limits.findings:
            where = f"line {one.dockerfile_line}: " if one.dockerfile_line is not None else ""
            yield _text(f"{one.severity}: {where}{one.message}; {one.hint}", "yellow")
        if measured.wire.limits.note:
            yield _text(measured.wire.limits.note, "dim")


def _layers(measured: Measurement) -> Table:
    most = max((layer.bytes for layer in measured.layers), default=0)
    rows = [
        (_number(layer.dockerfile_line), layer.origin, size(layer.bytes), bar(layer.bytes, most),
         size(layer.compressed_bytes), f"{layer.files:,}", clip(layer.instruction, 90))
        for layer in measured.layers
    ]  # fmt: skip
    return _table(
        ("line", "from", "bytes", "", "compressed", "files", "instruction"), rows, right=(0, 2, 4, 5), most=len(rows)
    )


def _folders(shares: Sequence[Share]) -> Table:
    """The folders with the most bytes as a tree; one that holds little else than one other is left out."""
    top = shares[0].bytes if shares else 0
    chosen = {one.name for one in sorted(shares[1:], key=lambda one: -one.bytes)[: 2 * ROWS]}
    rows = []
    above: list[str] = []
    for one, following in zip_longest(shares[1:], shares[2:]):
        alone = following is not None and following.name.startswith(one.name + "/")
        if one.name not in chosen or (alone and following.bytes >= ALMOST * one.bytes):
            continue
        while above and not one.name.startswith(above[-1] + "/"):
            above.pop()
        name = one.name[len(above[-1]) + 1 :] if above else one.name
        rows.append((size(one.bytes), bar(one.bytes, top), size(one.own_bytes), "  " * len(above) + clip(name, 80)))
        above.append(one.name)
    return _table(("bytes", "", "own", "folder"), rows, right=(0, 2), most=len(rows))


def _waste(found: Iterable[Waste]) -> Group | None:
    rows = sorted(found, key=lambda row: -row.bytes)
    cells = [
        (_number(row.dockerfile_line), row.cause, size(row.bytes), size(row.compressed_bytes),
         clip(row.paths[0], 90) if row.paths else "")
        for row in rows
    ]  # fmt: skip
    if not cells:
        return None
    table = _table(("line", "cause", "bytes", "~ compressed", "like"), cells, right=(0, 2, 3))
    hints = dict.fromkeys((row.cause, row.hint.partition("; done by line")[0]) for row in rows[:ROWS])
    return Group(table, *(_text(f"{cause}: {hint}", "dim") for cause, hint in hints))


def _of_libraries(found: Libraries | None) -> Iterator[tuple[str, Table]]:
    if found is None:
        return
    yield "Libraries that will not be found", _table(
        ("line", "outcome", "library", "needed by", "lies in"),
        [(_number(one.dockerfile_line), one.outcome, one.soname, clip(one.file, 70), one.where)
         for one in found.not_found],
        marked=1, right=(0,),
    )  # fmt: skip
    yield "Linked against newer libraries than the image has", _table(
        ("line", "library", "needs", "has", "file"),
        [(_number(one.dockerfile_line), one.library, one.needs, one.has, clip(one.file, 80))
         for one in found.too_old],
        right=(0,),
    )  # fmt: skip
    yield "CUDA that is there more than once", _table(
        ("library", "too much", "content", "brought by", "what to do"),
        [(one.library, size(one.bytes), "same" if one.same_content else "differs", answers.brought(one), one.hint)
         for one in found.cuda_twice],
        right=(1,),
    )  # fmt: skip
    yield "GPU code by compute capability", _table(
        ("line", "GPU code", "never runs", "library", "capabilities"),
        [(_number(one.dockerfile_line), size(answers.code_bytes(one)), size(one.unused_bytes),
          one.file.rpartition("/")[2], answers.capabilities(one)) for one in found.kernels],
        right=(0, 1, 2),
    )  # fmt: skip
    yield "Model weights", _table(
        ("line", "format", "bytes", "file"),
        [(_number(one.dockerfile_line), one.format, size(one.bytes), clip(one.file, 90)) for one in found.weights],
        right=(0, 2),
    )  # fmt: skip


def _of_wire(found: Wire | None) -> Iterator[tuple[str, Table]]:
    if found is None:
        return
    rows = [
        (_number(one.dockerfile_line), f"{len(one.parts)} layers",
         f"{duration(one.seconds_before)} → {duration(one.seconds_after)}",
         "; ".join(clip(", ".join(part), 50) for part in one.parts))
        for one in found.splits
    ]  # fmt: skip
    yield "Layers that would pull faster in several", _table(("line", "as", "pull", "with"), rows, right=(0,))


def _packages(measured: Measurement) -> Table:
    lines = {layer.digest: source_line(layer.dockerfile_line, layer.origin) for layer in measured.layers}
    known = sorted(measured.packages, key=lambda one: -(one.bytes or 0))
    most = known[0].bytes or 0 if known else 0
    rows = [(size(one.bytes), bar(one.bytes or 0, most), one.kind, f"{one.name} {one.version}",
             lines.get(one.layer, short(one.layer))) for one in known]  # fmt: skip
    return _table(("bytes", "", "kind", "package", "from"), rows, right=(0,))


def bar(part: int, whole: int) -> str:
    """A bar of BAR characters for the whole; what is more than nothing can be seen."""
    eighths = round(8 * BAR * part / whole) if whole > 0 else 0
    full, rest = divmod(max(eighths, 1) if part > 0 else 0, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def _number(line: int | None) -> str:
    return "" if line is None else str(line)


def _table(
    titles: Sequence[str], rows: Sequence[Sequence[str]], *, marked: int = -1, right: Sequence[int] = (),
    most: int = ROWS,
) -> Table:  # fmt: skip
    """A plain table of the first rows; the column `marked` is coloured by its word."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for index, title in enumerate(titles):
        table.add_column(title, justify="right" if index in right else "left", overflow="fold")
    for row in rows[:most]:
        table.add_row(*(
            Text(visible(cell), style=_STYLES.get(cell, "") if index == marked else "")
            for index, cell in enumerate(row)
        ))  # fmt: skip
    if len(rows) > most:
        table.caption = f"{len(rows) - most:,} more; --format json has them"
        table.caption_justify = "left"
    return table


def _text(words: str, style: str = "") -> Text:
    return Text(visible(words), style=style)
