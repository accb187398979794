"""What a person calls an image in, where it starts out. Speaks to: docker, for the environment of an image here.

A name of the tree, a Dockerfile, a folder that holds one, or an image's reference.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import facts, parse, tools
from pipeline.errors import BadFile, ToolFailed, ToolMissing
from pipeline.gpu import starts
from pipeline.gpu.starts import Starts
from pipeline.lint import beside, inputs
from pipeline.model import Context, Dockerfile

if TYPE_CHECKING:
    from pipeline.session import Session

_PATIENCE = 8.0  # seconds for the engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody wants to know of an image. Without drivers and GPUs the fleet of its image.yaml counts."""

    drivers: tuple[str, ...] = ()
    gpus: tuple[str, ...] = ()
    build_args: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None


def where_it_starts(image: str, asked: Asked, session: Session, *, run: tools.Run = tools.run) -> Starts:
    """Judge whatever `image` names. Raises BadFile when it names nothing, or when a driver or a GPU is none."""
    _check(asked)
    path = Path(image)
    if not inputs.gone(path):
        file = path / "Dockerfile" if os.path.isdir(path) else path  # noqa: PTH112  # Path.is_dir may raise
        if inputs.gone(file):
            raise BadFile("no Dockerfile in there", file=path, hint="name the file itself")
        recipe = beside.read(file.with_name("image.yaml"))
        if recipe is not None and Path(recipe.dockerfile).name != file.name:
            recipe = None  # that image.yaml speaks of another Dockerfile
        dockerfile, context = _read(file, asked, recipe, file.parent)
        return starts.of_dockerfiles([(dockerfile, context)], image, *_fleet(asked, recipe))
    if "/" not in image and ":" not in image:
        return _of_the_tree(image, asked, session)
    return starts.of_reference(image, _environment(image, run), asked.drivers, asked.gpus)


def _of_the_tree(name: str, asked: Asked, session: Session) -> Starts:
    """An image of the tree, with the images of the tree that it builds on."""
    recipe = session.workspace.named(name)
    chain: list[tuple[Dockerfile, Context]] = []
    below: str | None = recipe.name
    while below is not None and below in session.workspace.recipes:
        own = session.workspace.recipes[below]
        if chain:  # build arguments and a target are for the image that was asked for
            pair = (session.workspace.dockerfiles[below], Context(folder=own.folder / own.context, recipe=own))
        else:
            pair = _read(own.dockerfile_path, asked, own, own.folder / own.context)
        chain.append(pair)
        bases = session.workspace.bases(below)
        image = list(pair[0].shipped())[-1].image
        below = bases.get(image) if image else None
    return starts.of_dockerfiles(chain, name, *_fleet(asked, recipe))


def _read(file: Path, asked: Asked, recipe: Any, folder: Path) -> tuple[Dockerfile, Context]:
    build_args = {**(recipe.build_args if recipe else {}), **asked.build_args}
    target = asked.target or (recipe.target if recipe else None)
    place = _from_here(file)
    dockerfile = parse.parse(parse.text_of(file), path=place, build_args=build_args, target=target)
    return dockerfile, Context(folder=folder, recipe=recipe)


def _from_here(file: Path) -> str:
    """The path as a person would type it."""
    here = Path.cwd()
    return str(file.relative_to(here)) if file.is_absolute() and file.is_relative_to(here) else str(file)


def _fleet(asked: Asked, recipe: Any) -> tuple[Sequence[str], Sequence[str]]:
    if asked.drivers or asked.gpus or recipe is None:
        return asked.drivers, asked.gpus
    return tuple(recipe.fleet.drivers), tuple(recipe.fleet.compute_capabilities)


def _check(asked: Asked) -> None:
    for text in asked.drivers:
        if facts.driver(text) is None:
            raise BadFile(f"`{text}` is no driver version", file="--driver", hint="like 535 or 535.104.05")
    for text in asked.gpus:
        if facts.capability(text) is None:
            raise BadFile(f"`{text}` is no GPU that is known", file="--gpu", hint="its compute capability, like 8.0")


def _environment(image: str, run: tools.Run) -> Mapping[str, str] | None:
    """The environment of an image that the engine has; None when it has none, or is not there."""
    if image.startswith("-"):
        raise BadFile(f"`{image}` is no image", file="gpu", hint="a name of the tree, a Dockerfile, or a reference")
    try:
        answer = run(["docker", "image", "inspect", "--format", "{{json .Config.Env}}", image], timeout=_PATIENCE)
        return dict(pair.split("=", 1) for pair in json.loads(answer) or () if "=" in pair)
    except (ToolFailed, ToolMissing, ValueError):
        return None
