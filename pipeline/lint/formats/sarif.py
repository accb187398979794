"""A Lint and the texts it speaks of in, SARIF 2.1.0 out. Speaks to: nothing.

For code scanning: each rule with its page, each finding with its region, its fix and a fingerprint that survives a
move of its lines; waived ones are suppressed, those of a baseline `unchanged`. A file that could not be judged is a
notification of the run, and the run did not succeed. Nothing in it depends on this machine or on the time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline.errors import BadFile
from pipeline.lint.fingerprints import numbered, relative
from pipeline.lint.formats.columns import Columns
from pipeline.lint.formats.pages import explain
from pipeline.model import Finding, Lint, Rule, Severity, Unread
from pipeline.waived import WAIVER_RULES
from policies import RULES

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
BASE = "%SRCROOT%"


def render(
    lint: Lint, sources: Mapping[str, str], root: Path, known: Sequence[Finding] = (), own: Sequence[Rule] = ()
) -> str:
    """Return the log, one run. `root` is what files are named from, `known` are a baseline's findings."""
    everything = (*lint.findings, *known)
    columns = {file: Columns(text) for file, text in sources.items()}
    ids = sorted({finding.rule for finding in everything})
    rules = {rule.id: rule for rule in (*RULES, *own)}
    index = {rule_id: number for number, rule_id in enumerate(ids)}
    fingerprints = {id(finding): print_ for finding, print_ in numbered(everything, sources, root)}

    def result(finding: Finding, state: str | None) -> dict[str, Any]:
        made = _result(finding, columns.get(finding.file), root)
        made["ruleIndex"] = index[finding.rule]
        made["partialFingerprints"] = {"seatrial/v1": fingerprints[id(finding)]}
        return {**made, "baselineState": state} if state else made

    driver = {
        "name": "seatrial",
        "version": version("seatrial"),
        "semanticVersion": version("seatrial"),
        "rules": [_rule(rule_id, rules.get(rule_id), own) for rule_id in ids],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "utf16CodeUnits",
        "originalUriBaseIds": {BASE: {"description": {"text": "The root of the repository."}}},
        "invocations": [_invocation(lint.errors, root)],
        "artifacts": [{"location": _location(file, root)} for file in dict.fromkeys(lint.files)],
        "results": [
            *(result(finding, "new" if known else None) for finding in lint.findings),
            *(result(finding, "unchanged") for finding in known),
        ],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _rule(rule_id: str, rule: Rule | None, own: Sequence[Rule]) -> dict[str, Any]:
    try:
        page = explain(rule_id, own)
    except BadFile:
        page = rule_id
    severity = rule.severity if rule else WAIVER_RULES[rule_id][0] if rule_id in WAIVER_RULES else Severity.WARNING
    hint = rule.hint if rule else WAIVER_RULES[rule_id][1] if rule_id in WAIVER_RULES else ""
    made: dict[str, Any] = {
        "id": rule_id,
        "shortDescription": {"text": rule.summary if rule else rule_id.replace("-", " ")},
        "help": {"text": hint or page, "markdown": page},
        "defaultConfiguration": {"level": LEVELS[severity]},
    }
    return made


def _result(finding: Finding, columns: Columns | None, root: Path) -> dict[str, Any]:
    place = {"artifactLocation": _location(finding.file, root), "region": _region(finding, columns)}
    made: dict[str, Any] = {
        "ruleId": finding.rule,
        "level": LEVELS[finding.severity],
        "message": {"text": f"{finding.message}\nTry: {finding.hint}"},
        "locations": [{"physicalLocation": place}],
    }
    if finding.stage is not None:
        made["locations"][0]["logicalLocations"] = [{"name": finding.stage, "kind": "module"}]
    if finding.fix is not None and finding.fix.edits and columns is not None:
        changes = [_replacement(edit.span, edit.text, columns) for edit in finding.fix.edits]
        words = finding.fix.title + ("" if finding.fix.safe else " (the image may then behave otherwise)")
        change = {"artifactLocation": _location(finding.file, root), "replacements": changes}
        made["fixes"] = [{"description": {"text": words}, "artifactChanges": [change]}]
    if finding.waived is not None:
        made["suppressions"] = [{"kind": "external", "status": "accepted", "justification": finding.waived}]
        if columns is not None and any("policy:" in line and finding.rule in line for line in columns.lines):
            made["suppressions"][0]["kind"] = "inSource"
    return made


def _region(finding: Finding, columns: Columns | None) -> dict[str, int]:
    """Where a finding stands; a whole instruction runs from its keyword to the end of its last line."""
    if columns is None:
        return {"startLine": finding.line, "endLine": finding.end_line}
    whole = finding.column is None
    start = columns.start(finding.line) if whole else columns.units(finding.line, finding.column or 1)
    if finding.end_column is not None:
        end = columns.units(finding.end_line, finding.end_column)
    else:
        end = columns.end(finding.end_line)
    if finding.end_line == finding.line:
        end = max(end, start)
    return {"startLine": finding.line, "startColumn": start, "endLine": finding.end_line, "endColumn": end}


def _replacement(span: Any, text: str, columns: Columns) -> dict[str, Any]:
    line, column, end_line, end_column = columns.region(span)
    region = {
        "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column,
        "byteOffset": span.start, "byteLength": span.end - span.start,
    }  # fmt: skip
    return {"deletedRegion": region, "insertedContent": {"text": text}}


def _invocation(errors: Sequence[Unread], root: Path) -> dict[str, Any]:
    made: dict[str, Any] = {"executionSuccessful": not errors}
    if errors:
        made["toolExecutionNotifications"] = [_notification(error, root) for error in errors]
    return made


def _notification(error: Unread, root: Path) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": _location(error.file, root)}
    if error.line is not None:
        place["region"] = {"startLine": max(error.line, 1)}
    words = f"{error.message}\nTry: {error.hint}"
    return {"level": "error", "message": {"text": words}, "locations": [{"physicalLocation": place}]}


def _location(file: str, root: Path) -> dict[str, str]:
    """A file as a URI below the repository's root; one outside of it by its whole path."""
    name = relative(file, root)
    try:
        raw = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = name.encode("utf-8", "backslashreplace")
    if name.startswith("/"):
        return {"uri": "file://" + quote(raw)}
    return {"uri": quote(raw), "uriBaseId": BASE}
