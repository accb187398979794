"""A Lint and the texts it speaks of in, what a person reads at a terminal out. Speaks to: nothing.

Dockerfile:4:22: warning some-rule
  what is wrong
  4 | RUN apt-get install curl
    |     ~~~~~~~~~~~~~~~~~~~~
  try: what to do
  fix: what `seatrial fix` would do
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipeline.lint.formats.counting import by_rule, mendable, summary
from pipeline.model import Finding, Lint

TAB = 4  # columns; a tab before the caret must be as wide as the one in the line above
WIDEST = 160  # columns of a shown line; of a longer one the piece around the caret
MOST_LINES = 4  # of one finding
MANY = 10  # findings; then the summary also says how many there are of each rule

_COLOURS = {"error": "\x1b[1;31m", "warning": "\x1b[33m", "info": "\x1b[36m", "dim": "\x1b[2m", "mark": "\x1b[32m"}
_END = "\x1b[0m"


def as_text(
    lint: Lint,
    sources: Mapping[str, str] | None = None,
    *,
    show_waived: bool = False,
    known: int = 0,
    colour: bool = False,
) -> str:
    """Return findings as people read them. `sources` are the texts by file, for the line and its caret.

    Control characters in a Dockerfile are shown as `?`: they would command the terminal. `known` is how many findings
    a baseline took out.
    """
    parts = [*_findings(lint, sources or {}, show_waived, colour), *_errors(lint, colour)]
    parts.append("\n".join([*_by_rule(lint), summary(lint, known), *_mending(lint)]))
    return "\n\n".join(parts) + "\n"


def printable(line: str) -> str:
    """A line in which nothing acts."""
    return line if line.isprintable() else "".join(char if char.isprintable() else "?" for char in line)


def _findings(lint: Lint, sources: Mapping[str, str], show_waived: bool, colour: bool) -> Iterator[str]:
    lines = {file: text.removeprefix("\ufeff").split("\n") for file, text in sources.items()}
    marked = {file for file, text in sources.items() if text.startswith("\ufeff")}
    for finding in lint.findings:
        if finding.waived and not show_waived:
            continue
        place = ":".join(str(part) for part in (finding.file, finding.line, finding.column) if part is not None)
        weight = _painted(finding.severity.value, finding.severity.value, colour)
        shown = [f"{printable(place)}: {weight} {printable(finding.rule)}"]
        shown += [f"  {printable(line)}" for line in finding.message.split("\n")]
        shown += _source(finding, lines.get(finding.file, ()), finding.file in marked, colour)
        shown.append(f"  try: {printable(finding.hint)}")
        if finding.fix is not None:
            how = "" if finding.fix.safe else " (with --unsafe)"
            shown.append(f"  fix: {printable(finding.fix.title)}{how}")
        if finding.waived:
            shown.append(f"  waived: {printable(finding.waived)}")
        yield "\n".join(shown)


def _source(finding: Finding, lines: Sequence[str], marked: bool, colour: bool) -> Iterator[str]:
    """The lines of the Dockerfile, and below each the piece of it that is meant, where that is known.

    `marked`: the file begins with a byte order mark, which columns of its first line count and nobody sees.
    """
    if not 0 < finding.line <= len(lines):
        return
    last = finding.line if finding.column is None or finding.end_column is None else finding.end_line
    shown = range(finding.line, min(last, len(lines), finding.line + MOST_LINES - 1) + 1)
    gutter = len(str(shown[-1]))
    for number in shown:
        line = lines[number - 1].rstrip("\r")
        start, end = _meant(finding, line, number)
        if marked and number == 1:
            start, end = max(start - 1, 0), max(end - 1, 0)
        text, mark = _window(line, start, end if finding.column is not None else None)
        yield f"  {_painted(f'{number:>{gutter}} |', 'dim', colour)} {text}".rstrip()
        if mark:
            yield f"  {_painted(' ' * gutter + ' |', 'dim', colour)} {_painted(mark, 'mark', colour)}"
    if last > shown[-1]:
        yield f"  {'':{gutter}} … to line {last}"


def _meant(finding: Finding, line: str, number: int) -> tuple[int, int]:
    """Which characters of a line are meant, counted from 0, the end not in it."""
    start = (finding.column or 1) - 1 if number == finding.line else len(line) - len(line.lstrip())
    if finding.end_column is not None and number == finding.end_line:
        return start, finding.end_column - 1
    return start, len(line.rstrip(" \t\\`")) if finding.end_column is not None else start


def _window(line: str, start: int, end: int | None) -> tuple[str, str]:
    """A line as wide as a terminal shows it, and `^` or `~~~` below its piece from `start` to `end`; or no mark."""
    start, stop = min(start, len(line)), min(end or 0, len(line), start + WIDEST)
    first = max(0, start - WIDEST // 4) if len(line) > WIDEST else 0
    piece = line[first : first + WIDEST]
    before = ("…" if first else "") + piece[: start - first]
    text = ("…" if first else "") + piece + ("…" if len(line) > first + WIDEST else "")
    if end is None:
        return _expanded(text), ""
    width = _width(_expanded(before + line[start:stop])) - _width(_expanded(before))
    return _expanded(text), " " * _width(_expanded(before)) + ("~" * width if width > 1 else "^")


def _expanded(text: str) -> str:
    return printable(text.expandtabs(TAB))


def _width(text: str) -> int:
    """How many columns a terminal gives a text."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def _errors(lint: Lint, colour: bool) -> Iterator[str]:
    for error in lint.errors:
        place = error.file if error.line is None else f"{error.file}:{error.line}"
        message = error.message.removeprefix(f"{place}: ")
        words = _painted("not judged", "error", colour)
        yield "\n".join(
            (f"{printable(place)}: {words}", f"  {printable(message)}", f"  try: {printable(error.hint)}")
        )


def _by_rule(lint: Lint) -> Iterator[str]:
    found = by_rule(lint)
    if sum(found.values()) > MANY and len(found) > 1:
        wide = len(str(max(found.values())))
        yield from (f"  {count:>{wide}} of {printable(rule)}" for rule, count in found.items())


def _mending(lint: Lint) -> Iterator[str]:
    safe, unsafe = mendable(lint)
    more = f"{unsafe} more with --unsafe" if safe else f"{unsafe} with --unsafe"
    parts = [*([f"{safe} of them"] if safe else []), *([more] if unsafe else [])]
    if parts:
        yield f"`fix` mends {', '.join(parts)}"


def _painted(text: str, style: str, colour: bool) -> str:
    """Text in a colour, but for the blanks before it."""
    if not colour:
        return text
    shown = text.lstrip()
    return f"{text[: len(text) - len(shown)]}{_COLOURS[style]}{shown}{_END}"
