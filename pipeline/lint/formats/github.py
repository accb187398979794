"""A Lint in, GitHub's workflow commands out, and a page for the step's summary. Speaks to: its summary file.

GitHub shows ten errors, ten warnings and ten notices of a step and drops the others without a word. So the first ten
of each are annotations, the others plain lines of the log, and all of them stand in the summary.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import BadFile
from pipeline.lint.fingerprints import relative
from pipeline.lint.fingerprints import root as root_of_repository
from pipeline.lint.formats import markdown
from pipeline.lint.formats.columns import MARK
from pipeline.lint.formats.counting import plural, summary
from pipeline.model import Finding, Lint, Severity
from pipeline.report.words import visible

SHOWN = 10  # of each severity, in one step
COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def render(lint: Lint, root: Path) -> str:
    """Return what the step prints."""
    return "\n".join((*_lines(lint, root), _plain(summary(lint)))) + "\n"


def add_to_summary(lint: Lint) -> None:
    """Append the page to the file that GITHUB_STEP_SUMMARY names; without one, do nothing. Raises BadFile."""
    named = os.environ.get("GITHUB_STEP_SUMMARY")
    if named:
        try:
            with Path(named).open("a", encoding="utf-8", errors="replace") as file:
                file.write(step_summary(lint, root_of_repository()))
        except OSError as error:
            raise BadFile(
                f"cannot be written: {error.strerror}", file=named, hint="see GITHUB_STEP_SUMMARY"
            ) from None


def step_summary(lint: Lint, root: Path) -> str:
    """Return what belongs into the file that GITHUB_STEP_SUMMARY names."""
    return markdown.render(lint, root)


def _lines(lint: Lint, root: Path) -> Iterator[str]:
    room = dict.fromkeys(Severity, SHOWN)
    left = []
    for error in lint.errors:
        if room[Severity.ERROR] > 1:  # the last one is for the notice that there are more
            room[Severity.ERROR] -= 1
            yield _command("error", f"{error.message}\ntry: {error.hint}", title="not judged",
                           file=relative(error.file, root), line=error.line)  # fmt: skip
        else:
            left.append(_plain(f"error {relative(error.file, root)}: {error.message}"))
    room[Severity.INFO] -= 1
    for finding in lint.findings:
        if finding.waived:
            continue
        if room[finding.severity]:
            room[finding.severity] -= 1
            yield _annotation(finding, root)
        else:
            place = f"{relative(finding.file, root)}:{finding.line}"
            left.append(_plain(f"{finding.severity} {place}: {finding.rule}: {finding.message}"))
    if left:
        words = f"{plural(len(left), 'finding')} more than GitHub shows here: the log of this step and its summary"
        yield _command("notice", f"{words} have them all", title="seatrial")
        yield from left


def _annotation(finding: Finding, root: Path) -> str:
    one_line = finding.end_line == finding.line and finding.column is not None
    return _command(
        COMMANDS[finding.severity],
        f"{finding.message}\ntry: {finding.hint}",
        title=finding.rule,
        file=relative(finding.file, root),
        line=finding.line,
        endLine=finding.end_line,
        col=finding.column if one_line else None,
        endColumn=finding.end_column if one_line else None,
    )


def _command(command: str, message: str, **properties: str | int | None) -> str:
    order = ("file", "line", "endLine", "col", "endColumn", "title")
    said = [f"{name}={_property(str(properties[name]))}" for name in order if properties.get(name) is not None]
    return f"::{command} {','.join(said)}::{_data(visible(message))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text if text.isprintable() else visible(text)).replace(":", "%3A").replace(",", "%2C")


def _plain(text: str) -> str:
    """A line of the log that is no command: those begin with `::`, or hold `##[` anywhere."""
    line = visible(" ".join(text.replace(MARK, "").split())).replace("##[", "# #[")
    return f"- {line}"
