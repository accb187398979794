"""A Lint in, GitLab's code quality report out: a JSON array, one object a finding. Speaks to: nothing.

GitLab compares the fingerprints of two branches and drops one that is there twice: each is its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.lint.fingerprints import numbered, relative
from pipeline.model import Lint, Severity

SEVERITIES = {Severity.ERROR: "major", Severity.WARNING: "minor", Severity.INFO: "info"}


def render(lint: Lint, sources: Mapping[str, str], root: Path) -> str:
    """Return the report. Waived findings are left out; a file that could not be read is a `blocker`."""
    rows = [
        _row(finding.message, finding.rule, print_, SEVERITIES[finding.severity], relative(finding.file, root),
             finding.line, finding.end_line)
        for finding, print_ in numbered(lint.findings, sources, root)
        if not finding.waived
    ]  # fmt: skip
    for number, error in enumerate(lint.errors):
        name = relative(error.file, root)
        print_ = hashlib.sha256(f"{name}\n{error.message}\n{number}".encode("utf-8", "surrogatepass")).hexdigest()[
            :32
        ]
        rows.append(_row(error.message, "not-judged", print_, "blocker", name, error.line or 1, error.line or 1))
    return json.dumps(rows, indent=1) + "\n"


def _row(words: str, rule: str, print_: str, severity: str, path: str, line: int, end: int) -> dict[str, Any]:
    return {
        "description": words,
        "check_name": rule,
        "fingerprint": print_,
        "severity": severity,
        "location": {"path": path, "lines": {"begin": line, "end": end}},
    }
