"""A Lint in, text or JSON out; a rule's id in, its page out. Speaks to: policies/*.md."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

from pipeline.check import WAIVER_RULES, page_of
from pipeline.errors import BadFile
from pipeline.model import Finding, Lint, Rule, Severity, document

TAB = 4  # columns; a tab before the caret must be as wide as the one in the line above


def as_text(lint: Lint, sources: Mapping[str, str] | None = None, *, show_waived: bool = False) -> str:
    """Return findings as people read them. `sources` are the texts by file, for the line and its caret.

    Control characters in a Dockerfile are shown as `?`: they would command the terminal.
    """
    parts = [*_findings(lint, sources or {}, show_waived), *_errors(lint), _summary(lint)]
    return "\n\n".join(parts) + "\n"


def as_json(lint: Lint) -> str:
    """Return `as_document` as text."""
    return json.dumps(as_document(lint), indent=2, ensure_ascii=False) + "\n"


def as_document(lint: Lint) -> dict[str, Any]:
    """Return the document `seatrial/lint/v1` as plain JSON types: findings, summary, errors."""
    return {
        "schema": "seatrial/lint/v1",
        "findings": document(lint.findings),
        "summary": counts(lint),
        "errors": document(lint.errors),
    }


def counts(lint: Lint) -> dict[str, int]:
    """How many files were looked at, and how many findings of each weight nobody waived; and the waived ones."""
    return {
        "files": len(lint.files),
        **{severity.value: lint.count(severity) for severity in Severity},
        "waived": sum(1 for finding in lint.findings if finding.waived),
    }


def explain(rule_id: str) -> str:
    """Return the page of a rule, as Markdown, or what a reason of a verdict means.

    Raises BadFile for one that nobody knows, with the nearest one.
    """
    rules, reasons = tuple(_ids()), _reasons()
    known = (*rules, *reasons)
    if rule_id not in known:
        near = difflib.get_close_matches(rule_id, known, n=1, cutoff=0.5)
        raise BadFile(
            f"no rule is called `{rule_id[:80]}`",
            file="policies",
            hint=f"did you mean `{near[0]}`?" if near else "`rules` lists them all",
        )
    if rule_id not in rules:
        return reasons[rule_id]
    return (
        resources.files("policies").joinpath(page_of(rule_id).removeprefix("policies/")).read_text(encoding="utf-8")
    )


def rules_table(
    rules: Iterable[Rule], severities: Mapping[str, Severity] | None = None
) -> tuple[dict[str, str], ...]:
    """Return a row for each rule: rule, severity (`off` when `severities` leaves it out), summary, docs."""
    rows = []
    for rule in rules:
        weight = rule.severity if severities is None else severities.get(rule.id)
        rows.append(
            {
                "rule": rule.id,
                "severity": weight.value if weight else "off",
                "summary": rule.summary,
                "docs": page_of(rule.id),
            }
        )
    return tuple(rows)


def _reasons() -> dict[str, str]:
    """The rows of policies/verdict.md, each as a sentence."""
    page = resources.files("policies").joinpath("verdict.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| `")
    ]
    return {
        name.strip("`"): f"{name.strip('`')} ({stage}, weight {weight})\n\n{words}\n"
        for name, stage, weight, words in rows
    }


def _ids() -> Iterator[str]:
    from policies import RULES

    yield from (rule.id for rule in RULES)
    yield from WAIVER_RULES


def _findings(lint: Lint, sources: Mapping[str, str], show_waived: bool) -> Iterator[str]:
    lines = {file: text.split("\n") for file, text in sources.items()}
    for finding in lint.findings:
        if finding.waived and not show_waived:
            continue
        place = ":".join(str(part) for part in (finding.file, finding.line, finding.column) if part is not None)
        shown = [f"{place}: {finding.severity} {finding.rule}", f"  {finding.message}"]
        shown += _source(finding, lines.get(finding.file, ()))
        shown.append(f"  try: {finding.hint}")
        if finding.waived:
            shown.append(f"  waived: {finding.waived}")
        yield "\n".join(_printable(line) for line in shown)


def _source(finding: Finding, lines: Sequence[str]) -> Iterator[str]:
    """The line of the Dockerfile, and a caret below it where the column is known."""
    if not 0 < finding.line <= len(lines):
        return
    line = lines[finding.line - 1].rstrip("\r")
    number = str(finding.line)
    yield f"  {number} | {line.expandtabs(TAB)}"
    if finding.column is not None:
        before = line[: finding.column - 1].expandtabs(TAB)
        yield f"  {' ' * len(number)} | {' ' * len(before)}^"


def _errors(lint: Lint) -> Iterator[str]:
    for error in lint.errors:
        place = error.file if error.line is None else f"{error.file}:{error.line}"
        message = error.message.removeprefix(f"{place}: ")
        yield "\n".join(_printable(line) for line in (f"{place}: not judged", f"  {message}", f"  try: {error.hint}"))


def _summary(lint: Lint) -> str:
    found = counts(lint)
    parts = [_plural(found[name], name) for name in ("error", "warning") if found[name]]
    parts += [f"{found['info']} info"] if found["info"] else []
    parts += [f"{found['waived']} waived"] if found["waived"] else []
    parts += [f"{_plural(len(lint.errors), 'error')} while reading"] if lint.errors else []
    return f"{_plural(found['files'], 'file')}: {', '.join(parts) or 'nothing found'}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def _printable(line: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in line)
