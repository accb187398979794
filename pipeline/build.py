"""Recipe and Dockerfile in, an image by digest out. Speaks to: docker buildx.

The image holds no attestation of its own: its digest then depends on its sources alone, and an unchanged tree gives
an unchanged digest. BuildKit's provenance is kept beside it, and is signed and attested when the image is released.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform as machine_platform
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import buildkit, machine, sources, tools
from pipeline.errors import EngineDown, PipelineError, ToolFailed
from pipeline.layout import Layout
from pipeline.model import Base, Build, Dockerfile, Image
from pipeline.prepare import prepare
from pipeline.recipe import Recipe, Secret
from pipeline.registry import split_registry

LOCAL_TAG = "seatrial"  # what the engine knows the newest build by; the digest beside it is what counts
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one `buildx build` needs beside its output."""

    recipe: Recipe
    build_args: Mapping[str, str]
    contexts: Mapping[str, str]  # name as the Dockerfile writes it → what stands for it
    labels: Mapping[str, str]
    secrets: Mapping[str, str]  # id → src=FILE or env=NAME
    epoch: int
    platform: str


def build(
    recipe: Recipe,
    dockerfile: Dockerfile,
    bases: Mapping[str, Image],
    *,
    mirrors: Mapping[str, str] | None = None,
    fresh: bool = False,
    say: Callable[[str], None] = lambda _: None,
    run: tools.Run = tools.run,
) -> Build:
    """Build the image on the digests in `bases` (name as its FROM writes it → image).

    `fresh` builds every step again. Raises BuildFailed with the Dockerfile line, EngineDown, DiskFull, ToolFailed.
    """
    started = time.monotonic()
    source = sources.of(recipe.folder, run=run)
    base = _base(dockerfile, bases)
    with tempfile.TemporaryDirectory(prefix="seatrial-build-") as scratch:
        plan = Plan(
            recipe=recipe,
            build_args=recipe.build_args,
            contexts=_contexts(dockerfile, bases, mirrors or {}),
            labels=_labels(recipe, source, base),
            secrets=_secrets(recipe, Path(scratch)),
            epoch=source.epoch,
            platform=(recipe.platforms or [_here()])[0],
        )

        def export(stage: str, folder: Path) -> None:
            _export(plan, stage, folder, say)

        files = {name: source.removeprefix("src=") for name, source in plan.secrets.items() if source[:4] == "src="}
        preparations, stand_ins = prepare(recipe, export=export, secrets=files, say=say, fresh=fresh, run=run)
        local = f"{recipe.full_repository}:{LOCAL_TAG}"
        output = f"type=image,name={local},oci-mediatypes=true,compression={recipe.compression}"
        progress = buildkit.Progress(say)
        metadata = _buildx(plan, output, progress, Path(scratch), stand_ins=stand_ins, fresh=fresh)
    provenance = metadata.get("buildx.build.provenance") or {}
    if base is not None and base.digest is None:
        base = Base(name=base.name, digest=_pulled(base.name, buildkit.materials(provenance)))
    return Build(
        image=Image(name=recipe.name, repository=recipe.full_repository, local=local,
                    digest=metadata["containerimage.digest"]),
        config_digest=metadata["containerimage.config.digest"],
        base=base,
        labels=plan.labels,
        created=source.created,
        platform=plan.platform,
        preparations=preparations,
        steps=progress.steps(dockerfile),
        seconds=round(time.monotonic() - started, 3),
        provenance=provenance,
    )  # fmt: skip


def by_digest(built: Build, contents: Layout) -> Build:
    """The build with what its layout says: the labels that the image holds, its base's among them, and its digest.

    The classic image store knows no digest until then, and keeps calling the image by an id of its own.
    """
    image = built.image
    if contents.digest != image.digest:
        image = dataclasses.replace(image, digest=contents.digest, engine_id=image.digest)
    labels = (contents.config.get("config") or {}).get("Labels") or {}
    return dataclasses.replace(built, image=image, labels={str(key): str(labels[key]) for key in sorted(labels)})


