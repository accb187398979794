"""A Dockerfile and rules in, findings out. Speaks to: nothing.

A rule sees lines and words; `check` gives each problem its rule's id, weight, hint and page, so that no rule can get
them wrong, and applies the waivers. What waivers themselves do wrong are findings too (see `WAIVER_RULES`).
"""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadFile, PipelineError
from pipeline.model import Context, Dockerfile, Finding, Lint, Problem, Rule, Severity, Unread, Waiver, once_per_file
from pipeline.parse import spans

if TYPE_CHECKING:
    from datetime import date

SOON = 14  # days

WAIVER_RULES: Mapping[str, tuple[Severity, str]] = {
    "lapsed-waiver": (Severity.ERROR, "mend what it waived, or accept it again with a new date"),
    "waiver-lapses-soon": (Severity.WARNING, "mend what it waives before then, or accept it again with a new date"),
    "unused-waiver": (Severity.WARNING, "delete it"),
    "unknown-rule-waived": (Severity.ERROR, "`rules` lists every rule"),
}


def check(
    dockerfile: Dockerfile,
    rules: Iterable[Rule],
    *,
    context: Context | None = None,
    severities: Mapping[str, Severity] | None = None,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    waivers: Sequence[Waiver] = (),
    known: Collection[str] = (),
    today: date | None = None,
) -> tuple[Finding, ...]:
    """Run the rules and return what they found, by line. `lint` is the same for callers who must go on after a bug.

    `context` is what a rule may know beside the Dockerfile; its parameters are set from `parameters`, per rule id.
    `severities` weigh a rule otherwise than it weighs itself. `waivers` are those of waivers.yaml: one that names
    another image or another path is left alone, and whether one that could speak for several files was used, only
    `unused_waivers` can tell after all of them. `known` are ids beside these rules' own that a waiver may name.
    `today` (UTC) decides which waivers have lapsed: the `until` day is the last one that counts.

    A rule that raises is a bug: it escapes with a note that names the rule and the file. Raises BadFile for a waiver
    whose `until` is no date.
    """
    rules = tuple(rules)
    known = {*known, *(rule.id for rule in rules)}
    rules = _concerned(rules, context)
    found: list[Finding] = []
    for rule in rules:
        try:
            found += _look(rule, dockerfile, context or Context(), severities or {}, parameters or {})
        except Exception as bug:
            bug.add_note(f"the rule {rule.id} was looking at {dockerfile.path}")
            raise
    return _judged(dockerfile, rules, found, context or Context(), severities or {}, waivers, known, today)


def lint(
    dockerfile: Dockerfile,
    rules: Iterable[Rule],
    *,
    context: Context | None = None,
    severities: Mapping[str, Severity] | None = None,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    waivers: Sequence[Waiver] = (),
    known: Collection[str] = (),
    today: date | None = None,
) -> Lint:
    """The same as `check`, but a rule that raises becomes one of the errors, and the other rules are still heard.

    It must not read as "nothing found" (the file was not judged by that rule), and must not hide what other rules
    and other files have to say: so it is an error of the run, beside the files that could not be read.
    """
    found: list[Finding] = []
    errors: list[Unread] = []
    sound: list[Rule] = []
    rules = tuple(rules)
    known = {*known, *(rule.id for rule in rules)}
    for rule in _concerned(rules, context):
        try:
            found += _look(rule, dockerfile, context or Context(), severities or {}, parameters or {})
            sound.append(rule)
        except PipelineError as failed:  # what the rule needs is not here, or does not answer
            message = f"the rule {rule.id} could not look: {failed.what}"
            errors.append(Unread(file=dockerfile.path, line=None, message=message, hint=failed.hint))
        except Exception as bug:
            errors.append(
                Unread(
                    file=dockerfile.path,
                    line=None,
                    message=f"the rule {rule.id} broke off: {type(bug).__name__}: {bug}",
                    hint=f"this is a bug in {rule.id}; report it with this Dockerfile, or switch the rule off",
                )
            )
    findings = _judged(dockerfile, sound, found, context or Context(), severities or {}, waivers, known, today)
    return Lint(files=(dockerfile.path,), findings=findings, errors=tuple(errors))


def together(lints: Iterable[Lint]) -> Lint:
    """Join the results of several files into one."""
    lints = tuple(lints)
    return Lint(
        files=tuple(file for one in lints for file in one.files),
        findings=tuple(finding for one in lints for finding in one.findings),
        errors=tuple(error for one in lints for error in one.errors),
    )


def unused_waivers(
    waivers: Iterable[Waiver], findings: Collection[Finding], *, ran: Collection[str], files: Collection[str] = ()
) -> tuple[Finding, ...]:
    """Return a finding for each handed-in waiver that could have spoken for several files and waived nothing in any.

    `findings` are those of all files, `ran` the ids of the rules that looked, `files` what was judged, compose files
    too: a waiver for another file waits. Waivers for one Dockerfile are `check`'s.
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


def page_of(rule_id: str) -> str:
    """Where a rule's page stands, relative to the repository."""
    return f"policies/{rule_id.replace('-', '_')}.md"


