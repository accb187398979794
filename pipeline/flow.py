"""The whole pipeline, top to bottom. `release` takes one image through it, `release_tree` a tree in build order.

Facts first, saved even when the answer is no; then one judgement with every reason; then the steps that cannot be
taken back, and of those the tags last of all.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pipeline import host, layout, lint, lock, registry, settings, sign, tools, verify
from pipeline.attribution import attribute
from pipeline.build import LOCAL_TAG, build, by_digest
from pipeline.errors import Interrupted, PipelineError, PolicyViolated
from pipeline.layout import Layout
from pipeline.measure import measure
from pipeline.model import (
    Build,
    Context,
    Dockerfile,
    Image,
    Measurement,
    Pushed,
    Record,
    Scan,
    Severity,
    Skipped,
    Smoke,
    Verdict,
)
from pipeline.policy import Policy
from pipeline.recipe import Recipe
from pipeline.scan.here import scan_here
from pipeline.smoke import smoke
from pipeline.verdict import judge
from pipeline.workspace import Workspace
from policies import RULES

Save = Callable[[Record], Path]  # writes the record and its reports, returns record.json
Say = Callable[[str, str], None]  # image, what it is doing


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One image to take through the pipeline, on bases that are built already."""

    recipe: Recipe
    dockerfile: Dockerfile
    bases: Mapping[str, Image]  # name as the Dockerfile writes it → image
    base_layers: tuple[str, ...]  # diff IDs of the image that it builds on, () when unknown
    tree: tuple[str, ...] = ()  # every name that means an image of the same tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person may choose for a run."""

    fresh: bool = False  # build every step and preparation again
    publish: bool = True  # push, sign and attest when the verdict allows it
    patience: float = 1800  # seconds to wait for another release of the same image


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """How one image of a tree ended. `record` is None when there is nothing to record."""

    image: str
    outcome: str  # passed | failed | skipped | error
    because: str | None
    exit_code: int
    record: Record | None


def release(job: Job, policy: Policy, options: Options, save: Save, say: Say) -> tuple[Record, tuple[str, ...]]:
    """Take one image from its Dockerfile to a signed digest; read it top to bottom.

    Returns the record and the image's diff IDs. A "no" is a record whose verdict failed, not an exception.
    Raises PipelineError when the job could not be done.
    """
    recipe = job.recipe

    def doing(what: str) -> None:
        say(recipe.name, what)

    doing("check")
    record = _opened(job, policy)
    if record.lint.count(Severity.ERROR) or record.lint.errors:  # the cheapest gate: nothing is built yet
        record = dataclasses.replace(record, verdict=_judged(record, recipe, policy))
        save(record)
        return record, ()

    with lock.held(recipe.full_repository, patience=options.patience, say=doing):
        doing("build")
        built = build(recipe, job.dockerfile, job.bases, mirrors=policy.mirrors, fresh=options.fresh, say=doing)
        with layout.opened(built.image.local, built.image.digest) as contents:
            built = by_digest(built, contents)
            record = dataclasses.replace(record, digest=built.image.digest, build=built)
            measured, scanned, smoked = examine(built, contents, job, policy, doing)
            record = dataclasses.replace(record, measure=measured, scan=scanned, smoke=smoked)
            save(record)
            record = dataclasses.replace(record, verdict=_judged(record, recipe, policy))
            file = save(record)
            if options.publish and record.verdict is not None and record.verdict.outcome == "passed":
                doing("push")
                registry.push(contents, built.image, say=doing)
                doing("sign and attest")
                record = dataclasses.replace(record, pushed=publish(built.image, file, recipe.tags, doing))
                file = save(record)
                sign.sign_file(file, sign.keys(say=doing))
            return record, tuple(contents.config["rootfs"]["diff_ids"])


def release_tree(
    workspace: Workspace, names: Iterable[str], policy: Policy, options: Options, save: Save, say: Say
) -> Iterator[Release]:
    """Release the named images (all of them without a name) and what they build on, bases first.

    One that fails does not stop the others, except those that build on it.
    """
    ready: dict[str, tuple[Image, tuple[str, ...]]] = {}
    ended: dict[str, Release] = {}
    for recipe in workspace.ordered(names):
        needed = workspace.bases(recipe.name)
        missing = [base for base in needed.values() if base not in ready]
        unanswered = [why for host_name in recipe.requires.registries if (why := registry.answers(host_name))]
        if unanswered:
            ended[recipe.name] = Release(image=recipe.name, outcome="skipped", because=unanswered[0],
                                         exit_code=0, record=None)  # fmt: skip
        elif missing:
            because = f"its base {missing[0]} {_ENDED[ended[missing[0]].outcome]}"
            ended[recipe.name] = Release(image=recipe.name, outcome="skipped", because=because,
                                         exit_code=ended[missing[0]].exit_code, record=None)  # fmt: skip
        else:
            job = job_for(workspace, recipe, ready)
            ended[recipe.name] = _attempt(job, policy, options, save, say, ready)
        yield ended[recipe.name]


