"""A Dockerfile in, the paths that its shipped layers certainly make out, with the instruction. Speaks to: nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from posixpath import basename
from typing import NamedTuple

from pipeline.analysis import shell, walk
from pipeline.analysis.calls import by_program, read
from pipeline.analysis.fetches import fetches
from pipeline.analysis.paths import inside, lies_below
from pipeline.analysis.shell import Command
from pipeline.model import Dockerfile, Instruction, Stage, once_per_file

_MOST = 300  # an image has 127 layers at most; a file with more is not meant for a build

# Scripts and settings are some kilobytes, and nobody would notice.
_SMALL = (
    ".sh", ".py", ".txt", ".toml", ".lock", ".json", ".yaml", ".yml", ".cfg", ".conf", ".ini", ".template", ".list",
    ".sources", ".gpg", ".asc", ".pub", ".md", ".in", ".patch", "rc",
)  # fmt: skip


class Made(NamedTuple):
    """A path that an instruction of a shipped stage writes, absolute and without a slash at its end."""

    path: str
    instruction: Instruction
    stage: Stage
    whole: bool  # the destination itself, not one of the files that are put into it


@once_per_file
def made(dockerfile: Dockerfile) -> tuple[Made, ...]:
    """What COPY, ADD, `git clone`, a new venv or a download to a named file leave in the shipped layers."""
    return tuple(sorted(islice(_made(dockerfile), _MOST), key=lambda one: one.instruction.line))


def is_small(path: str) -> bool:
    """Does the name say that it is a script, a list or settings, which weigh nothing?"""
    return path.endswith(_SMALL)


def _made(dockerfile: Dockerfile) -> Iterator[Made]:
    for placed in walk.placed(dockerfile, "COPY", "ADD"):
        if placed.stage.ships:
            yield from _copied(dockerfile, placed.instruction, placed.stage)
    for fetch in fetches(dockerfile):
        ran = fetch.ran
        path = _path(dockerfile, ran.instruction, ran.stage, fetch.file or "")
        if ran.stage.ships and path:
            yield Made(path, ran.instruction, ran.stage, True)
    for ran in shell.shipped(dockerfile):
        folder = _folder(ran.command)
        path = _path(dockerfile, ran.instruction, ran.stage, folder) if folder else None
        if path:
            yield Made(path, ran.instruction, ran.stage, True)


def _copied(dockerfile: Dockerfile, instruction: Instruction, stage: Stage) -> Iterator[Made]:
    if len(instruction.words) < 2:
        return
    target = walk.resolved(dockerfile, stage, instruction.words[-1])
    path = inside(walk.states(dockerfile)[instruction.line].folder, target)
    if path is None or target is None:
        return
    yield Made(path, instruction, stage, True)
    if target.endswith("/") or target in (".", "..") or len(instruction.words) > 2:
        for source in walk.sources(instruction):
            name = basename(source.rstrip("/"))
            if name and not set(name) & set("*?[$") and name not in (".", ".."):
                yield Made(f"{path.rstrip('/')}/{name}", instruction, stage, False)


def _folder(command: Command) -> str | None:
    """The folder that a command makes and fills."""
    if command.program == "git":
        call = read(command)
        if call.verb == "clone" and call.operands:
            url = call.operands[0].rstrip("/").removesuffix(".git")
            return call.operands[1] if len(call.operands) > 1 else url.rpartition("/")[2]
    if command.program in ("python3", "python") and command.arguments[:2] == ("-m", "venv"):
        words = [word for word in command.arguments[2:] if not word.startswith("-")]
        return words[-1] if words else None
    return None


def _path(dockerfile: Dockerfile, instruction: Instruction, stage: Stage, word: str) -> str | None:
    """The absolute path of a word in a RUN, None where it cannot be told or where a mount takes it."""
    path = path_in_run(dockerfile, instruction, stage, word)
    return None if path is None or mounted(dockerfile, instruction, path) else path


def path_in_run(dockerfile: Dockerfile, instruction: Instruction, stage: Stage, word: str) -> str | None:
    """The absolute path that a word of a RUN names. After a `cd`, a relative one cannot be told."""
    text = walk.resolved(dockerfile, stage, word) if "$" in word else word
    if not text or "`" in text or text.startswith(("~", "-")):
        return None
    if not text.startswith("/") and instruction.line in _moving(dockerfile):
        return None
    return inside(walk.states(dockerfile)[instruction.line].folder, text)


@once_per_file
def _moving(dockerfile: Dockerfile) -> frozenset[int]:
    """The RUNs that go to another folder."""
    found = by_program(dockerfile)
    return frozenset(ran.instruction.line for name in ("cd", "pushd") for ran in found.get(name, ()))


def mounted(dockerfile: Dockerfile, instruction: Instruction, path: str) -> bool:
    """Does a path lie in a mount of the RUN, so that no layer keeps it?"""
    folder = walk.states(dockerfile)[instruction.line].folder
    targets = (inside(folder, one.target) for one in walk.mounts(instruction) if one.target)
    return any(target and lies_below(path, target) for target in targets)
