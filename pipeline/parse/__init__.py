"""A Dockerfile's text in, Dockerfile out, read exactly as BuildKit reads it. Speaks to: nothing.

    read / parse ── lines ── instructions ── grammar ── stages (scope, expand) ── waivers ── Dockerfile

What BuildKit refuses is a BadFile with the line, in words of our own.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from pipeline.errors import BadFile
from pipeline.model import Dockerfile
from pipeline.parse import instructions as _instructions
from pipeline.parse import stages as _stages
from pipeline.parse import tree as _tree
from pipeline.parse import waivers as _waivers
from pipeline.parse.expand import BadWord, NoValue, Unset, expand, expand_words
from pipeline.parse.grammar import flag_values, mount_options
from pipeline.parse.instructions import trigger
from pipeline.parse.lines import Lines, Refused
from pipeline.parse.spans import tokens

__all__ = ["BadWord", "NoValue", "Unset", "expand", "expand_words", "flag_values", "mount_options", "parse", "read",
           "text_of", "tokens", "tree", "trigger"]  # fmt: skip

LARGEST = 1_000_000  # bytes
_NONE: Mapping[str, str] = MappingProxyType({})


def parse(
    text: str, *, path: str = "Dockerfile", build_args: Mapping[str, str] = _NONE, target: str | None = None
) -> Dockerfile:
    """Return the Dockerfile in `text`; `path` is what it is called. Raises BadFile where BuildKit would refuse it."""
    try:
        lines = Lines(text)
        instructions = _instructions.read(lines)
        stages, final = _stages.resolve(instructions, escape=lines.escape, build_args=build_args, target=target)
        waivers = _waivers.read(lines.comments, instructions, path)
    except Refused as refused:
        raise _bad(refused, path) from None
    return Dockerfile(
        path=path,
        text=text,
        directives=lines.directives,
        instructions=instructions,
        stages=stages,
        target=final,
        comments=tuple(lines.comments),
        waivers=waivers,
        memo={},
    )


def read(file: Path, *, build_args: Mapping[str, str] = _NONE, target: str | None = None) -> Dockerfile:
    """Return the Dockerfile in a file. Raises BadFile, also for what is no regular UTF-8 text file of up to 1 MB."""
    return parse(text_of(file), path=str(file), build_args=build_args, target=target)


def tree(text: str, *, path: str = "Dockerfile") -> str:
    """Return BuildKit's tree of the text in its own notation. Raises BadFile where its parser refuses.

    The parser takes more than the builder: unknown instructions and flags are still in the tree.
    """
    try:
        lines = Lines(text)
        return _tree.notation(_instructions.read(lines), lines.escape)
    except Refused as refused:
        raise _bad(refused, path) from None


def _bad(refused: Refused, path: str) -> BadFile:
    return BadFile(_short(refused.what), hint=_short(refused.hint), file=path, line=refused.line or 1)


def _short(words: str) -> str:
    return words if len(words) <= 300 else f"{words[:297]}…"


def text_of(file: Path) -> str:
    """The file's text. It is opened before it is asked what it is, so that nobody can swap it in between."""
    try:
        # Without O_NONBLOCK a FIFO that nobody writes to would hold us for ever.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise BadFile("no such file", file=file, hint="check the path") from None
    except (OSError, ValueError) as error:
        raise BadFile(f"cannot be read: {error}", file=file, hint="check the path and its permissions") from None
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise BadFile("a folder, not a Dockerfile", file=file, hint="name the Dockerfile in it")
        if not stat.S_ISREG(mode):
            raise BadFile("not a regular file", file=file, hint="a pipe or a device cannot be checked; save it first")
        with os.fdopen(descriptor, "rb", closefd=False) as opened:
            content = opened.read(LARGEST + 1)
    except OSError as error:
        raise BadFile(f"cannot be read: {error}", file=file, hint="check the disk") from None
    finally:
        os.close(descriptor)
    if len(content) > LARGEST:
        raise BadFile("larger than 1 MB", file=file, hint="a Dockerfile is written by people; COPY the data instead")
    nul = content.find(0)
    if nul >= 0:
        raise BadFile("a binary file: it holds a NUL byte", file=file, line=content.count(b"\n", 0, nul) + 1,
                      hint="save it as UTF-8 text; UTF-16 looks like this too")  # fmt: skip
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadFile(f"not UTF-8 text: {error.reason}", file=file, line=line, hint="save it as UTF-8") from None
