"""A Dockerfile in, its instructions by keyword and what holds at each of them out. Speaks to: nothing.

Which USER and which WORKDIR are in force, what a word comes to, what a well-known base brings: read once per file,
for every rule that asks.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from pipeline.facts import reference
from pipeline.model import Dockerfile, Instruction, Stage, once_per_file
from pipeline.parse.expand import BadWord, Lexer
from pipeline.parse.grammar import near

# Official images that set no variable but PATH, no WORKDIR and no USER.
_PLAIN = frozenset({"almalinux", "alpine", "amazonlinux", "busybox", "debian", "rockylinux", "scratch", "ubuntu"})
# These set variables of their own, and no WORKDIR.
_AT_ROOT = _PLAIN | {"buildpack-deps", "fedora", "node", "nvidia/cuda", "python"}

# Words that ARG defaults hold so that a build without --build-arg stops: FROM nvidia/cuda:notset-base-notset.
_PLACEHOLDER = (
    r"(?:^|[^a-z0-9])(?:not-?set|un-?set|undefined|unspecified|non-?exist(?:ing|ent)|placeholder|change-?me|replace-?me"
    r"|set-?me|override-?me|must-?be-?set|required|invalid)(?:$|[^a-z0-9])"
)
_LONGEST_PATH = 4096  # Linux's own limit
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


@once_per_file
def states(dockerfile: Dockerfile) -> Mapping[int, State]:
    """What holds before each instruction, by the line that it begins on."""
    found: dict[int, State] = {}
    ends: list[State] = []
    for stage in dockerfile.stages:
        state = State(None, "/" if begins_at_root(stage) else None, False)
        if stage.parent is not None:
            state = ends[stage.parent]
        for instruction in stage.instructions:
            found[instruction.line] = state
            if instruction.keyword == "WORKDIR":
                folder = resolved(dockerfile, stage, instruction.words[0])
                state = State(state.user, inside(state.folder, folder), True)
            elif instruction.keyword == "USER":
                user = resolved(dockerfile, stage, instruction.words[0])
                state = state._replace(user=user)
        ends.append(state)
    return found


def inside(folder: str | None, path: str | None) -> str | None:
    """The absolute form of a path as seen from a folder; None where that cannot be told."""
    if path is None or (folder is None and not path.startswith("/")):
        return None
    if len(path) + len(folder or "") > _LONGEST_PATH:
        return None
    joined = posixpath.normpath(posixpath.join(folder or "/", path))
    return joined[1:] if joined.startswith("//") else joined


def resolved(dockerfile: Dockerfile, stage: Stage, word: str) -> str | None:
    """A word with its variables and without its quotes; None when a variable has no value that this file tells."""
    escape = dockerfile.directives.get("escape", "\\")
    if not any(letter in word for letter in ("$", '"', "'", escape)):
        return word
    lexer = Lexer(escape)
    try:
        value = lexer.word(word, {**stage.arguments, **stage.environment})
    except BadWord:
        return None
    return None if lexer.missing else value


def root_of(dockerfile: Dockerfile, stage: Stage) -> Stage:
    """The stage at the bottom of the ones that this stage builds on: its FROM names an image."""
    return _roots(dockerfile)[stage.index]


@once_per_file
def _roots(dockerfile: Dockerfile) -> tuple[Stage, ...]:
    found: list[Stage] = []
    for stage in dockerfile.stages:
        found.append(stage if stage.parent is None else found[stage.parent])
    return tuple(found)


def nearest(dockerfile: Dockerfile, word: str, known: Iterable[str]) -> str | None:
    """The known word that comes nearest, if one comes near. A file may ask some hundred times: it is slow."""
    asked = dockerfile.memo["nearest"] = dockerfile.memo.get("nearest", 0) + 1
    return near(word, sorted(known)[:_MOST_KNOWN]) if asked <= _MOST_ASKED else None


def is_plain(stage: Stage) -> bool:
    """Is the effective base an image of which we know that it sets nothing but PATH?"""
    return _short(stage.image) in _PLAIN


def begins_at_root(stage: Stage) -> bool:
    """Is the effective base an image of which we know that it leaves the working folder at `/`?"""
    return _short(stage.image) in _AT_ROOT


def is_placeholder(stage: Stage) -> bool:
    """Does a build argument's default stand in the base for a value that must be given: `notset`, `non-existing`?"""
    image = stage.image
    return image is not None and image != stage.base and bool(re.search(_PLACEHOLDER, image.lower()))


def short_name(stage: Stage) -> str | None:
    """The name of an official image, `debian` for docker.io/library/debian:12; None for what is none or not known."""
    return _short(stage.image)


def _short(image: str | None) -> str | None:
    if not image:
        return None
    name = reference(image).repository
    head, slash, last = name.rpartition("/library/")
    if slash and ("." in head or ":" in head):
        return last
    for prefix in ("docker.io/library/", "index.docker.io/library/", "docker.io/", "library/"):
        name = name.removeprefix(prefix)
    return name


def copied_from(instruction: Instruction) -> str | None:
    """What `--from=` names; None when the files come from the build context."""
    return next((flag[7:] for flag in instruction.flags if flag.startswith("--from=")), None)


def flag_names(instruction: Instruction) -> frozenset[str]:
    """The names of an instruction's flags, without the dashes."""
    return frozenset(flag[2:].partition("=")[0] for flag in instruction.flags)


def sources(instruction: Instruction) -> tuple[str, ...]:
    """What a COPY or ADD copies, here-documents left out."""
    return tuple(word for word in instruction.words[:-1] if "<<" not in word)
