"""A stage's value in, a table for a terminal out. Speaks to: nothing. Records are laid out by report/.

Every word from outside goes into a rich `Text`, which reads no markup, with its control characters spelled out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from pipeline.model import Build, Outcome, Scan, Skipped, Smoke, document
from pipeline.report.words import duration, visible

if TYPE_CHECKING:
    from pipeline.setup.parts import Part
    from pipeline.tree import Release
    from pipeline.verify import Evidence

STYLES = {"ok": "green", "passed": "green", "failed": "bold red", "missing": "bold red", "wrong": "bold red",
          "skipped": "bold yellow", "optional": "yellow", "error": "bold red"}  # fmt: skip


def doctor(parts: Sequence[Part]) -> Table:
    """What is here and what is not."""
    rows = [(part.name, part.state, part.found or "-", part.needed_by, part.advice or "") for part in parts]
    return _table(("part", "state", "found", "needed by", "what to do"), rows, marked=1)


def rules(found: Mapping[str, Sequence[Mapping[str, str]]]) -> Table:
    """Every rule, its weight, whether `fix` mends it, and what it says."""
    rows = [(row["rule"], row["severity"], row["fix"], row["summary"]) for row in found["rules"]]
    return _table(("rule", "severity", "fix", "what is wrong"), rows)


def build(built: Build) -> Group:
    """The digest and the steps."""
    cached = sum(1 for step in built.steps if step.cached)
    rows = [(str(step.dockerfile_line or ""), "cached" if step.cached else duration(step.seconds), _line(step.name))
            for step in built.steps]  # fmt: skip
    head = f"{built.image.reference}\n{duration(built.seconds)}, {cached} of {len(built.steps)} steps from the cache"
    return Group(_words(head), _table(("line", "time", "step"), rows, right=(0, 1)))


def scan(found: Scan | Skipped) -> Group:
    """Flaws, secrets, and what nobody looked at."""
    if isinstance(found, Skipped):
        return Group(Text(f"SKIPPED: {found.because}", style=STYLES["skipped"]))
    parts: list[Any] = [
        _words(f"{found.image}\n{found.packages} packages, {found.scanner.name} {found.scanner.version}")
    ]
    if found.vulnerabilities is not None:
        parts.append(Text(f"vulnerabilities SKIPPED: {found.vulnerabilities.because}", style=STYLES["skipped"]))
    if found.database is not None:
        parts.append(_words(f"database: {found.database.source}, {found.database.advisories} advisories, "
                            f"covers {', '.join(found.database.covers) or 'nothing'}"))  # fmt: skip
        parts += [Text(f"not looked at: {visible(words)}", style=STYLES["skipped"]) for words in found.database.blind]
    flaws = [(flaw.severity, flaw.id, f"{flaw.package} {flaw.version}", flaw.fixed_in or "-",
              str(flaw.dockerfile_line or flaw.origin), flaw.title[:70]) for flaw in found.flaws]  # fmt: skip
    secrets = [(row.severity, row.title, row.path, str(row.dockerfile_line or "")) for row in found.secrets]
    parts.append(
        _table(("severity", "id", "package", "fixed in", "line", "what"), flaws) if flaws else "no known flaws"
    )
    parts.append(_table(("severity", "secret", "path", "line"), secrets) if secrets else "no secrets found")
    return Group(*parts)


def smoke(found: Smoke) -> Group:
    """Every probe, what it saw, and the container's last lines when one failed."""
    rows = [(row.probe, row.outcome, duration(row.seconds), _because(row)) for row in found.outcomes]
    gpu = f"GPU {found.gpu.requested}" + (", SIMULATED" if found.gpu.simulated else "")
    parts: list[Any] = [_words(f"{found.image}\n{gpu}; {', '.join(found.hardening)}")]
    parts.append(_table(("probe", "outcome", "time", "why, and what it saw"), rows, marked=1, right=(2,)))
    if any(row.outcome == "failed" for row in found.outcomes) and found.logs:
        parts += ["", Text("the container's last lines:", style="dim"), _words(found.logs)]
    return Group(*parts)


def evidence(found: Evidence) -> Group:
    """Why a digest was allowed to ship."""
    lines = [Text(f"✓ {visible(words)}", style=STYLES["passed"]) for words in found.checked]
    policy = f"policy {found.policy.get('file')} {found.policy.get('profile')} {found.policy.get('digest')}"
    return Group(_words(found.reference), *lines, _words(f"released {found.released} under {policy}"))


def release(one: Release, reports: Path) -> Any:
    """One image's release: its record, or why there is none."""
    if one.record is None:
        style = STYLES["skipped" if one.outcome == "skipped" else "error"]
        return Group(Text(f"{one.outcome.upper()}  {one.image}", style=style), _words(one.because or ""), "")
    from pipeline.report import terminal

    where = reports / one.image / (one.record.digest or "unbuilt").removeprefix("sha256:") / "report.html"
    return Group(terminal.summary(document(one.record, "record"), 100), Text(f"report: {where}", style="dim"), "")


def releases(ended: Iterable[Release], reports: Path) -> Group:
    """How a tree ended, a line an image."""
    from pipeline.report import terminal

    ended = tuple(ended)
    table = terminal.tree(document(one.record, "record") for one in ended if one.record is not None)
    without = [(one.outcome, one.image, (one.because or "").splitlines()[0]) for one in ended if one.record is None]
    parts: list[Any] = [table] if table.row_count else []
    if without:
        parts += ["", _table(("outcome", "image", "why"), without, marked=0)]
    return Group(*parts, Text(f"all reports: {reports / 'index.html'}", style="dim"))


def _because(row: Outcome) -> str:
    return _line("; ".join(filter(None, (row.because, row.saw))), 160)


def _line(text: str, longest: int = 90) -> str:
    """The beginning of a text on one line."""
    squeezed = " ".join(text.split())
    return squeezed if len(squeezed) <= longest else squeezed[: longest - 1] + "…"


def _table(
    titles: Sequence[str], rows: Iterable[Sequence[str]], *, marked: int | None = None, right: Sequence[int] = ()
) -> Table:
    """A plain table; the column `marked` is coloured by its word."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for index, title in enumerate(titles):
        table.add_column(title, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        cells = [
            Text(visible(cell), style=STYLES.get(cell, "") if index == marked else "")
            for index, cell in enumerate(row)
        ]
        table.add_row(*cells)
    return table


def _words(text: str) -> Text:
    return Text("\n".join(visible(line) for line in text.splitlines()))
