"""A Dockerfile and the findings on it in, the Dockerfile mended out. Speaks to: nothing.

A fix is taken whole or not at all: of two that touch the same bytes the one of the earlier finding stays, and the
next round finds the other one again. The mended text is parsed before it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pipeline.errors import BadFile
from pipeline.model import Edit, Finding, Fix
from pipeline.parse import parse

MOST_ROUNDS = 10  # each round mends what the last one uncovered; real files need two


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """What became of a file: its text, what was mended in the order it was done, and what could not be."""

    text: str
    done: tuple[Finding, ...]
    refused: tuple[tuple[Finding, str], ...] = ()  # a finding whose fix would have made a file that does not parse


def mend(text: str, look: Callable[[str], Sequence[Finding]], *, unsafe: bool = False) -> Mended:
    """Apply what `look` offers for the text until it offers nothing more. Waived findings are left alone.

    `look` gets a text and returns the findings on it; it may raise BadFile for the text that came in.
    """
    done: list[Finding] = []
    refused: dict[tuple[str, int, str], tuple[Finding, str]] = {}
    for _ in range(MOST_ROUNDS):
        offered = [one for one in look(text) if _wanted(one, unsafe) and _key(one) not in refused]
        taken = list(_without_conflicts(offered))
        if not taken:
            break
        mended = apply(text, [edit for one in taken if one.fix for edit in one.fix.edits])
        if not _parses(mended):
            mended, taken, broke = _one_by_one(text, taken)
            refused.update(broke)
            if not taken:
                continue
        if mended == text:
            break
        text = mended
        done += taken
    return Mended(text=text, done=tuple(done), refused=tuple(refused.values()))


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Splice edits that do not overlap into the text's bytes. Two insertions at one place keep their order."""
    raw = text.encode("utf-8", "surrogatepass")
    parts, at = [], 0
    for edit in sorted(dict.fromkeys(edits), key=lambda edit: edit.span):
        parts += [raw[at : edit.span.start], edit.text.encode("utf-8", "surrogatepass")]
        at = edit.span.end
    return b"".join([*parts, raw[at:]]).decode("utf-8", "surrogatepass")


def _wanted(finding: Finding, unsafe: bool) -> bool:
    return finding.fix is not None and not finding.waived and (unsafe or finding.fix.safe)


def _key(finding: Finding) -> tuple[str, int, str]:
    return finding.rule, finding.line, finding.message


def _without_conflicts(findings: Iterable[Finding]) -> Iterable[Finding]:
    """Leave out each fix that touches what an earlier one touches; the same edit twice is one edit."""
    taken: set[Edit] = set()
    for finding in findings:
        edits = set(finding.fix.edits if finding.fix else ())
        if all(one in taken or not any(_touch(one, other) for other in taken) for one in edits):
            taken |= edits
            yield finding


def _touch(one: Edit, other: Edit) -> bool:
    """Do two edits overlap? Two insertions at one place do as well: nobody knows which comes first."""
    if one.span == other.span:
        return True
    return one.span.start < other.span.end and other.span.start < one.span.end


def _parses(text: str) -> bool:
    try:
        parse(text)
    except BadFile:
        return False
    return True


def _one_by_one(
    text: str, findings: Sequence[Finding]
) -> tuple[str, list[Finding], dict[tuple[str, int, str], tuple[Finding, str]]]:
    """Find the fix that breaks the file: take the first that does not, and refuse those before it."""
    refused: dict[tuple[str, int, str], tuple[Finding, str]] = {}
    for finding in findings:
        fix = finding.fix or Fix("", ())
        mended = apply(text, fix.edits)
        if _parses(mended):
            return mended, [finding], refused
        refused[_key(finding)] = (finding, f"after “{fix.title}” the file would not parse")
    return text, [], refused
