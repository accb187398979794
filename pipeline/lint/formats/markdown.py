"""A Lint in, Markdown for a comment or a step summary out. Speaks to: nothing.

Whatever a Dockerfile says stays words: no markup, no link, no mention of a person. Services refuse what is too long
(65,536 characters for a comment): rows that do not fit are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.lint.fingerprints import relative
from pipeline.lint.formats.counting import by_rule, mendable, plural, summary
from pipeline.model import Finding, Lint, Severity
from pipeline.report.markdown import code, text
from pipeline.report.words import visible

LONGEST = 60_000  # characters
ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


def render(lint: Lint, root: Path, known: int = 0) -> str:
    """Return the page: the sum, what could not be judged, every finding by severity, and how many of each rule."""
    parts = ["## seatrial lint", f"{_words(summary(lint, known))}."]
    if lint.errors:
        unread = [(_place(error.file, error.line, root), _words(error.message), _words(error.hint))
                for error in lint.errors]  # fmt: skip
        parts.append(_table(("not judged", "why", "try"), unread, LONGEST // 4))
    found = sorted((one for one in lint.findings if not one.waived), key=lambda one: ORDER[one.severity])
    if found:
        rows = [_row(finding, root) for finding in found]
        parts.append(_table(("severity", "where", "rule", "what", "try"), rows, LONGEST // 2))
        counted = [(code(rule), str(count)) for rule, count in by_rule(lint).items()]
        parts.append(_table(("rule", "findings"), counted, LONGEST // 8))
    parts += _mending(lint)
    return "\n\n".join(parts) + "\n"


def _row(finding: Finding, root: Path) -> tuple[str, ...]:
    place = _place(finding.file, finding.line, root)
    return finding.severity.value, place, code(finding.rule), _words(finding.message), _words(finding.hint)


def _place(file: str, line: int | None, root: Path) -> str:
    name = visible(relative(file, root))
    return code(name if line is None else f"{name}:{line}")


def _words(value: str) -> str:
    return text(visible(value)).replace(">", "&gt;")


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], longest: int) -> str:
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    length = sum(map(len, lines))
    for number, row in enumerate(rows):
        line = f"| {' | '.join(row)} |"
        length += len(line) + 1
        if length > longest:
            return "\n".join(lines) + f"\n\n… and {len(rows) - number:,} more, which do not fit here."
        lines.append(line)
    return "\n".join(lines)


def _mending(lint: Lint) -> Iterator[str]:
    safe, unsafe = mendable(lint)
    if safe:
        yield f"`seatrial fix` mends {plural(safe, 'finding')} of these."
    if unsafe:
        yield f"`seatrial fix --unsafe` mends {unsafe} {'more' if safe else 'of these'}."
