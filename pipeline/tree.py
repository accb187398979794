"""A tree of images in, how each one's release ended out, bases before what builds on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline import host, lint, registry, released
from pipeline.errors import Interrupted, PipelineError, PolicyViolated
from pipeline.flow import Job, Options, Save, Say, refused, release
from pipeline.lint import ruleset
from pipeline.model import Context, Image, Record, Severity, Tool
from pipeline.policy import Policy
from pipeline.recipe import Recipe
from pipeline.workspace import Workspace

_ENDED = {"failed": "did not pass", "error": "could not be released", "skipped": "was skipped"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """How one image of a tree ended. `record` is None when there is nothing to record."""

    image: str
    outcome: str  # passed | failed | skipped | error
    because: str | None
    exit_code: int
    record: Record | None


def release_tree(
    workspace: Workspace, names: Sequence[str], policy: Policy, options: Options, save: Save, say: Say,
    records: Callable[[str], Sequence[Path]] = lambda name: (),
) -> Iterator[Release]:  # fmt: skip
    """Release the named images (all of them without a name) and what they build on, bases first.

    `records` has an image's earlier records, the newest first: a policy may limit growth over the last release.

    Every Dockerfile is checked before anything is built, and what only refused images need is not released for them.
    One that fails does not stop the others, except those that build on it.
    """
    took_part = host.participants()
    checked: dict[str, Record | PipelineError] = dict(workspace.unfinished)
    for name in workspace.order(names):
        if name in workspace.recipes:
            say(name, "check")
            checked[name] = _checked(workspace, name, policy, took_part, records)
    asked = [workspace.named(name).name for name in names] or list(checked)
    stopped = [name for name in asked if not _goes_on(checked[name])]
    going = [name for name in asked if name not in stopped]
    order = workspace.order(going) if going else ()
    ready: dict[str, tuple[Image, tuple[str, ...]]] = {}
    ended: dict[str, Release] = {}
    for name in (*stopped, *(name for name in order if name not in stopped)):
        ended[name] = _one(workspace, name, checked[name], ended, ready, policy, options, save, say)
        yield ended[name]


def _one(
    workspace: Workspace, name: str, record: Record | PipelineError, ended: Mapping[str, Release],
    ready: dict[str, tuple[Image, tuple[str, ...]]], policy: Policy, options: Options, save: Save, say: Say,
) -> Release:  # fmt: skip
    """How one image of a tree ends: what can go wrong with it alone is a result, so that the others go on."""
    if isinstance(record, PipelineError):
        return Release(image=name, outcome="error", because=str(record), exit_code=record.exit_code, record=None)
    recipe = workspace.recipes[name]
    silent = [why for host_name in recipe.requires.registries if (why := registry.answers(host_name))]
    if silent:
        return Release(image=name, outcome="skipped", because=silent[0], exit_code=0, record=None)
    missing = [base for base in workspace.bases(name).values() if base not in ready]
    if missing and not refused(record):
        base = ended[missing[0]]
        because = f"its base {base.image} {_ENDED[base.outcome]}"
        return Release(image=name, outcome="skipped", because=because, exit_code=base.exit_code, record=None)
    try:
        job = job_for(workspace, recipe, ready)
        record, layers = release(job, record, policy, options, save, say)
    except Interrupted:
        raise
    except PipelineError as error:
        return Release(image=name, outcome="error", because=str(error), exit_code=error.exit_code, record=None)
    assert record.verdict is not None
    if record.verdict.outcome == "failed":
        reasons = [one for one in record.verdict.reasons if one.severity is Severity.ERROR and not one.waived]
        return Release(image=name, outcome="failed", because=reasons[0].message, record=record,
                       exit_code=PolicyViolated.exit_code)  # fmt: skip
    assert record.build is not None
    ready[name] = (record.build.image, layers)
    return Release(image=name, outcome="passed", because=None, exit_code=0, record=record)


def job_for(workspace: Workspace, recipe: Recipe, ready: Mapping[str, tuple[Image, tuple[str, ...]]]) -> Job:
    """What `release` needs for one image of a tree; its bases are in `ready`, or it is refused anyway."""
    needed = {written: name for written, name in workspace.bases(recipe.name).items() if name in ready}
    dockerfile = workspace.dockerfiles[recipe.name]
    under = needed.get(list(dockerfile.shipped())[-1].image or "")
    return Job(
        recipe=recipe,
        dockerfile=dockerfile,
        bases={written: ready[name][0] for written, name in needed.items()},
        base_layers=ready[under][1] if under else (),
    )


def _checked(
    workspace: Workspace, name: str, policy: Policy, took_part: tuple[Tool, ...],
    records: Callable[[str], Sequence[Path]],
) -> Record | PipelineError:  # fmt: skip
    """The record before anything is built: who, when, under which policy, and the findings; or why there is none."""
    recipe = workspace.recipes[name]
    try:
        limited = recipe.budget.growth or policy.profile(recipe.profile).limits.growth
        return Record(
            image=name,
            digest=None,
            started=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            host=host.describe(),
            tools=took_part,
            policy=policy.stamp(policy.known(recipe)),
            lint=lint.judge(
                workspace.dockerfiles[name],
                ruleset.of(policy),
                recipe.profile,
                Context(folder=recipe.folder / recipe.context, recipe=recipe),
                workspace.names(),
            ),
            released_before=released.last(recipe, records(name)) if limited else None,
        )
    except PipelineError as error:
        return error


def _goes_on(checked: Record | PipelineError) -> bool:
    return isinstance(checked, Record) and not refused(checked)
