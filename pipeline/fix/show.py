"""What was mended in, text or the document seatrial/fix/v1 out. Speaks to: nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pipeline.fix import FileFixed, Fixed
from pipeline.model import Finding


def as_json(fixed: Fixed) -> str:
    """Return the document as text; docs/json.md describes it."""
    from pipeline.model import document

    return json.dumps(document(fixed, "fix"), indent=2, ensure_ascii=False) + "\n"


def as_text(fixed: Fixed, *, unsafe: bool) -> str:
    """Return what a person reads: the diff when it was only asked for, else a line for each thing that was mended."""
    lines: list[str] = []
    for one in fixed.files:
        lines += [one.diff.rstrip("\n")] if one.diff and not fixed.written else _mended(one)
        lines += [f"{one.file}:{skip.line}: {skip.image} not pinned: {skip.because}" for skip in one.not_pinned]
        lines += [f"{one.file}: not mended: {why}" for why in one.refused]
    for error in fixed.errors:
        place = error.file if error.line is None else f"{error.file}:{error.line}"
        lines.append(f"{place}: {error.message.removeprefix(f'{place}: ')}\n  try: {error.hint}")
    return "\n".join(_printable(line) for line in [*lines, _summary(fixed, unsafe)]) + "\n"


def _mended(one: FileFixed) -> Iterator[str]:
    for finding in one.mended:
        title = finding.fix.title if finding.fix else ""
        yield f"{one.file}:{finding.line}: {finding.rule}: {title}"
    for pin in one.pins:
        what = f"was {pin.before[:19]}…" if pin.before else "had no digest"
        yield f"{one.file}:{pin.line}: {pin.image} is {pin.digest[:19]}…, {what}"


def _summary(fixed: Fixed, unsafe: bool) -> str:
    done = sum(len(one.mended) + len(one.pins) for one in fixed.files)
    changed = sum(one.changed for one in fixed.files)
    verb = "mended" if fixed.written else "to mend"
    parts = [f"{done} {verb} in {changed} of {_plural(len(fixed.files), 'file')}" if done else "nothing to mend"]
    left = [finding for one in fixed.files for finding in one.left]
    waiting = sum(1 for finding in left if _needs_unsafe(finding)) if not unsafe else 0
    if waiting:
        parts.append(f"{waiting} more with --unsafe")
    by_hand = sum(1 for finding in left if finding.fix is None)
    if by_hand:
        parts.append(f"{_plural(by_hand, 'finding')} left to a person")
    return ", ".join(parts)


def _needs_unsafe(finding: Finding) -> bool:
    return finding.fix is not None and not finding.fix.safe


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() or char in "\n\t" else "?" for char in text)