def _buildx(
    plan: Plan, output: str, progress: buildkit.Progress, scratch: Path, *, target: str | None = None,
    stand_ins: Mapping[str, str] | None = None, fresh: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Run one build; return what buildx wrote to its metadata file."""
    recipe = plan.recipe
    metadata = scratch / "metadata.json"
    argv = ["docker", "buildx", "build", "--progress=rawjson", "--provenance=false", "--sbom=false",
            f"--metadata-file={metadata}", f"--output={output}", f"--platform={plan.platform}",
            f"--file={recipe.dockerfile_path}"]  # fmt: skip
    arguments = {**plan.build_args, **(stand_ins or {}), "SOURCE_DATE_EPOCH": str(plan.epoch)}
    argv += [f"--build-arg={key}={value}" for key, value in sorted(arguments.items())]
    argv += [f"--build-context={name}={source}" for name, source in sorted(plan.contexts.items())]
    argv += [f"--label={key}={value}" for key, value in sorted(plan.labels.items())] if target is None else []
    argv += [f"--secret=id={name},{source}" for name, source in sorted(plan.secrets.items())]
    argv += [f"--target={target or recipe.target}"] if target or recipe.target else []
    argv += ["--no-cache", "--pull"] if fresh and target is None else []
    environment = {"BUILDX_METADATA_PROVENANCE": "max", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    try:
        tools.stream([*argv, str(recipe.folder / recipe.context)], progress.line,
                     timeout=recipe.build_timeout, env=environment)  # fmt: skip
    except ToolFailed as error:
        if error.returncode is None:  # ran out of time
            raise
        raise progress.failure(error, str(recipe.dockerfile_path)) from None
    try:
        return dict(json.loads(metadata.read_bytes()))
    except (OSError, ValueError):
        raise EngineDown(
            "buildx ended well and wrote no metadata", hint="buildx 0.12 or newer; see `doctor`"
        ) from None


def _export(plan: Plan, stage: str, folder: Path, say: Callable[[str], None]) -> None:
    """Build one stage and put its files into `folder`, whole or not at all."""
    for leftover in folder.parent.glob(".export-*"):  # of a run that was killed: the lock says that none is alive
        shutil.rmtree(leftover)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=folder.parent) as scratch:
        fresh_folder = Path(scratch) / "files"
        _buildx(plan, f"type=local,dest={fresh_folder}", buildkit.Progress(say), Path(scratch), target=stage)
        fresh_folder.chmod(0o755)  # buildx makes it for us alone; a smoke test's container runs as somebody else
        if folder.exists():
            shutil.rmtree(folder)
        fresh_folder.rename(folder)


def _base(dockerfile: Dockerfile, bases: Mapping[str, Image]) -> Base | None:
    """The image under the shipped stages; None for scratch."""
    root = list(dockerfile.shipped())[-1].image
    if root is None or root == "scratch":
        return None
    if root in bases:
        return Base(name=bases[root].repository, digest=bases[root].digest)
    return Base(name=root, digest=root.partition("@")[2] or None)


def _contexts(dockerfile: Dockerfile, bases: Mapping[str, Image], mirrors: Mapping[str, str]) -> dict[str, str]:
    """What stands for each base: the tree's own by digest, others from their registry's mirror."""
    found = {name: f"docker-image://{_pinned(image)}" for name, image in bases.items()}
    for stage in dockerfile.stages:
        if stage.needed and stage.parent is None and stage.image not in (None, "scratch", *bases):
            host, path = split_registry(stage.image or "")
            if host in mirrors:
                found[stage.image or ""] = f"docker-image://{mirrors[host]}/{path}"
    return found


def _pinned(image: Image) -> str:
    """A base as BuildKit finds it. The classic store knows no digest of what was never pushed, only the tag."""
    return image.local if image.engine_id else f"{image.local}@{image.digest}"


def _labels(recipe: Recipe, source: sources.Sources, base: Base | None) -> dict[str, str]:
    own = {
        "org.opencontainers.image.created": source.created,
        "org.opencontainers.image.revision": source.revision,
        "org.opencontainers.image.source": source.url,
        "org.opencontainers.image.base.name": base.name if base else None,
        "org.opencontainers.image.base.digest": base.digest if base else None,
    }
    return {**recipe.labels, **{key: value for key, value in own.items() if value}}


def _secrets(recipe: Recipe, scratch: Path) -> dict[str, str]:
    """Per secret, where buildx and preparation steps find it: `src=FILE` or `env=NAME`.

    Only names and paths ever stand in an argv. One that is not there is left out when it is not required.
    """
    found = {}
    for secret in recipe.secrets:
        try:
            found[secret.id] = _source(secret, recipe, scratch)
        except PipelineError:
            if secret.required:
                raise
    return found


def _source(secret: Secret, recipe: Recipe, scratch: Path) -> str:
    if secret.machine:
        return f"src={machine.secret(secret.machine, scratch)}"
    if secret.file:
        path = (recipe.folder / Path(secret.file).expanduser()).resolve()
        if path.is_file():
            return f"src={path}"
        raise PipelineError(f"{recipe.name}: secret `{secret.id}`: no file {path}",
                            hint="create it, or say `required: false`")  # fmt: skip
    if secret.env and secret.env in os.environ:
        return f"env={secret.env}"
    raise PipelineError(f"{recipe.name}: secret `{secret.id}`: the variable {secret.env} is not set",
                        hint=f"export {secret.env}=…, or say `required: false`")  # fmt: skip


def _here() -> str:
    name = machine_platform.machine()
    return f"linux/{ARCHITECTURES.get(name, name)}"


def _pulled(name: str, materials: Mapping[str, str]) -> str | None:
    """The digest of a base that the build pulled; BuildKit writes names without docker.io and with @ for the tag."""
    host, path = split_registry(name.partition("@")[0])
    plain = path.removeprefix("library/") if host == "docker.io" else f"{host}/{path}"
    repository, _, tag = plain.rpartition(":") if ":" in plain.rsplit("/", 1)[-1] else (plain, "", "latest")
    return materials.get(f"{repository}@{tag}")
