"""A Dockerfile in, what its shipped stages take out of other stages and images out. Speaks to: nothing."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.analysis import shell
from pipeline.analysis.installs import substituted
from pipeline.model import Dockerfile, Instruction, Stage, once_per_file
from pipeline.parse import flag_values, mount_options

_MOST = 1000  # copies of one stage; a file of a megabyte could ask for a hundred times that
_TAKES = frozenset({"pip", "pip3", "uv", "cp", "mv", "install", "rsync"})  # these bring files out of a mount


class Taken(NamedTuple):
    """One path that a shipped stage copies, or takes out of a mount. Both are absolute; no slash at the end.

    `source` is the stage that made it: where the stage named by --from copied it itself, the one behind it. None when
    it comes out of an image; `image` is then that image, and else the effective base of `source`.
    """

    instruction: Instruction  # the COPY in the shipped stage, or its RUN with the mount
    stage: Stage  # that holds it
    source: Stage | None
    image: str | None
    path: str
    destination: str  # "" for what was taken out of a mount: where it went is for the command to know


@once_per_file
def taken(dockerfile: Dockerfile) -> tuple[Taken, ...]:
    """Everything that the shipped stages copy with --from, by line."""
    found = [one for stage in dockerfile.shipped() for one in _copies(dockerfile, stage)]
    return tuple(sorted(found, key=lambda one: one.instruction.line))


@once_per_file
def _copies(dockerfile: Dockerfile, stage: Stage) -> tuple[Taken, ...]:
    found: list[Taken] = []
    for instruction in stage.instructions:
        if instruction.flags and instruction.keyword == "COPY":
            found += _of(dockerfile, stage, instruction)
        elif instruction.flags and instruction.keyword == "RUN":
            found += _mounted(dockerfile, stage, instruction)
        if len(found) > _MOST:
            break
    return tuple(found[:_MOST])


def _mounted(dockerfile: Dockerfile, stage: Stage, instruction: Instruction) -> Iterator[Taken]:
    """`RUN --mount=from=build,source=/wheels,target=/wheels pip install /wheels/*.whl`: what the command names."""
    for mount in map(mount_options, flag_values(instruction, "mount")):
        target = mount.get("target") or mount.get("dst") or mount.get("destination")
        origin = _named(dockerfile, stage, mount.get("from", "")) if target else None
        if origin is None or not target or mount.get("type", "bind") != "bind":
            continue
        place = absolute(target, working_folder(dockerfile, stage, instruction))
        for command in shell.commands(dockerfile, instruction):
            if command.program not in _TAKES and not command.program.startswith("python"):
                continue
            for word in command.arguments:
                whole = absolute(word) if word.startswith("/") else ""
                if whole and place != "/" and lies_below(whole, place):
                    path = absolute((mount.get("source") or mount.get("src") or "/") + whole.removeprefix(place))
                    source, behind = _behind(dockerfile, origin, path)
                    yield Taken(instruction, stage, source, source.image, behind, "")


def _of(dockerfile: Dockerfile, stage: Stage, instruction: Instruction) -> Iterator[Taken]:
    wanted = flag_values(instruction, "from")
    if not wanted or len(instruction.words) < 2:
        return
    destination = substituted(instruction.words[-1], stage)
    paths = [substituted(word, stage) for word in instruction.words[:-1][:_MOST]]
    place = absolute(destination, working_folder(dockerfile, stage, instruction))
    into = len(paths) > 1 or destination.endswith("/")
    origin = _named(dockerfile, stage, wanted[0])
    for path in paths:
        name = posixpath.basename(path.rstrip("/"))
        # A folder's content goes into the destination; only of a file does the name stay.
        target = posixpath.join(place, name) if into and "." in name.lstrip(".") else place
        whole = absolute(path)
        source, behind = (None, whole) if origin is None else _behind(dockerfile, origin, whole)
        image = source.image if source else wanted[0]
        yield Taken(instruction, stage, source, image, behind, target)


def _behind(dockerfile: Dockerfile, stage: Stage, path: str) -> tuple[Stage, str]:
    """The stage that made a path: where the stage itself copied it from yet another one, that one."""
    for _ in range(len(dockerfile.stages)):
        chain = _chain(dockerfile, stage)
        further = next(
            (
                one
                for each in chain
                for one in _copies(dockerfile, each)
                if one.source is not None and one.destination not in ("", "/") and lies_below(path, one.destination)
            ),
            None,
        )
        if further is None or further.source is None:
            break
        stage, path = further.source, further.path + path.removeprefix(further.destination)
    return stage, path


def _chain(dockerfile: Dockerfile, stage: Stage) -> list[Stage]:
    chain = [stage]
    while chain[-1].parent is not None:
        chain.append(dockerfile.stages[chain[-1].parent])
    return chain


def chain(dockerfile: Dockerfile, stage: Stage) -> tuple[Stage, ...]:
    """A stage and the stages that it builds on, itself first."""
    return tuple(_chain(dockerfile, stage))


def _named(dockerfile: Dockerfile, stage: Stage, name: str) -> Stage | None:
    """The earlier stage that --from names; None for an image."""
    if name.isascii() and name.isdecimal() and int(name[:9]) < stage.index:
        return dockerfile.stages[int(name[:9])]
    earlier = reversed(dockerfile.stages[: stage.index])
    return next((one for one in earlier if one.name == name.lower()), None)


def lies_below(path: str, folder: str) -> bool:
    """Is a path the folder, or in it?"""
    return folder == "/" or path == folder or path.startswith(folder.rstrip("/") + "/")


def absolute(path: str, folder: str = "/") -> str:
    """The path in its shortest form."""
    return "/" + posixpath.normpath(posixpath.join(folder, path)).lstrip("/")


def working_folder(dockerfile: Dockerfile, stage: Stage, instruction: Instruction | None = None) -> str:
    """The WORKDIR in which an instruction of a stage runs; without one, the stage's last."""
    folder = "/"
    for each in reversed(_chain(dockerfile, stage)):
        for one in each.instructions:
            if instruction is not None and each is stage and one.line >= instruction.line:
                return folder
            if one.keyword == "WORKDIR" and one.words:
                folder = absolute(substituted(one.words[0], each), folder)
    return folder
