"""A Lint in, JUnit's XML out: a suite a file, a case a finding. Speaks to: nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from pipeline.lint.fingerprints import relative
from pipeline.model import Finding, Lint, Severity, Unread
from pipeline.report.words import visible

WEIGHTS = {Severity.ERROR: 3, Severity.WARNING: 2, Severity.INFO: 1}


def render(lint: Lint, root: Path, fail_on: str = "error") -> str:
    """Return the report. A finding as severe as `fail_on` is a failure, a lesser one a case that passed and says so.

    A waived one is skipped, a file that could not be judged an error, one without findings a case that passed.
    """
    suites = ET.Element("testsuites", name="seatrial lint")
    findings: dict[str, list[Finding]] = {file: [] for file in lint.files}
    errors: dict[str, list[Unread]] = {}
    for finding in lint.findings:
        findings.setdefault(finding.file, []).append(finding)
    for error in lint.errors:
        errors.setdefault(error.file, []).append(error)
    for file in dict.fromkeys((*findings, *errors)):
        name = visible(relative(file, root)).replace("\n", "\\n")
        _suite(suites, name, findings.get(file, ()), errors.get(file, ()), WEIGHTS[Severity(fail_on)])
    for total in ("tests", "failures", "errors", "skipped"):
        suites.set(total, str(sum(int(suite.get(total, "0")) for suite in suites)))
    ET.indent(suites, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _suite(suites: ET.Element, name: str, findings: Sequence[Finding], errors: Sequence[Unread], least: int) -> None:
    suite = ET.SubElement(suites, "testsuite", name=name)
    for finding in findings:
        place = f"line {finding.line}"
        case = ET.SubElement(suite, "testcase", classname=name, name=visible(f"{finding.rule} ({place})"))
        case.set("file", name)
        case.set("line", str(finding.line))
        words = visible(f"{name}:{finding.line}: {finding.severity}: {finding.message}\ntry: {finding.hint}")
        if finding.waived:
            ET.SubElement(case, "skipped", message=visible(f"waived: {finding.waived}"))
        elif WEIGHTS[finding.severity] >= least:
            made = ET.SubElement(case, "failure", message=visible(finding.message), type=finding.severity.value)
            made.text = words
        else:
            ET.SubElement(case, "system-out").text = words
    for error in errors:
        case = ET.SubElement(suite, "testcase", classname=name, name="can be judged")
        message = visible(error.message.replace("\n", "\\n"))  # it names the file, which may be called anything
        made = ET.SubElement(case, "error", message=message, type="not judged")
        made.text = visible(f"{message}\ntry: {error.hint}")
    if not findings and not errors:
        ET.SubElement(suite, "testcase", classname=name, name="nothing found")
    for total, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(total, str(sum(1 for _ in suite.iter(tag))))
