"""Paths and a policy in, findings out: every Dockerfile that they hold or name, in every way that it is built.

    answer ── lint ── judge ── check          `answer` is the task: it also reads the policy and renders

A file that cannot be read or parsed is an error of its own; all others are still judged. What this module imports is
what a lint has to wait for: pydantic, Rich and Invoke are not among it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pipeline import check, parse, waived
from pipeline import context as contexts
from pipeline.errors import BadFile
from pipeline.lint import beside, forked, inputs, masked, ruleset
from pipeline.lint.inputs.subject import Subject
from pipeline.lint.inputs.together import together
from pipeline.lint.ruleset import Ruleset
from pipeline.model import Context, Dockerfile, Finding, Lint, Severity, Unread
from policies import RULES

SEVERITIES = {"error": (Severity.ERROR,), "warning": (Severity.ERROR, Severity.WARNING), "info": tuple(Severity)}
Look = Callable[[str], Lint]  # a text → the findings, raises BadFile


class Asked(NamedTuple):
    """What somebody asks of `lint`, in the words of its options."""

    paths: tuple[str, ...] = ()
    build_args: tuple[str, ...] = ()
    target: str = ""
    format: str = "text"
    output: str = ""
    policy: str = ""
    fail_on: str = "error"
    baseline: str = ""
    write_baseline: str = ""


class Answer(NamedTuple):
    """What to print on stdout, the exit code, and what to say beside it."""

    text: str
    code: int
    notes: tuple[str, ...] = ()


def answer(asked: Asked, root: Path) -> Answer:
    """Judge, compare with a baseline, render; with `output`, write it there whole and leave nothing to print.

    Raises BadFile for a bad policy, option, baseline or path; nothing was written then.
    """
    from pipeline.lint import formats as lint_formats

    known_severity(asked.fail_on)
    lint_formats.known_format(asked.format)
    paths = [Path(one) for one in asked.paths] or [default_path(root)]
    policy_file = ruleset.find(root, Path(asked.policy) if asked.policy else None)
    rules = ruleset.read(policy_file, frozenset(rule.id for rule in RULES))
    found = lint(paths, rules, build_args=arguments(asked.build_args), target=asked.target or None, forking=_alone())
    found, sources = masked.report(found), sources_of(found)
    known: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    if asked.baseline or asked.write_baseline:
        from pipeline.lint import baseline

        if asked.write_baseline:
            count = baseline.write(found, sources, Path(asked.write_baseline))
            return Answer("", 0, (f"{asked.write_baseline}: {count} findings are known from now on",))
        found, known, gone = baseline.compare(found, sources, Path(asked.baseline))
        notes = (f"{asked.baseline}: {gone} of its findings are gone; write it again",) if gone else ()
    text = lint_formats.render(
        found, asked.format, sources, known=known, own=rules.brought, fail_on=asked.fail_on,
        colour=not asked.output and sys.stdout.isatty() and not os.environ.get("NO_COLOR"),
    )  # fmt: skip
    if asked.format == "github":
        from pipeline.lint.formats import github

        github.add_to_summary(found)
    if asked.output:
        from pipeline.report import files

        files.write_whole(Path(asked.output), text)
        text = ""
    return Answer(text, exit_code(found, asked.fail_on), notes)


def _alone() -> bool:
    """Whether this process has no thread beside its first."""
    threading = sys.modules.get("threading")
    return threading is None or threading.active_count() == 1


def lint(
    paths: Sequence[Path],
    rules: Ruleset,
    *,
    build_args: Mapping[str, str] | None = None,
    target: str | None = None,
    forking: bool = False,
) -> Lint:
    """Judge every Dockerfile that `paths`, files or folders, hold or name. Raises BadFile when there is none.

    With `forking`, many files are judged by several processes; not for a caller that has threads.
    """
    files: list[str] = []
    findings: list[Finding] = []
    errors: list[Unread] = []
    looked: set[str] = set()
    elsewhere: dict[Finding, None] = {}  # two Dockerfiles may say the same of a compose file
    judges = list(each(paths, rules, build_args=build_args or {}, target=target, inline=True))
    outcomes = forked.mapped(_outcome, judges) if forking else [_outcome(one) for one in judges]
    for (file, _), found in zip(judges, outcomes, strict=True):
        files.append(str(file))
        looked.update(found.files)
        findings += [one for one in found.findings if one.file == str(file) or one not in elsewhere]
        elsewhere.update(dict.fromkeys(one for one in found.findings if one.file != str(file)))
        errors += found.errors
    own = {rule.id for rule in (*RULES, *rules.brought)}
    shared = [waiver for waiver in rules.waivers if waiver.rule in own]
    findings += waived.unused_waivers(shared, findings, ran=own, files=looked)
    return Lint(files=tuple(files), findings=tuple(findings), errors=tuple(errors))


def _outcome(judge: tuple[Path, Look]) -> Lint:
    """What a file's judge says of the file as it lies there; a file that cannot be read is an error in it."""
    file, look = judge
    try:
        return look(parse.text_of(file))
    except BadFile as error:
        unread = Unread(file=error.file, line=error.line, message=error.what, hint=error.hint)
        return Lint(files=(), findings=(), errors=(unread,))


