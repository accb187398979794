"""One stage alone, for one image of a tree, with what it needs built first. The whole flow is flow.py's."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline import flow, layout, lock, registry, settings, sign, verify
from pipeline.attribution import attribute
from pipeline.build import build, by_digest
from pipeline.errors import BadFile, BadImage, PolicyViolated
from pipeline.flow import Job, Options, Say
from pipeline.layout import Layout
from pipeline.measure import Weighed, engine_source, registry_source, sources, weigh
from pipeline.model import Build, Image, LayerOrigin, Pushed, Scan, Skipped, Smoke, document
from pipeline.policy import Policy
from pipeline.recipe import Recipe
from pipeline.scan.here import scan_here
from pipeline.smoke import smoke
from pipeline.tree import job_for
from pipeline.workspace import Workspace

ENGINE, REGISTRY = "docker-daemon:", "docker://"  # skopeo's names for where an image is


def built(workspace: Workspace, name: str, policy: Policy, options: Options, say: Say) -> Build:
    """Build an image of the tree on its bases, which are built first. Raises BuildFailed, EngineDown, DiskFull."""
    with _contents(workspace, name, policy, options, say) as (done, _, _):
        return done


def weighed(workspace: Workspace, name: str, policy: Policy, say: Say, *, bandwidth: float | None = None) -> Weighed:
    """Build an image of the tree (from the cache, if nothing changed) and weigh it."""
    with _contents(workspace, name, policy, Options(), say) as (done, contents, job):
        return weigh(
            done.image, contents, _origins(contents, job), cache=settings.cache(),
            fleet=job.recipe.fleet.compute_capabilities, dockerfile=job.dockerfile, bandwidth=bandwidth,
        )  # fmt: skip


def weighed_from(
    target: str, *, verify: bool = False, bandwidth: float | None = None, say: Callable[[str], None] = lambda _: None
) -> Weighed:
    """Weigh an archive, an OCI layout or a reference. Nobody has its Dockerfile here: layers have no lines.

    What a person names to look at is not released by that: without `verify`, plain layers are walked, not checked.
    """
    with indexed(target, say) as (image, contents):
        origins = attribute(contents, None, ())
        return weigh(image, contents, origins, cache=settings.cache(), bandwidth=bandwidth, verify=verify)


def scanned_from(target: str, policy: Policy) -> Scan | Skipped:
    """Scan an archive, an OCI layout or a reference, under the policy's default profile."""
    with _from_anywhere(target) as (image, contents):
        return scan_here(image, contents, attribute(contents, None, ()), policy.profile(None).scan.databases)


def scanned(workspace: Workspace, name: str, policy: Policy, say: Say) -> Scan | Skipped:
    """Build an image of the tree and scan it."""
    with _contents(workspace, name, policy, Options(), say) as (done, contents, job):
        databases = policy.profile(job.recipe.profile).scan.databases
        return scan_here(done.image, contents, _origins(contents, job), databases)


def smoked(workspace: Workspace, name: str, policy: Policy, say: Say) -> Smoke:
    """Build an image of the tree and smoke-test it."""
    with _contents(workspace, name, policy, Options(), say) as (done, _, job):
        return smoke(done.image, job.recipe, say=lambda what: say(name, what))


def push_proven(recipe: Recipe, file: Path, say: Say) -> str:
    """Push the digest of a record whose verdict is "passed"; return its reference. Raises PolicyViolated."""
    image = flow.proven(file, recipe)
    with lock.held(recipe.full_repository), layout.opened(image.local, image.digest) as contents:
        registry.push(contents, image, say=lambda what: say(recipe.name, what))
    return image.reference


def sign_proven(recipe: Recipe, file: Path, save: Callable[[dict[str, Any]], Path], say: Say) -> Pushed:
    """Sign and attest the digest of such a record, which its registry must hold already; complete the record.

    Raises PolicyViolated, EvidenceBroken.
    """
    image = flow.proven(file, recipe)
    if registry.digest_of(image.reference) is None:
        raise PolicyViolated(f"{image.reference} is not in its registry", hint=f"`push {recipe.name}` first")
    with lock.held(recipe.full_repository):
        pushed = flow.publish(image, file, recipe.tags, lambda what: say(recipe.name, what))
        sign.sign_file(save({**verify.read_record(file), "pushed": document(pushed)}), sign.keys())
        return pushed


@contextmanager
def indexed(target: str, say: Callable[[str], None] = lambda _: None) -> Iterator[tuple[Image, Layout]]:
    """An image that is no image of the tree, for those who need its layers' indexes and not their blobs.

    Read in the fastest way that is at hand: a file or folder, the engine where it has the image, else its registry.
    `docker-daemon:NAME` asks the engine alone, `docker://NAME` the registry alone.
    """
    name = target.removeprefix(ENGINE).removeprefix(REGISTRY)
    if name == target and Path(target).exists():
        with _from_anywhere(target) as found:
            yield found
        return
    if not name or name.startswith("-"):
        raise BadFile(f"`{target}` names no image", file="measure", hint="a path, or repository:tag")
    identity = None if target.startswith(REGISTRY) else engine_source.image_id(name)
    if identity is not None:
        opened = engine_source.opened(name, identity, settings.cache(), say=say)
    elif target.startswith(ENGINE):
        raise BadImage(f"the engine has no image {name}", hint=f"docker pull {name}")
    else:
        say("asking its registry")
        opened = registry_source.opened(verify.pinned(_whole(name)), settings.cache(), say=say)
    with opened as contents:
        repository = name.partition("@")[0]
        yield Image(name=repository, repository=repository, digest=contents.digest, local=""), contents


def _whole(name: str) -> str:
    """A reference with its registry: `nvidia/cuda:12` is docker.io/nvidia/cuda:12."""
    return "/".join(registry.split_registry(name))


@contextmanager
def _from_anywhere(target: str) -> Iterator[tuple[Image, Layout]]:
    """An image that is no image of the tree, with its blobs: a file or folder here, or a reference in a registry."""
    if Path(target).exists():
        with sources.opened_path(Path(target)) as contents:
            yield Image(name=Path(target).name, repository=target, digest=contents.digest, local=""), contents
        return
    reference = verify.pinned(target)
    with tempfile.TemporaryDirectory(prefix="seatrial-reference-") as scratch:
        registry.fetch(reference, Path(scratch))
        with sources.opened_path(Path(scratch)) as contents:
            repository = reference.partition("@")[0]
            yield Image(name=repository, repository=repository, digest=contents.digest, local=""), contents


@contextmanager
def _contents(
    workspace: Workspace, name: str, policy: Policy, options: Options, say: Say
) -> Iterator[tuple[Build, Layout, Job]]:
    """The image's build, its layout and its job, after everything that it builds on was built."""
    ready: dict[str, tuple[Image, tuple[str, ...]]] = {}
    for recipe in workspace.ordered([name]):
        job = job_for(workspace, recipe, ready)

        def doing(what: str, image: str = recipe.name) -> None:
            say(image, what)

        doing("build")
        with lock.held(recipe.full_repository, say=doing):
            done = build(recipe, job.dockerfile, job.bases, mirrors=policy.mirrors, fresh=options.fresh, say=doing)
            with layout.opened(done.image.local, done.image.digest) as contents:
                done = by_digest(done, contents)
                ready[recipe.name] = (done.image, tuple(contents.config["rootfs"]["diff_ids"]))
                if recipe.name == name:
                    yield done, contents, job


def _origins(contents: Layout, job: Job) -> tuple[LayerOrigin, ...]:
    return attribute(contents, job.dockerfile, job.base_layers)
