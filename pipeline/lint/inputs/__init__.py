"""Paths in, everything there is to judge out: each Dockerfile with what it is built with. Speaks to: the files.

    subjects ── dockerfiles (by name, image.yaml beside it)
             ── compose (services with a build) ── compose_files ── yamltree, interpolation
             ── bake (targets) ── hcl ── values, functions

Readers of YAML and HCL are imported when such a file is there: a single Dockerfile does not wait for them.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import BadFile
from pipeline.lint import beside
from pipeline.lint.inputs.dockerfiles import BAKE, COMPOSE, SKIPPED_FOLDERS, folders, is_dockerfile
from pipeline.lint.inputs.subject import Subject
from pipeline.model import Unread
from pipeline.model.service import Place

__all__ = ["BAKE", "COMPOSE", "SKIPPED_FOLDERS", "Place", "Subject", "gone", "subjects"]


def subjects(paths: Iterable[Path], *, services: bool = False) -> Iterator[Subject | Unread]:
    """Everything that the paths, files or folders, name to build. What cannot be read is an Unread; the rest goes on.

    The same Dockerfile with the same arguments, target and context comes once, named by the first that names it.
    With `services`, each compose service comes once: those too that run such a Dockerfile again, or only an image.
    """
    seen: set[Any] = set()
    for path in paths:
        for one in _found(path):
            if isinstance(one, Subject):
                key, own = _key(one), one.service and (one.service.place, one.service.name)
                again, told = one.only_service or key in seen, own is None or own in seen
                if again and (told or not services):
                    continue
                seen |= {key, own}
                one = one._replace(only_service=again, service=None if told else one.service)
            yield one


def _found(path: Path) -> Iterator[Subject | Unread]:
    if not os.path.isdir(path):  # noqa: PTH112  # Path.is_dir raises below a folder that is closed
        yield from _named(path)
        return
    for folder in folders(path):
        if isinstance(folder, Unread):
            yield folder
            continue
        for file in folder.dockerfiles:
            yield from _alone(file)
        for file in folder.compose:
            yield from _composed(file, path)
        if folder.bake:
            yield from _baked(folder.bake, path)


def _named(file: Path) -> Iterator[Subject | Unread]:
    """A file that was named: what it is, its name says."""
    lower = file.name.lower()
    if gone(file):
        yield Unread(file=str(file), line=None, message="no such file or folder",
                     hint="name a Dockerfile or a folder that holds some")  # fmt: skip
    elif is_dockerfile(lower):
        yield from _alone(file)
    elif lower.endswith((".yaml", ".yml")):
        yield from _composed(file, _root(file))
    elif lower.endswith(".hcl") or (lower.endswith(".json") and "bake" in lower):
        yield from _baked((file,), _root(file))
    else:
        yield from _alone(file)


def gone(file: Path) -> bool:
    """Is nothing there? What cannot be looked at may be: whoever opens it says why not."""
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def _alone(file: Path) -> Iterator[Subject | Unread]:
    """A Dockerfile as itself, or as the image.yaml beside it builds it: once, or once for each of its variants."""
    try:
        recipe = beside.of(file)
    except BadFile as error:
        yield _unread(error)
        return
    if recipe is None:
        yield Subject(dockerfile=file, context=file.parent)
        return
    whole = Subject(dockerfile=file, context=file.parent / recipe.context, build_args=recipe.build_args,
                    target=recipe.target, recipe=recipe)  # fmt: skip
    for row in recipe.variants:
        yield whole._replace(build_args={**recipe.build_args, **row.build_args}, label=f"variant {row.name}")
    if not recipe.variants:
        yield whole


def _composed(file: Path, root: Path) -> Iterator[Subject | Unread]:
    from pipeline.lint.inputs import compose

    try:
        services = tuple(compose.services(file, root))
    except BadFile as error:
        yield _unread(error)
        return
    for service, build in services:
        if build is None or build.context is None:  # nothing is built, or from a place that is not on this machine
            yield Subject(dockerfile=file, context=None, text=_just(service.image if build is None else None),
                          label=f"service {service.name}", service=service, only_service=True)  # fmt: skip
            continue
        label, place = f"service {service.name} of {file.name}", build.place
        subject = Subject(dockerfile=file, context=build.context, build_args=build.build_args, target=build.target,
                          label=label, origin=place, service=service)  # fmt: skip
        if build.inline is not None:
            text = _in_place(build.inline, build.inline.line if build.inline.literal else 1)
            yield subject._replace(dockerfile=Path(place.file), text=text)
        else:
            yield _checked(subject, build.context / build.dockerfile, root)


def _just(image: str | None) -> str:
    """A Dockerfile that stands for an image; for one that is not known, with a base that cannot be told."""
    return f"FROM {image}" if image and re.fullmatch(r"[^\s#-]\S*", image) else "ARG IMAGE\nFROM ${IMAGE}"


def _baked(files: tuple[Path, ...], root: Path) -> Iterator[Subject | Unread]:
    from pipeline.lint.inputs import bake

    try:
        targets = bake.targets(files)
    except BadFile as error:
        yield _unread(error)
        return
    for target in targets:
        here = Path(target.place.file)
        label = f"target {target.name} of {here.name}"
        subject = Subject(dockerfile=here, context=None, build_args=target.build_args, target=target.target,
                          label=label, origin=target.place)  # fmt: skip
        remote = target.context is None or "://" in target.context or target.context.startswith(("git@", "target:"))
        if target.inline is not None:
            folder = None if remote else here.parent / str(target.context)
            yield subject._replace(context=folder, text=_in_place(*target.inline))
        elif not remote and target.dockerfile is not None:
            context = _built_from(here.parent, str(target.context), target.dockerfile, root)
            yield _checked(subject._replace(context=context), context / target.dockerfile, root)


def _built_from(folder: Path, context: str, dockerfile: str, root: Path) -> Path:
    """The context of a bake target. It counts from where bake is started: the file's folder, or one above it."""
    top = root.resolve()
    for start in (folder, *Path(os.path.realpath(folder)).parents):
        if os.path.isfile(start / context / dockerfile):  # noqa: PTH113  # as above; or the name is too long
            named = start if folder.is_absolute() or start == folder else Path(os.path.relpath(start))
            return named / context
        if Path(os.path.realpath(start)) == top:
            break
    return folder / context