def each(
    paths: Sequence[Path],
    rules: Ruleset,
    *,
    build_args: Mapping[str, str],
    target: str | None,
    inline: bool = False,
) -> Iterator[tuple[Path, Look]]:
    """Every Dockerfile in `paths`, and what judges a text as if it stood there, in all the ways that it is built.

    What cannot be read comes too, its Look raises. `inline`: also files that hold a Dockerfile among other things;
    those are judged as they stand, whatever the text, and so are the services of compose files. Raises BadFile when
    there is nothing to judge at all.
    """
    ways: dict[Path, list[Subject | Unread]] = {}
    for one in inputs.subjects(paths, services=inline):
        ways.setdefault(one.dockerfile if isinstance(one, Subject) else Path(one.file), []).append(one)
    if not ways:
        raise BadFile("no Dockerfile in there", file=", ".join(map(str, paths)),
                      hint="name one, or a folder that holds some")  # fmt: skip
    first, *more = (one for found in ways.values() for one in found)
    if isinstance(first, Unread) and not more:
        raise BadFile(first.message, file=first.file, line=first.line, hint=first.hint)
    tree = beside.tree_names([file for file, found in ways.items() if any(isinstance(one, Subject) for one in found)])
    for file, found in ways.items():
        if inline or all(isinstance(one, Unread) or one.text is None for one in found):
            yield file, partial(_judged, file, found, rules, build_args, target, tree)


def judge(
    dockerfile: Dockerfile, rules: Ruleset, profile_name: str | None, context: Context, tree: Sequence[str]
) -> Lint:
    """The findings on one parsed Dockerfile under a profile. `tree` are the names of images built beside it.

    With a service in the context, the findings on that service, and no others.
    """
    if profile_name is not None and profile_name not in rules.profiles and context.recipe is not None:
        from pipeline import yamlfile

        raise yamlfile.unknown(profile_name, rules.profiles, "profile", context.recipe.folder / "image.yaml")
    profile = rules.profile(profile_name)
    every = (*RULES, *rules.brought)
    severities = profile.severities(every)
    own = {rule.id for rule in every}
    return check.lint(
        dockerfile,
        [rule for rule in every if rule.id in severities and rule.of_service == (context.service is not None)],
        severities=severities,
        parameters=profile.parameters(),
        waivers=[waiver for waiver in rules.waivers if waiver.rule in own],
        known=own,
        context=context._replace(parameters={**context.parameters, "tree": tuple(tree)}),
    )


def default_path(root: Path) -> Path:
    """What is judged when nobody names a path: dockerfiles/ of the workspace, else the folder that we are in."""
    tree = root / "dockerfiles"
    return Path(os.path.relpath(tree)) if tree.is_dir() else Path()


def known_severity(fail_on: str) -> None:
    """Raise BadFile for a severity that there is not, before anything is looked at."""
    if fail_on not in SEVERITIES:
        raise BadFile(f"unknown severity `{fail_on}`", file="--fail-on", hint="error, warning or info")


