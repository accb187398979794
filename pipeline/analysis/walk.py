"""A Dockerfile in, its instructions by keyword and what holds at each of them out. Speaks to: nothing.

Which USER, WORKDIR and SHELL are in force, what a word comes to, which stages a stage builds on and copies from: read
once per file, for every rule that asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from pipeline.analysis.bases import DISTROLESS, begins_at_root, family
from pipeline.analysis.paths import absolute, inside
from pipeline.analysis.variables import built_by, substituted
from pipeline.model import Dockerfile, Instruction, Stage, once_per_file
from pipeline.parse import flag_values, mount_options
from pipeline.parse.expand import BadWord, Lexer
from pipeline.parse.grammar import near

_MOST_ASKED, _MOST_KNOWN = 200, 500


class Placed(NamedTuple):
    """An instruction and the stage that holds it."""

    instruction: Instruction
    stage: Stage


class State(NamedTuple):
    """What holds before an instruction. `None`: the base says, or a variable without a value."""

    user: str | None
    folder: str | None  # absolute and without a slash at its end
    folder_is_set: bool  # by a WORKDIR of this file
    shell: tuple[str, ...] | None = None  # of the last SHELL; None: /bin/sh -c


class Mount(NamedTuple):
    """One --mount of a RUN; a field that is not written is ""."""

    kind: str  # bind, cache, tmpfs, secret, ssh
    target: str  # as written, a relative one counts from the WORKDIR
    source: str
    origin: str  # `from`: the stage or the image that it comes out of
    options: Mapping[str, str]  # all of them


@once_per_file
def by_keyword(dockerfile: Dockerfile) -> Mapping[str, tuple[Placed, ...]]:
    """Every instruction of every stage by its keyword, in the order of the file."""
    found: dict[str, list[Placed]] = {}
    for stage in dockerfile.stages:
        for instruction in stage.instructions:
            found.setdefault(instruction.keyword, []).append(Placed(instruction, stage))
    return {keyword: tuple(places) for keyword, places in found.items()}


def placed(dockerfile: Dockerfile, *keywords: str) -> Iterator[Placed]:
    """The instructions with these keywords, in the order of the file for each keyword."""
    known = by_keyword(dockerfile)
    for keyword in keywords:
        yield from known.get(keyword, ())


def last_shipped(dockerfile: Dockerfile, keyword: str) -> Placed | None:
    """The instruction that decides for the image: the last of its kind, in the last shipped stage that has one."""
    for stage in dockerfile.shipped():
        for instruction in reversed(stage.instructions):
            if instruction.keyword == keyword:
                return Placed(instruction, stage)
    return None


def global_arguments(dockerfile: Dockerfile) -> tuple[Instruction, ...]:
    """The ARGs above the first FROM."""
    first = dockerfile.stages[0].line
    return tuple(one for one in dockerfile.instructions if one.line < first)


@once_per_file
def states(dockerfile: Dockerfile) -> Mapping[int, State]:
    """What holds before each instruction, by the line that it begins on."""
    found: dict[int, State] = {}
    ends: list[State] = []
    for stage in dockerfile.stages:
        if stage.parent is not None:
            state = ends[stage.parent]
        else:
            state = State(None, "/" if begins_at_root(stage.image) else None, False)
        for instruction in stage.instructions:
            found[instruction.line] = state
            if instruction.keyword == "WORKDIR":
                folder = inside(state.folder, resolved(dockerfile, stage, instruction.words[0]))
                state = state._replace(folder=folder, folder_is_set=True)
            elif instruction.keyword == "USER":
                state = state._replace(user=resolved(dockerfile, stage, instruction.words[0]))
            elif instruction.keyword == "SHELL":
                state = state._replace(shell=instruction.words)
        ends.append(state)
    return found


def working_folder(dockerfile: Dockerfile, stage: Stage, instruction: Instruction) -> str:
    """The folder that an instruction of a stage runs in; where `states` cannot tell, a guess that begins at `/`."""
    return _folders(dockerfile).get((stage.index, instruction.line), "/")


@once_per_file
def _folders(dockerfile: Dockerfile) -> Mapping[tuple[int, int], str]:
    found: dict[tuple[int, int], str] = {}
    ends: list[str] = []
    for stage in dockerfile.stages:
        folder = "/" if stage.parent is None else ends[stage.parent]
        for one in built_by(dockerfile, stage):
            found[stage.index, one.line] = folder
            if one.keyword == "WORKDIR" and one.words:
                folder = absolute(substituted(one.words[0], stage), folder)
        ends.append(folder)
    return found


def is_root(dockerfile: Dockerfile, stage: Stage, instruction: Instruction) -> bool | None:
    """Does a RUN run as root? None where only the base image knows."""
    user = states(dockerfile)[instruction.line].user
    if user is not None:
        return user.partition(":")[0] in ("root", "0")
    said = by_keyword(dockerfile).get("USER")
    if said and said[0].instruction.line < instruction.line:
        return None
    # The plain images of distributions, languages, frameworks and CUDA begin as root.
    return True if family(stage.image) not in (None, DISTROLESS) else None


def shell_of(dockerfile: Dockerfile, instruction: Instruction) -> tuple[str, ...] | None:
    """The last SHELL before an instruction, in its stage or in one that this builds on; None: /bin/sh -c."""
    return states(dockerfile)[instruction.line].shell if "SHELL" in by_keyword(dockerfile) else None


def resolved(dockerfile: Dockerfile, stage: Stage, word: str) -> str | None:
    """A word with its variables and without its quotes; None when a variable has no value that this file tells.

    `variables.substituted` is for the words of a RUN: it leaves such a variable as it is written.
    """
    if not any(letter in word for letter in ("$", '"', "'", dockerfile.escape)):
        return word
    lexer = Lexer(dockerfile.escape)
    try:
        value = lexer.word(word, {**stage.arguments, **stage.environment})
    except BadWord:
        return None
    return None if lexer.missing else value


def missing(dockerfile: Dockerfile, words: Iterable[str]) -> frozenset[str]:
    """The variables without a default in these words; none where a word cannot be read."""
    lexer = Lexer(dockerfile.escape)
    try:
        for word in words:
            lexer.word(word, {})
    except BadWord:
        return frozenset()
    return frozenset(lexer.missing)


def chain(dockerfile: Dockerfile, stage: Stage) -> tuple[Stage, ...]:
    """A stage and the stages that it builds on, itself first; the FROM of the last names an image."""
    found = [stage]
    while found[-1].parent is not None:
        found.append(dockerfile.stages[found[-1].parent])
    return tuple(found)


def root_of(dockerfile: Dockerfile, stage: Stage) -> Stage:
    """The stage at the bottom of those that a stage builds on: its FROM names the image that is their `image` too."""
    return chain(dockerfile, stage)[-1]


def copied_from(instruction: Instruction) -> str | None:
    """What `--from=` names; None when the files come from the build context."""
    return next(iter(flag_values(instruction, "from")), None) if instruction.flags else None


def stage_named(dockerfile: Dockerfile, stage: Stage, name: str) -> Stage | None:
    """The earlier stage that `--from=name` means in a stage; None for an image."""
    if name.isascii() and name.isdecimal():
        return dockerfile.stages[int(name[:9])] if int(name[:9]) < stage.index else None
    earlier = reversed(dockerfile.stages[: stage.index])
    return next((one for one in earlier if one.name == name.lower()), None)


def origins(instruction: Instruction) -> tuple[str, ...]:
    """The stages and images that a COPY or the mounts of a RUN take files from, as they are named."""
    named = (copied_from(instruction) or "", *(one.origin for one in mounts(instruction)))
    return tuple(filter(None, named))


def mounts(instruction: Instruction, *kinds: str) -> tuple[Mount, ...]:
    """Each --mount of these kinds, of any without one."""
    if not instruction.flags:
        return ()
    found = []
    for options in map(mount_options, flag_values(instruction, "mount")):
        kind = options.get("type", "bind").lower()
        if not kinds or kind in kinds:
            target = options.get("target") or options.get("dst") or options.get("destination") or ""
            source = options.get("source") or options.get("src") or ""
            found.append(Mount(kind, target, source, options.get("from", ""), options))
    return tuple(found)


def flag_names(instruction: Instruction) -> frozenset[str]:
    """The names of an instruction's flags, without the dashes."""
    return frozenset(flag[2:].partition("=")[0] for flag in instruction.flags)


def sources(instruction: Instruction) -> tuple[str, ...]:
    """What a COPY or ADD copies, here-documents left out."""
    return tuple(word for word in instruction.words[:-1] if "<<" not in word)


def nearest(dockerfile: Dockerfile, word: str, known: Iterable[str]) -> str | None:
    """The known word that comes nearest, if one comes near. A file may ask some hundred times: it is slow."""
    asked = dockerfile.memo["nearest"] = dockerfile.memo.get("nearest", 0) + 1
    return near(word, sorted(known)[:_MOST_KNOWN]) if asked <= _MOST_ASKED else None
