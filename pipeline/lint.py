"""Paths and a policy in, findings out: every Dockerfile below them, each with the image.yaml beside it, if any.

A file that cannot be read or parsed is an error of its own; all others are still judged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline import check, parse
from pipeline.errors import BadFile
from pipeline.model import Context, Dockerfile, Finding, Lint, Severity, Unread
from pipeline.policy import Policy
from policies import RULES

SKIPPED_FOLDERS = {".git", ".venv", "node_modules", "__pycache__", ".made"}
SEVERITIES = {"error": (Severity.ERROR,), "warning": (Severity.ERROR, Severity.WARNING), "info": tuple(Severity)}


def lint(
    paths: Sequence[Path], policy: Policy, *, build_args: Mapping[str, str] | None = None, target: str | None = None
) -> Lint:
    """Judge every Dockerfile in `paths`, files or folders. Raises BadFile for a path that is not there."""
    files = [file for path in paths for file in _dockerfiles(path)]
    if not files:
        raise BadFile("no Dockerfile in there", file=", ".join(map(str, paths)),
                      hint="name one, or a folder that holds some")  # fmt: skip
    tree = _tree_names(files)
    findings: list[Finding] = []
    errors: list[Unread] = []
    for file in files:
        try:
            found = _judged(file, policy, build_args or {}, target, tree)
            findings += found.findings
            errors += found.errors
        except BadFile as error:
            errors.append(Unread(file=error.file, line=error.line, message=error.what, hint=error.hint))
    own = {rule.id for rule in RULES}
    shared = [waiver for waiver in policy.waivers if waiver.rule in own]
    findings += check.unused_waivers(shared, findings, ran=own)
    return Lint(files=tuple(map(str, files)), findings=tuple(findings), errors=tuple(errors))


def judge(
    dockerfile: Dockerfile, policy: Policy, profile_name: str | None, context: Context, tree: Sequence[str]
) -> Lint:
    """The findings on one parsed Dockerfile under a profile. `tree` are the names of images built beside it."""
    profile = policy.profile(profile_name)
    severities = profile.severities(RULES)
    parameters = profile.parameters()
    parameters["unpinned-base"] = {**parameters.get("unpinned-base", {}), "tree": tuple(tree)}
    own = {rule.id for rule in RULES}
    return check.lint(
        dockerfile,
        [rule for rule in RULES if rule.id in severities],
        severities=severities,
        parameters=parameters,
        waivers=[waiver for waiver in policy.waivers if waiver.rule in own],
        known=own,
        context=context,
    )


def known_severity(fail_on: str) -> None:
    """Raise BadFile for a severity that there is not, before anything is looked at."""
    if fail_on not in SEVERITIES:
        raise BadFile(f"unknown severity `{fail_on}`", file="--fail-on", hint="error, warning or info")


def exit_code(found: Lint, fail_on: str) -> int:
    """3 when a file could not be read, 10 when a finding is as severe as `fail_on`, else 0."""
    if found.errors:
        return 3
    return 10 if any(found.count(severity) for severity in SEVERITIES[fail_on]) else 0


def render(found: Lint, format: str) -> str:
    """The findings as text for people, or as the document seatrial/lint/v1. Raises BadFile for another format."""
    from pipeline import lint_formats

    if format == "json":
        return lint_formats.as_json(found)
    if format == "text":
        told = {finding.file for finding in found.findings}
        texts = {file: parse.text_of(Path(file)) for file in sorted(told & set(found.files))}
        return lint_formats.as_text(found, texts, show_waived=True)
    raise BadFile(f"unknown format `{format}`", file="--format", hint="text or json")


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
    file: Path, policy: Policy, build_args: Mapping[str, str], target: str | None, tree: Sequence[str]
) -> Lint:
    from pipeline import recipe as recipes

    beside = file.with_name("image.yaml")
    recipe = recipes.read(beside) if beside.is_file() else None
    if recipe is not None and recipe.dockerfile_path.resolve() != file.resolve():
        recipe = None  # image.yaml speaks of another Dockerfile in the same folder
    known = {**(recipe.build_args if recipe else {}), **build_args}
    dockerfile = parse.read(file, build_args=known, target=target or (recipe.target if recipe else None))
    context = Context(folder=file.parent / (recipe.context if recipe else "."), recipe=recipe)
    return judge(dockerfile, policy, recipe.profile if recipe else None, context, tree)


def _dockerfiles(path: Path) -> Iterator[Path]:
    """A file as it is; in a folder everything that is called a Dockerfile. Links are not followed: they can loop."""
    if not path.is_dir():
        if not path.exists() and not path.is_symlink():
            raise BadFile("no such file or folder", file=path, hint="name a Dockerfile or a folder that holds some")
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        for name in sorted(names):
            lower = name.lower()
            named = lower in ("dockerfile", "containerfile") or lower.startswith("dockerfile.")
            if (named or lower.endswith(".dockerfile")) and not lower.endswith(".dockerignore"):
                yield Path(folder) / name


def _tree_names(files: Sequence[Path]) -> tuple[str, ...]:
    """What the images of the trees that these files lie in are called."""
    from pipeline import recipe as recipes

    names: set[str] = set()
    for folder in {file.resolve().parent.parent for file in files}:
        for other in folder.glob("*/image.yaml"):
            try:
                one = recipes.read(other)
            except BadFile:
                continue  # told when its own Dockerfile is judged
            names |= {one.name, one.repository, one.full_repository}
    return tuple(sorted(names))
