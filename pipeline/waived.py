"""Findings and waivers in, the findings with those that somebody accepted marked out. Speaks to: nothing.

What waivers themselves do wrong are findings too: one that has lapsed, that waives nothing, that names no rule.
"""

from __future__ import annotations

import bisect
import fnmatch
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.errors import BadFile
from pipeline.model import Context, Dockerfile, Finding, Severity, Waiver, last_lines, once_per_file, page_of

if TYPE_CHECKING:
    from datetime import date

    from pipeline.model.service import Service

SOON = 14  # days

WAIVER_RULES: Mapping[str, tuple[Severity, str]] = {
    "lapsed-waiver": (Severity.ERROR, "mend what it waived, or accept it again with a new date"),
    "waiver-lapses-soon": (Severity.WARNING, "mend what it waives before then, or accept it again with a new date"),
    "unused-waiver": (Severity.WARNING, "delete it"),
    "unknown-rule-waived": (Severity.ERROR, "`rules` lists every rule"),
}


def applied(
    dockerfile: Dockerfile,
    found: Sequence[Finding],
    ran: Collection[str],
    context: Context,
    severities: Mapping[str, Severity],
    handed: Sequence[Waiver],
    known: Collection[str],
    today: date | None,
) -> tuple[Finding, ...]:
    """Return what was found with the waivers applied, and what is wrong with the waivers themselves, by line.

    `ran` are the ids of the rules that looked, `handed` the waivers of waivers.yaml, `known` further ids that one may
    name. Raises BadFile for a waiver whose `until` is no date.
    """
    beside = context.service.waivers if context.service else ()
    waivers = (
        *dockerfile.waivers,
        *(one for one in handed if _concerns(one, dockerfile, context)),
        *beside,
    )
    if not waivers:
        return tuple(sorted(found, key=_order))
    day = today or _today()
    used: set[int] = set()
    judged = []
    own = range(len(dockerfile.waivers))
    numbers: dict[tuple[str, int | None], list[int]] = {}  # a Dockerfile may have thousands: by their line as well
    for number, one in enumerate(waivers):
        numbers.setdefault((one.rule, one.line if number in own else None), []).append(number)
    for finding in found:
        near = {(finding.rule, None), (finding.rule, _start(dockerfile, finding.line))}
        there = sorted(number for key in near for number in numbers.get(key, ()))
        speaking = [number for number in there if _speaks_for(waivers[number], finding, dockerfile, context)]
        valid = [number for number in speaking if (_days_left(waivers[number], day) or 0) >= 0]
        used.update(speaking)
        judged.append(finding._replace(waived=waivers[valid[0]].reason) if valid else finding)
    ids = {*ran, *known}
    for number, waiver in enumerate(waivers):
        judged += _about_waiver(
            waiver, dockerfile, severities, ran, ids, day,
            used=number in used, own=number in own, service=context.service,
        )  # fmt: skip
    return tuple(sorted(judged, key=_order))


def unused_waivers(
    waivers: Iterable[Waiver], findings: Collection[Finding], *, ran: Collection[str], files: Collection[str] = ()
) -> tuple[Finding, ...]:
    """Return a finding for each handed-in waiver that could have spoken for several files and waived nothing in any.

    `findings` are those of all files, `ran` the ids of the rules that looked, `files` what was judged, compose files
    too: a waiver for another file waits. Waivers for one Dockerfile are `applied`'s.
    """
    used = {(finding.rule, finding.waived) for finding in findings}
    lapsed = tuple(finding.message for finding in findings if finding.rule == "lapsed-waiver")
    return tuple(
        _about("unused-waiver", f"{_named(waiver)} waives nothing", waiver.file or "waivers.yaml", 1, {})
        for waiver in waivers
        if not _names_one_file(waiver) and waiver.rule in ran and (waiver.rule, waiver.reason) not in used
        if waiver.path is None or set(waiver.path) & set("*?[") or any(_matches(one, waiver.path) for one in files)
        if not any(message.startswith(_named(waiver)) for message in lapsed)
    )


def _order(finding: Finding) -> tuple[int, str, str]:
    return finding.line, finding.rule, finding.message


def _about_waiver(
    waiver: Waiver,
    dockerfile: Dockerfile,
    severities: Mapping[str, Severity],
    ran: Collection[str],
    known: Collection[str],
    today: date,
    *,
    used: bool,
    own: bool,
    service: Service | None,
) -> Iterator[Finding]:
    name = _named(waiver)
    file = dockerfile.path if own else waiver.file or "waivers.yaml"
    line = _line_of(waiver, dockerfile) if own else waiver.line or 1
    if waiver.rule not in known:
        import difflib

        near = difflib.get_close_matches(waiver.rule, sorted(known), n=1)
        hint = f"did you mean `{near[0]}`?" if near else None
        yield _about("unknown-rule-waived", f"no rule is called `{waiver.rule}`", file, line, severities, hint)
        return
    left = _days_left(waiver, today)
    one_file = _names_one_file(waiver) if service is None or waiver.line is None else _stands_in(waiver, service)
    if left is not None and left < 0 and (used or own or one_file):
        yield _about("lapsed-waiver", f"{name} lapsed on {waiver.until}", file, line, severities)
    elif not used and waiver.rule in ran and (_could_speak(waiver, dockerfile) if own else one_file):
        yield _about("unused-waiver", f"{name} waives nothing", file, line, severities)
    elif used and left is not None and 0 <= left <= SOON:
        when = "today" if left == 0 else f"in {left} day{'s' if left > 1 else ''}"
        yield _about("waiver-lapses-soon", f"{name} lapses {when}, on {waiver.until}", file, line, severities)


