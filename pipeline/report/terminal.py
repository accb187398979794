"""Record documents in, text for a terminal out. Speaks to: nothing.

Every foreign word goes into a rich `Text`, which reads no markup; `reading` has spelled out escape sequences before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.model import Measurement, Reason, Record, Severity, Smoke
from pipeline.report import certificate, stages
from pipeline.report.reading import read
from pipeline.report.words import clip, duration, moment, short, size

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table
    from rich.text import Text

STYLES = {"passed": "green", "failed": "bold red", "skipped": "bold yellow", "not run": "dim", "open": "bold yellow"}
SEVERITY_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
AT_ONCE = 40  # reasons; those that say no come first
LOG_LINES = 10
LONGEST = 600  # characters of one message; the whole of it is in the other reports


def summary(document: Mapping[str, Any], width: int) -> Group:
    """Return one release for a terminal `width` columns wide: verdict, stages, gaps, reasons. Raises BadFile."""
    from rich.console import Group
    from rich.text import Text

    record = read(document)
    parts: list[RenderableType] = [_banner(record), "", _stages(record)]
    gaps = certificate.gaps(record)
    if gaps:
        parts += ["", _heading("Not looked at"), _listed(gaps)]
    reasons = certificate.reasons(record)
    if reasons:
        parts += ["", _heading("Reasons"), *(_reason(reason, width) for reason in reasons[:AT_ONCE])]
    if len(reasons) > AT_ONCE:
        parts.append(Text(f"{len(reasons) - AT_ONCE} more reasons are in report.html and record.json"))
    if isinstance(record.smoke, Smoke) and any(one.outcome == "failed" for one in record.smoke.outcomes):
        last = [line for line in record.smoke.logs.splitlines() if line.strip()][-LOG_LINES:]
        if last:
            parts += ["", _heading("The container's last lines"), *(Text(clip(line, LONGEST)) for line in last)]
    return Group(*parts)


def tree(documents: Iterable[Mapping[str, Any]]) -> Table:
    """Return a table with one row a release: verdict, size, flaws, smoke test, what says no. Raises BadFile."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for title in ("verdict", "image", "digest"):
        table.add_column(title, no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    for title in ("flaws", "smoke", "why"):
        table.add_column(title)
    for document in documents:
        record = read(document)
        answer = certificate.standing(record)
        lines = {line.name: line for line in stages.stage_lines(record)}
        table.add_row(
            Text(f"{stages.MARKS[answer.outcome]} {answer.word}", style=STYLES[answer.outcome]),
            Text(record.image, style="bold"),
            Text(short(record.digest) if record.digest else "not built"),
            Text(size(record.measure.totals.bytes if isinstance(record.measure, Measurement) else None)),
            _outcome(lines["scan"].outcome, stages.flaw_words(record.scan)),
            _outcome(lines["smoke"].outcome, stages.probe_words(record.smoke)),
            Text(clip(certificate.why(record), 200)),
        )
    return table


def _banner(record: Record) -> Text:
    from rich.text import Text

    answer = certificate.standing(record)
    style = STYLES[answer.outcome]
    policy = f"{record.policy.profile} ({record.policy.file}, {short(record.policy.digest)})"
    text = Text()
    text.append(f"{stages.MARKS[answer.outcome]} {answer.word}", style=style).append(
        f"  {record.image}\n", style="bold"
    )
    text.append(f"{record.digest or 'no digest'}\n")
    text.append(f"{answer.sentence}\n", style=style)
    text.append(f"Policy {policy}, {moment(record.started)}", style="dim")
    return text


def _stages(record: Record) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for line in stages.stage_lines(record):
        style = STYLES[line.outcome]
        shown = line.outcome.upper() if line.outcome in ("skipped", "failed") else line.outcome
        table.add_row(
            Text(f"{stages.MARKS[line.outcome]} {line.name}", style=style),
            Text(shown, style=style),
            Text("" if line.outcome == "not run" else duration(line.seconds)),
            _figures(line.figures),
        )
    return table


def _figures(figures: Iterable[str]) -> Text:
    from rich.text import Text

    loud = "bold reverse"
    parts = (Text(clip(one, 200), style=loud if one.startswith(stages.SIMULATED) else "") for one in figures)
    return Text(" · ").join(parts)


def _heading(words: str) -> Text:
    from rich.text import Text

    return Text(words, style="bold underline")


def _listed(lines: Iterable[str]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row(Text(stages.MARKS["skipped"], style=STYLES["skipped"]), Text(clip(line, LONGEST)))
    return table


def _reason(reason: Reason, width: int) -> RenderableType:
    """One reason: weight, rule and place, then what it says and what to try, set in."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    head = Text()
    weight = "waived" if reason.waived else str(reason.severity)
    head.append(f"{weight:9}", style="dim" if reason.waived else SEVERITY_STYLES[reason.severity])
    head.append(f"{certificate.place(reason)}  ").append(reason.rule, style="bold")
    body = Text(clip(reason.message, LONGEST))
    body.append("\ntry: ", style="dim").append(clip(reason.hint, LONGEST))
    if reason.waived:
        body.append("\nwaived: ", style="dim").append(clip(reason.waived, LONGEST))
    if reason.docs:
        body.append(f"\nsee: {reason.docs}", style="dim")
    return Group(head, Padding(body, (0, 0, 0, 9 if width >= 60 else 2)))


def _outcome(outcome: str, words: str) -> Text:
    from rich.text import Text

    return Text(words, style=STYLES[outcome] if outcome in ("failed", "skipped") else "")
