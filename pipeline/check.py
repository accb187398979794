"""A Dockerfile and rules in, findings out. Speaks to: nothing.

A rule sees lines and words; `check` gives each problem its rule's id, weight, hint and page, so that no rule can get
them wrong. `waived` then applies the waivers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline import waived
from pipeline.errors import PipelineError
from pipeline.model import (
    Context,
    Dockerfile,
    Finding,
    Lint,
    Problem,
    Rule,
    Severity,
    Unread,
    Waiver,
    last_lines,
    page_of,
)
from pipeline.parse import spans

if TYPE_CHECKING:
    from datetime import date

_NOTHING = Context()


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
    `waived.unused_waivers` can tell after all of them. `known` are further ids that a waiver may name.
    `today` (UTC) decides which waivers have lapsed: the `until` day is the last one that counts.

    A rule that raises is a bug: it escapes with a note that names the rule and the file. Raises BadFile for a waiver
    whose `until` is no date.
    """

    def escape(rule: Rule, bug: Exception) -> None:
        bug.add_note(f"the rule {rule.id} was looking at {dockerfile.path}")
        raise bug

    context, severities, rules = context or _NOTHING, severities or {}, tuple(rules)
    concerned = _concerned(rules, context)
    found = list(_looked(dockerfile, concerned, context, severities, parameters or {}, escape))
    ran, ids = {rule.id for rule in concerned}, {*known, *(rule.id for rule in rules)}
    return waived.applied(dockerfile, found, ran, context, severities, waivers, ids, today)


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
    errors: list[Unread] = []
    broken: set[str] = set()

    def tell(rule: Rule, failed: Exception) -> None:
        broken.add(rule.id)
        errors.append(_unheard(rule, failed, dockerfile.path))

    context, severities, rules = context or _NOTHING, severities or {}, tuple(rules)
    concerned = _concerned(rules, context)
    found = list(_looked(dockerfile, concerned, context, severities, parameters or {}, tell))
    ran, ids = {rule.id for rule in concerned} - broken, {*known, *(rule.id for rule in rules)}
    findings = waived.applied(dockerfile, found, ran, context, severities, waivers, ids, today)
    return Lint(files=(dockerfile.path,), findings=findings, errors=tuple(errors))


def _concerned(rules: Iterable[Rule], context: Context) -> tuple[Rule, ...]:
    """The rules without those about a compose service, where there is none: they have not looked then."""
    return tuple(rule for rule in rules if context.service is not None or not rule.of_service)


def _looked(
    dockerfile: Dockerfile,
    rules: Iterable[Rule],
    context: Context,
    severities: Mapping[str, Severity],
    parameters: Mapping[str, Mapping[str, Any]],
    failed: Callable[[Rule, Exception], None],
) -> Iterator[Finding]:
    """What the rules find. One that raises has found nothing; `failed` says what becomes of that."""
    for rule in rules:
        own = context
        if rule.id in parameters:
            own = context._replace(parameters={**context.parameters, **parameters[rule.id]})
        weight = severities.get(rule.id, rule.severity)
        try:
            found = [_finding(problem, rule, weight, dockerfile) for problem in rule.look(dockerfile, own)]
        except Exception as bug:
            failed(rule, bug)
        else:
            yield from found


def _unheard(rule: Rule, failed: Exception, file: str) -> Unread:
    """Why a rule has found nothing: what it needs is not here or does not answer, or there is a bug in it."""
    if isinstance(failed, PipelineError):
        return Unread(file=file, line=None, message=f"the rule {rule.id} could not look: {failed.what}",
                      hint=failed.hint)  # fmt: skip
    return Unread(
        file=file,
        line=None,
        message=f"the rule {rule.id} broke off: {type(failed).__name__}: {failed}",
        hint=f"this is a bug in {rule.id}; report it with this Dockerfile, or switch the rule off",
    )


def _finding(problem: Problem, rule: Rule, severity: Severity, dockerfile: Dockerfile) -> Finding:
    """A problem on an instruction's first line speaks of the whole of it, unless the rule says otherwise."""
    line, column = problem.line, problem.column
    end_line, end_column = problem.end_line or problem.line, problem.end_column
    if problem.file is None and problem.end_line is None:
        end_line = last_lines(dockerfile).get(problem.line, problem.line)
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