def _about(
    rule_id: str, message: str, file: str, line: int, severities: Mapping[str, Severity], hint: str | None = None
) -> Finding:
    severity, general = WAIVER_RULES[rule_id]
    return Finding(
        rule=rule_id,
        severity=severities.get(rule_id, severity),
        message=message,
        hint=hint or general,
        file=file,
        line=line,
        end_line=line,
        column=None,
        stage=None,
        docs=page_of(rule_id),
    )


def _named(waiver: Waiver) -> str:
    by = f", accepted by {waiver.accepted_by}" if waiver.accepted_by else ""
    return f"the waiver of {waiver.rule} ({waiver.reason}{by})"


def _speaks_for(waiver: Waiver, finding: Finding, dockerfile: Dockerfile, context: Context) -> bool:
    """A waiver with a line speaks for the whole instruction that starts there; one without, for the whole file.

    In a compose file it speaks for its line, or for the whole service that starts there.
    """
    if waiver.rule != finding.rule:
        return False
    if context.service and waiver in context.service.waivers:
        return waiver.file in (finding.file, context.service.place.file) and (
            waiver.line is None
            or (waiver.file, waiver.line) == context.service.place[:2]
            or (waiver.file, waiver.line) == (finding.file, finding.line)
        )
    if waiver.path is not None and not any(_matches(file, waiver.path) for file in (finding.file, dockerfile.path)):
        return False
    if waiver.line is None:
        return True
    if finding.file != dockerfile.path:
        return False
    return waiver.line <= finding.line <= last_lines(dockerfile).get(waiver.line, 0)


def _concerns(waiver: Waiver, dockerfile: Dockerfile, context: Context) -> bool:
    """Does a waiver of waivers.yaml speak for this Dockerfile? Its path is a glob from the repository's root."""
    files = (dockerfile.path, *((context.service.place.file,) if context.service else ()))
    if waiver.path is not None and not any(_matches(file, waiver.path) for file in files):
        return False
    return waiver.image is None or (context.recipe is not None and context.recipe.name == waiver.image)


def _matches(path: str, pattern: str) -> bool:
    """A Dockerfile may have been named from anywhere: its whole path matches from any of its folders on."""
    whole = os.path.abspath(path)  # noqa: PTH100  # no Path: this is asked for each finding and each waiver
    return fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(whole, f"*/{pattern}")


def _names_one_file(waiver: Waiver) -> bool:
    """Could only one Dockerfile use it? Several are judged with the services of one compose file."""
    named = waiver.path is not None and not waiver.path.endswith((".yaml", ".yml"))
    return waiver.image is not None or (named and not set(waiver.path or "") & set("*?["))


def _stands_in(waiver: Waiver, service: Service) -> bool:
    """Does a compose file's comment stand in the service, and not in a piece that several of them share?"""
    return waiver.file == service.place.file and (waiver.line or 0) >= service.place.line


def _could_speak(waiver: Waiver, dockerfile: Dockerfile) -> bool:
    """A waiver in a stage that this target and these build arguments do not need waits for others that do."""
    return waiver.line not in _idle(dockerfile)


@once_per_file
def _idle(dockerfile: Dockerfile) -> frozenset[int]:
    """The lines of the instructions that this target does not need."""
    idle = (stage for stage in dockerfile.stages if not stage.needed)
    return frozenset(one.line for stage in idle for one in stage.instructions)


def _line_of(waiver: Waiver, dockerfile: Dockerfile) -> int:
    """Where the comment stands that is this waiver: above its instruction or inside it, or anywhere for the file."""
    lines = _spoken(dockerfile).get(waiver.rule, [])
    if waiver.line is None:
        return lines[0] if lines else 1
    before = bisect.bisect_right(lines, last_lines(dockerfile).get(waiver.line, waiver.line))
    return lines[before - 1] if before else waiver.line


@once_per_file
def _spoken(dockerfile: Dockerfile) -> Mapping[str, list[int]]:
    """The lines of the comments that speak of the policy, by each word in them."""
    found: dict[str, list[int]] = {}
    for line, text in dockerfile.comments:
        for word in set(text.split()) if "policy:" in text else ():
            found.setdefault(word, []).append(line)
    return found


def _start(dockerfile: Dockerfile, line: int) -> int | None:
    """The first line of the instruction that begins on a line or last before it."""
    at = bisect.bisect_right(dockerfile.instructions, line, key=lambda one: one.line)
    return dockerfile.instructions[at - 1].line if at else None


def _days_left(waiver: Waiver, today: date) -> int | None:
    """Days until the waiver lapses, 0 on its last day, negative after; None for one without an end."""
    if waiver.until is None:
        return None
    from datetime import date

    try:
        return (date.fromisoformat(waiver.until) - today).days
    except ValueError:
        raise BadFile(
            f"the waiver of {waiver.rule} ends on `{waiver.until}`, which is no date",
            file=waiver.file or "waivers.yaml", line=waiver.line, hint="write it as YYYY-MM-DD",
        ) from None  # fmt: skip


def _today() -> date:
    from datetime import UTC, datetime

    return datetime.now(UTC).date()
