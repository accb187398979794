"""What was found on one Dockerfile, built in several ways, in; one result out. Speaks to: nothing."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.model import Finding, Lint


def together(file: str, ways: Sequence[tuple[str, Lint]]) -> Lint:
    """Join the results of a file's subjects, each with its label. What all of them say is said once.

    What only some say names the first of them. A waiver is unused only when every way of building leaves it unused.
    """
    if len(ways) == 1:
        return Lint(files=(file,), findings=ways[0][1].findings, errors=ways[0][1].errors)
    judged = [(label, found) for label, found in ways if found.files]
    said: dict[Finding, list[str]] = {}
    for label, found in judged:
        for finding in dict.fromkeys(found.findings):
            said.setdefault(finding, []).append(label)
    findings = []
    for finding, labels in said.items():
        if len(labels) == len(judged):
            findings.append(finding)
        elif finding.rule != "unused-waiver":
            findings.append(_of(labels, finding))
    errors = tuple(dict.fromkeys(error for _, found in ways for error in found.errors))
    findings.sort(key=lambda finding: (finding.line, finding.rule, finding.message))
    return Lint(files=(file,), findings=tuple(findings), errors=errors)


def _of(labels: Sequence[str], finding: Finding) -> Finding:
    first = next(filter(None, labels), "")
    if not first or "" in labels:  # built as it stands: that needs no name
        return finding
    more = f" and {len(labels) - 1} more" if len(labels) > 1 else ""
    return finding._replace(message=f"{finding.message} ({first}{more})")
