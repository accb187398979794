"""The whole pipeline, top to bottom: `release` takes one image through it. A whole tree is tree.py's.

Facts first, saved even when the answer is no; then one judgement with every reason; then the steps that cannot be
taken back, and of those the tags last of all.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pipeline import layout, lock, registry, settings, sign, tools, verify
from pipeline.attribution import attribute
from pipeline.build import LOCAL_TAG, build, by_digest
from pipeline.errors import PolicyViolated
from pipeline.layout import Layout
from pipeline.measure import weigh
from pipeline.model import (
    Build,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person may choose for a run."""

    fresh: bool = False  # build every step and preparation again
    publish: bool = True  # push, sign and attest when the verdict allows it
    patience: float = 1800  # seconds to wait for another release of the same image


def release(
    job: Job, record: Record, policy: Policy, options: Options, save: Save, say: Say
) -> tuple[Record, tuple[str, ...]]:
    """Take one image from its Dockerfile to a signed digest; read it top to bottom. `record` holds what check found.

    Returns the record and the image's diff IDs. A "no" is a record whose verdict failed, not an exception.
    Raises PipelineError when the job could not be done.
    """
    recipe = job.recipe

    def doing(what: str) -> None:
        say(recipe.name, what)

    if refused(record):  # the cheapest gate: nothing is built
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
            if record.verdict is not None and record.verdict.outcome == "passed":
                sign.sign_file(file, sign.keys(say=doing))  # `push` and `sign` later take no other word for it
                if options.publish:
                    doing("push")
                    registry.push(contents, built.image, say=doing)
                    doing("sign and attest")
                    record = dataclasses.replace(record, pushed=publish(built.image, file, recipe.tags, doing))
                    sign.sign_file(save(record), sign.keys())
            return record, tuple(contents.config["rootfs"]["diff_ids"])


def refused(record: Record) -> bool:
    """Whether the check alone says no."""
    return bool(record.lint.count(Severity.ERROR) or record.lint.errors)


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
    """The image that a saved record lets ship: its verdict is "passed", and this key signed it when it was given.

    Raises PolicyViolated for another verdict, EvidenceBroken for a record that was changed since.
    """
    document = verify.read_record(file)
    outcome = (document.get("verdict") or {}).get("outcome")
    if outcome != "passed" or not document.get("digest"):
        raise PolicyViolated(f"{recipe.name}: the verdict is {outcome}", hint=f"only proven digests ship; see {file}")
    sign.check_file(file, sign.keys().public)
    verify.consistent(document, str(file))
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
        measured = pool.submit(weigh, built.image, contents, origins, cache=settings.cache(),
                               fleet=job.recipe.fleet.compute_capabilities, dockerfile=job.dockerfile)  # fmt: skip
        scanned = pool.submit(scan_here, built.image, contents, origins, preferences)
        smoked = pool.submit(smoke, built.image, job.recipe, say=lambda what: doing(f"smoke test: {what}"))
        looks: list[Future[Any]] = [measured, scanned, smoked]
        try:
            while wait(looks, timeout=tools.GLANCE, return_when=FIRST_EXCEPTION).not_done:
                for look in looks:
                    if look.done():
                        look.result()  # one that failed is told at once, not when the slowest of the others is done
            return measured.result().measurement, scanned.result(), smoked.result()
        except BaseException:  # also Ctrl-C: nothing keeps running behind a message
            tools.stop_all()
            wait(looks)
            tools.resume()
            raise


def _judged(record: Record, recipe: Recipe, policy: Policy) -> Verdict:
    own = {*(rule.id for rule in RULES), *policy.brought}
    waivers = tuple(waiver for waiver in policy.waivers if waiver.rule not in own)
    return judge(record, recipe, policy.profile(recipe.profile), waivers, today=_today())


def _today() -> date:
    return datetime.now(UTC).date()