def _concerned(rules: Iterable[Rule], context: Context | None) -> tuple[Rule, ...]:
    """The rules without those about a compose service, where there is none: they have not looked then."""
    served = context is not None and context.service is not None
    return tuple(rule for rule in rules if served or not rule.of_service)


def _look(
    rule: Rule,
    dockerfile: Dockerfile,
    context: Context,
    severities: Mapping[str, Severity],
    parameters: Mapping[str, Mapping[str, Any]],
) -> list[Finding]:
    if rule.of_service and context.service is None:
        return []
    if rule.id in parameters:
        context = context._replace(parameters={**context.parameters, **parameters[rule.id]})
    weight = severities.get(rule.id, rule.severity)
    return [_finding(problem, rule, weight, dockerfile) for problem in rule.look(dockerfile, context)]


def _finding(problem: Problem, rule: Rule, severity: Severity, dockerfile: Dockerfile) -> Finding:
    """A problem on an instruction's first line speaks of the whole of it, unless the rule says otherwise."""
    line, column = problem.line, problem.column
    end_line, end_column = problem.end_line or problem.line, problem.end_column
    if problem.file is None and problem.end_line is None:
        end_line = _ends(dockerfile).get(problem.line, problem.line)
    if problem.at is not None:
        line, column = spans.place(dockerfile, problem.at.start)
        end_line, end_column = spans.place(dockerfile, problem.at.end)
    return Finding(
        rule=rule.id,
        severity=severity,
        message=problem.message,
        hint=problem.hint or rule.hint,
        file=problem.file or dockerfile.path,
        line=line,
        end_line=end_line,
        column=column,
        stage=problem.stage,
        docs=rule.docs or page_of(rule.id),
        fixable=problem.fix is not None,
        end_column=end_column,
        fix=problem.fix,
    )


@once_per_file
def _ends(dockerfile: Dockerfile) -> Mapping[int, int]:
    """The last line of each instruction, by its first."""
    return {one.line: one.end_line for one in dockerfile.instructions}


def _judged(
    dockerfile: Dockerfile,
    rules: Sequence[Rule],
    found: Sequence[Finding],
    context: Context,
    severities: Mapping[str, Severity],
    handed: Sequence[Waiver],
    known: Collection[str],
    today: date | None,
) -> tuple[Finding, ...]:
    """Apply the waivers to what was found, and add what is wrong with the waivers."""
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
    for finding in found:
        speaking = [number for number, one in enumerate(waivers) if _speaks_for(one, finding, dockerfile, context)]
        valid = [number for number in speaking if (_days_left(waivers[number], day) or 0) >= 0]
        used.update(speaking)
        judged.append(finding._replace(waived=waivers[valid[0]].reason) if valid else finding)
    ids = {rule.id for rule in rules}
    own = range(len(dockerfile.waivers))
    for number, waiver in enumerate(waivers):
        judged += _about_waiver(
            waiver, dockerfile, severities, ids, {*ids, *known}, day,
            used=number in used, own=number in own, service=context.service,
        )  # fmt: skip
    return tuple(sorted(judged, key=_order))


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
    service: Any,
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
    spans = ((one.line, one.end_line) for one in dockerfile.instructions)
    return any(first <= finding.line <= last for first, last in spans if first == waiver.line)


def _concerns(waiver: Waiver, dockerfile: Dockerfile, context: Context) -> bool:
    """Does a waiver of waivers.yaml speak for this Dockerfile? Its path is a glob from the repository's root."""
    files = (dockerfile.path, *((context.service.place.file,) if context.service else ()))
    if waiver.path is not None and not any(_matches(file, waiver.path) for file in files):
        return False
    return waiver.image is None or (context.recipe is not None and context.recipe.name == waiver.image)


def _matches(path: str, pattern: str) -> bool:
    """A Dockerfile may have been named from elsewhere: an absolute path matches from any of its folders on."""
    return fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(path, f"*/{pattern}")


def _names_one_file(waiver: Waiver) -> bool:
    """Could only one Dockerfile use it? Several are judged with the services of one compose file."""
    named = waiver.path is not None and not waiver.path.endswith((".yaml", ".yml"))
    return waiver.image is not None or (named and not set(waiver.path or "") & set("*?["))


def _stands_in(waiver: Waiver, service: Any) -> bool:
    """Does a compose file's comment stand in the service, and not in a piece that several of them share?"""
    return bool(waiver.file == service.place.file and (waiver.line or 0) >= service.place.line)


def _could_speak(waiver: Waiver, dockerfile: Dockerfile) -> bool:
    """A waiver in a stage that this target and these build arguments do not need waits for others that do."""
    idle = (stage for stage in dockerfile.stages if not stage.needed)
    return not any(one.line == waiver.line for stage in idle for one in stage.instructions)


def _line_of(waiver: Waiver, dockerfile: Dockerfile) -> int:
    """Where the comment stands that is this waiver: above its instruction or inside it, or anywhere for the file."""
    lines = [line for line, text in dockerfile.comments if "policy:" in text and waiver.rule in text.split()]
    if waiver.line is None:
        return lines[0] if lines else 1
    end = next((one.end_line for one in dockerfile.instructions if one.line == waiver.line), waiver.line)
    return max((line for line in lines if line <= end), default=waiver.line)


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