def _checked(subject: Subject, file: Path, root: Path) -> Subject | Unread:
    """The subject with its Dockerfile, if that is there and below the root: nothing else is opened."""
    place = subject.origin or Place(str(file), 1)
    try:
        whole = file.resolve()
        inside, there = whole.is_relative_to(root.resolve()), whole.exists()
    except (OSError, ValueError, RuntimeError):
        inside = there = False
    if not inside:
        return Unread(file=place.file, line=place.line, message=f"{subject.label}: {file} is outside of {root}",
                      hint="name the folder that holds both")  # fmt: skip
    if not there:
        return Unread(file=place.file, line=place.line, message=f"{subject.label}: there is no {file}",
                      hint="check `context` and `dockerfile`: the second counts from the first")  # fmt: skip
    return subject._replace(dockerfile=_short(file))


def _short(file: Path) -> Path:
    """The path without `..` and `.`, relative if it was: one Dockerfile has one name."""
    return Path(os.path.normpath(file))


def _in_place(text: str, line: int) -> str:
    """A Dockerfile that stands inside another file, moved down to the lines that it has there."""
    return "\n" * (line - 1) + text


def _root(file: Path) -> Path:
    """What a compose or bake file that was named may reach: its repository, else the folder that we are in."""
    here = file.absolute().parent
    for folder in (here, *here.parents):
        if os.path.exists(folder / ".git"):  # noqa: PTH110  # as above
            return folder
    return Path.cwd() if here.is_relative_to(Path.cwd()) else here


def _key(subject: Subject) -> Any:
    """What makes two subjects the same."""
    args = tuple(sorted(subject.build_args.items()))
    file, context = subject.dockerfile, subject.context
    place = Path(os.path.realpath(file)) if os.path.islink(file) else _short(file.absolute())  # noqa: PTH114
    return place, context and _short(context.absolute()), args, subject.target, subject.text


def _unread(error: BadFile) -> Unread:
    return Unread(file=error.file, line=error.line, message=error.what, hint=error.hint)
