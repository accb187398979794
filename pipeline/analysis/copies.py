"""A Dockerfile in, what its shipped stages take out of other stages and images out. Speaks to: nothing."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.analysis import shell
from pipeline.analysis.paths import absolute, lies_below
from pipeline.analysis.variables import substituted
from pipeline.analysis.walk import chain, copied_from, mounts, stage_named, working_folder
from pipeline.model import Dockerfile, Instruction, Stage, once_per_file

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
    for mount in mounts(instruction, "bind"):
        origin = stage_named(dockerfile, stage, mount.origin) if mount.target else None
        if origin is None:
            continue
        place = absolute(mount.target, working_folder(dockerfile, stage, instruction))
        for command in shell.commands(dockerfile, instruction):
            if command.program not in _TAKES and not command.program.startswith("python"):
                continue
            for word in command.arguments:
                whole = absolute(word) if word.startswith("/") else ""
                if whole and place != "/" and lies_below(whole, place):
                    path = absolute((mount.source or "/") + whole.removeprefix(place))
                    source, behind = _behind(dockerfile, origin, path)
                    yield Taken(instruction, stage, source, source.image, behind, "")


def _of(dockerfile: Dockerfile, stage: Stage, instruction: Instruction) -> Iterator[Taken]:
    wanted = copied_from(instruction)
    if wanted is None or len(instruction.words) < 2:
        return
    destination = substituted(instruction.words[-1], stage)
    paths = [substituted(word, stage) for word in instruction.words[:-1][:_MOST]]
    place = absolute(destination, working_folder(dockerfile, stage, instruction))
    into = len(paths) > 1 or destination.endswith("/")
    origin = stage_named(dockerfile, stage, wanted)
    for path in paths:
        name = posixpath.basename(path.rstrip("/"))
        # A folder's content goes into the destination; only of a file does the name stay.
        target = posixpath.join(place, name) if into and "." in name.lstrip(".") else place
        whole = absolute(path)
        source, behind = (None, whole) if origin is None else _behind(dockerfile, origin, whole)
        image = source.image if source else wanted
        yield Taken(instruction, stage, source, image, behind, target)


def _behind(dockerfile: Dockerfile, stage: Stage, path: str) -> tuple[Stage, str]:
    """The stage that made a path: where the stage itself copied it from yet another one, that one."""
    for _ in range(len(dockerfile.stages)):
        further = next(
            (
                one
                for each in chain(dockerfile, stage)
                for one in _copies(dockerfile, each)
                if one.source is not None and one.destination not in ("", "/") and lies_below(path, one.destination)
            ),
            None,
        )
        if further is None or further.source is None:
            break
        stage, path = further.source, further.path + path.removeprefix(further.destination)
    return stage, path