_ENDED = {"failed": "did not pass", "error": "could not be released", "skipped": "was skipped"}


def job_for(workspace: Workspace, recipe: Recipe, ready: Mapping[str, tuple[Image, tuple[str, ...]]]) -> Job:
    """What `release` needs for one image of a tree whose bases are in `ready`."""
    needed = workspace.bases(recipe.name)
    dockerfile = workspace.dockerfiles[recipe.name]
    under = needed.get(list(dockerfile.shipped())[-1].image or "")
    return Job(
        recipe=recipe,
        dockerfile=dockerfile,
        bases={written: ready[name][0] for written, name in needed.items()},
        base_layers=ready[under][1] if under else (),
        tree=workspace.names(),
    )


def publish(image: Image, file: Path, tags: Sequence[str], doing: Callable[[str], None]) -> Pushed:
    """Sign the pushed digest, attest its documents, read all of it back, and only then move the tags."""
    started = time.monotonic()
    keys = sign.keys(say=doing)
    signatures = sign.sign(image.reference, keys)
    # The provenance of a digest is told once: a build from the cache adds nothing but its own time of day.
    attested = []
    for kind, name, once in (
        (sign.SBOM, "sbom.cdx.json", False),
        (sign.PROVENANCE, "provenance.json", True),
        (sign.RECORD, file.name, False),
    ):
        document = file.with_name(name)
        if document.exists():  # there is no SBOM when the policy let a release go on without a scan
            sign.attest(image.reference, kind, json.loads(document.read_bytes()), keys, once=once)
            attested.append(kind)
    registry.tag(image, tags)
    return Pushed(
        reference=image.reference,
        digest=image.digest,
        tags=tuple(tags),
        signatures=signatures,
        attestations=tuple(attested),
        public_key=keys.fingerprint,
        seconds=round(time.monotonic() - started, 3),
    )


def proven(file: Path, recipe: Recipe) -> Image:
    """The image that a saved record lets ship. Raises PolicyViolated when its verdict is not "passed"."""
    document = verify.read_record(file)
    outcome = (document.get("verdict") or {}).get("outcome")
    if outcome != "passed" or not document.get("digest"):
        raise PolicyViolated(f"{recipe.name}: the verdict is {outcome}", hint=f"only proven digests ship; see {file}")
    return Image(name=recipe.name, repository=recipe.full_repository, digest=str(document["digest"]),
                 local=f"{recipe.full_repository}:{LOCAL_TAG}")  # fmt: skip


def examine(
    built: Build, contents: Layout, job: Job, policy: Policy, doing: Callable[[str], None]
) -> tuple[Measurement, Scan | Skipped, Smoke]:
    """Measure, scan and smoke-test side by side; the slowest of them is what it takes."""
    origins = attribute(contents, job.dockerfile, job.base_layers)
    preferences = policy.profile(job.recipe.profile).scan.databases
    doing("measure, scan and smoke test")
    with ThreadPoolExecutor() as pool:
        measured = pool.submit(measure, built.image, contents, origins, cache=settings.cache())
        scanned = pool.submit(scan_here, built.image, contents, origins, preferences)
        smoked = pool.submit(smoke, built.image, job.recipe, say=lambda what: doing(f"smoke test: {what}"))
        looks: list[Future[Any]] = [measured, scanned, smoked]
        try:
            for look in wait(looks, return_when=FIRST_EXCEPTION).done:
                look.result()  # one that failed is told at once, not when the slowest of the others is done
            return measured.result(), scanned.result(), smoked.result()
        except BaseException:  # also Ctrl-C: nothing keeps running behind a message
            tools.stop_all()
            wait(looks)
            tools.resume()
            raise


def _opened(job: Job, policy: Policy) -> Record:
    """The record before anything is built: who, when, under which policy, and the findings."""
    return Record(
        image=job.recipe.name,
        digest=None,
        started=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        host=host.describe(),
        tools=host.participants(),
        policy=policy.stamp(job.recipe.profile),
        lint=lint.judge(
            job.dockerfile,
            policy,
            job.recipe.profile,
            Context(folder=job.recipe.folder / job.recipe.context, recipe=job.recipe),
            job.tree,
        ),
    )


def _judged(record: Record, recipe: Recipe, policy: Policy) -> Verdict:
    own = {rule.id for rule in RULES}
    waivers = tuple(waiver for waiver in policy.waivers if waiver.rule not in own)
    return judge(record, recipe, policy.profile(recipe.profile), waivers, today=_today())


def _attempt(
    job: Job, policy: Policy, options: Options, save: Save, say: Say, ready: dict[str, tuple[Image, tuple[str, ...]]]
) -> Release:
    """One image of a tree: what can go wrong with it alone is a result, so that the others go on."""
    name = job.recipe.name
    try:
        record, layers = release(job, policy, options, save, say)
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


def _today() -> date:
    return datetime.now(UTC).date()