def exit_code(found: Lint, fail_on: str) -> int:
    """3 when a file could not be read, 10 when a finding is as severe as `fail_on`, else 0."""
    if found.errors:
        return 3
    return 10 if any(found.count(severity) for severity in SEVERITIES[fail_on]) else 0


def sources_of(found: Lint) -> dict[str, str]:
    """The texts that the findings speak of, by file; credentials in them are masked out."""
    told = {finding.file for finding in found.findings if finding.rule not in waived.WAIVER_RULES}
    told |= {finding.file for finding in found.findings} & set(found.files)
    texts: dict[str, str] = {}
    for file in sorted(told):
        with contextlib.suppress(BadFile):  # it was there when it was judged; its findings still count
            texts[file] = masked.masked(parse.text_of(Path(file)))
    return texts


def arguments(pairs: Sequence[str]) -> dict[str, str]:
    """`K=V` words as a mapping; a bare K takes its value from the environment, as docker build does."""
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key:
            raise BadFile(f"`{pair}` is no K=V", file="--build-arg", hint="--build-arg CUDA=12.8.1")
        found[key] = value if equals else os.environ.get(key, "")
    return found


def _judged(
    file: Path, ways: Sequence[Subject | Unread], rules: Ruleset, build_args: Mapping[str, str], target: str | None,
    tree: Sequence[str], text: str,
) -> Lint:  # fmt: skip
    """The findings on a file in every way that it is built. Raises BadFile when it cannot be judged in any."""
    built: list[tuple[str, Lint]] = []
    served: list[tuple[str, Lint]] = []
    for way in ways:
        try:
            if isinstance(way, Unread):
                raise BadFile(way.message, file=way.file, line=way.line, hint=way.hint)
            dockerfile = _parsed(way, build_args, target, text)
            if not way.only_service:
                built.append((way.label, _judged_once(dockerfile, way, rules, tree)))
            if way.service is not None:
                context = Context(folder=way.context, recipe=way.recipe, service=way.service)
                found = judge(dockerfile, rules, way.recipe.profile if way.recipe else None, context, tree)
                served.append(("", found._replace(files=(str(file), way.service.place.file))))
        except BadFile as error:
            if len(ways) == 1:
                raise
            unread = Unread(file=error.file, line=error.line, message=error.what, hint=error.hint)
            built.append(("", Lint(files=(), findings=(), errors=(unread,))))
    whole = together(str(file), built)
    if not served:
        return whole
    services = together(str(file), served)
    return Lint(
        files=tuple(dict.fromkeys((str(file), *(one for _, found in served for one in found.files)))),
        findings=tuple(dict.fromkeys((*whole.findings, *services.findings))),
        errors=tuple(dict.fromkeys((*whole.errors, *services.errors))),
    )


def _parsed(way: Subject, build_args: Mapping[str, str], target: str | None, text: str) -> Dockerfile:
    return parse.parse(
        text if way.text is None else way.text,
        path=str(way.dockerfile),
        build_args={**way.build_args, **build_args},
        target=None if way.only_service and way.text is not None else target or way.target,
    )


def _judged_once(dockerfile: Dockerfile, way: Subject, rules: Ruleset, tree: Sequence[str]) -> Lint:
    """The findings on a Dockerfile in one way that it is built, but for those on its compose service."""
    context = Context(folder=way.context, recipe=way.recipe)
    found = judge(dockerfile, rules, way.recipe.profile if way.recipe else None, context, tree)
    if (bad := contexts.problem(dockerfile, context)) is not None:
        unread = Unread(file=bad.file, line=bad.line, message=bad.what, hint=bad.hint)
        found = found._replace(errors=(*found.errors, unread))
    if way.text is None:
        return found
    # The places in the text are not those in the file that holds it: nothing there can be spliced in.
    unfixed = (one._replace(fix=None, fixable=False, column=None, end_column=None) for one in found.findings)
    return found._replace(findings=tuple(unfixed))
