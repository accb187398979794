"""A RUN, CMD or ENTRYPOINT in, the commands that it runs out, each with its line. Speaks to: nothing.

    commands ── source (what the shell is given, and where it stands) ── tree (heredocs, parts, words) ── Command

Commands come in the order in which they run: those in `$(…)` before the command that they are a word of. A script
that is handed to a shell, by `sh -c` or a here-document, counts as what is in it. It is read, never run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pipeline.analysis.shell import source, tree
from pipeline.analysis.shell.command import SHELLS, Command, command, script_at, shell_script
from pipeline.model import Dockerfile, Instruction, Stage, once_per_file
from pipeline.parse.heredocs import opening
from pipeline.parse.lines import Refused

__all__ = ["SHELLS", "Command", "Ran", "command", "commands", "needed", "shell_script", "shipped", "split"]

_OTHER_LANGUAGES = r"(?i)(cmd|powershell|pwsh|python[\d.]*|perl|node|ruby)(\.exe)?"
_WINDOWS = r"(?i)nanoserver|servercore|windows/server|/windows:"


class Ran(NamedTuple):
    """A command, and the RUN and the stage that hold it."""

    command: Command
    instruction: Instruction
    stage: Stage


@once_per_file
def shipped(dockerfile: Dockerfile) -> tuple[Ran, ...]:
    """Every command of every RUN whose layer ships, the final stage's first."""
    return tuple(_ran(dockerfile, dockerfile.shipped()))


@once_per_file
def needed(dockerfile: Dockerfile) -> tuple[Ran, ...]:
    """Every command of every RUN that the target needs, in the order of the file."""
    return tuple(_ran(dockerfile, (stage for stage in dockerfile.stages if stage.needed)))


def _ran(dockerfile: Dockerfile, stages: Iterable[Stage]) -> Iterator[Ran]:
    for stage in stages:
        for instruction in stage.instructions:
            if instruction.keyword == "RUN":
                for one in commands(dockerfile, instruction):
                    yield Ran(one, instruction, stage)


@once_per_file
def commands(dockerfile: Dockerfile, instruction: Instruction) -> tuple[Command, ...]:
    """Return the commands of an instruction in order, that of a HEALTHCHECK or an ONBUILD RUN too.

    There are none where another shell is set (`SHELL ["powershell"]`), or where the shell language cannot be read.
    """
    words = instruction.words[1:] if instruction.keyword in ("HEALTHCHECK", "ONBUILD") else instruction.words
    if not words or not words[-1]:
        return ()
    if instruction.json_form:
        one = command(words, instruction.line, spans=(None,) * len(words))
        at = script_at(one)
        return (one,) if at is None else tuple(tree.read(source.loose(words[at], one.line), 1))
    if instruction.heredocs and _is_heredoc(words[-1]):
        shebang = re.match(r"#![ \t]*(\S+)(?:[ \t]+(?:-S[ \t]+)?(\S+))?", instruction.heredocs[0].content)
        if shebang:
            shell = _name(shebang[1])
            if (_name(shebang[2] or "") if shell == "env" else shell) not in SHELLS:
                return ()  # python, perl, …: not ours to read
        elif instruction.line in _unreadable(dockerfile):
            return ()
        return tuple(tree.read(source.script(dockerfile, instruction)))
    if instruction.line in _unreadable(dockerfile):
        return ()
    return tuple(tree.read(source.header(dockerfile, instruction)))


def split(script: str, line: int) -> tuple[Command, ...]:
    """Return the commands of a script whose first line is `line`."""
    return tuple(tree.read(source.loose(script, line, lines=True)))


def _is_heredoc(words: str) -> bool:
    """Is there nothing but a here-document? Then that is the script itself."""
    try:
        return opening(words) is not None
    except Refused:
        return False


@once_per_file
def _unreadable(dockerfile: Dockerfile) -> frozenset[int]:
    """The lines of the instructions that another shell than those of Unix reads."""
    found: set[int] = set()
    others: list[bool] = []
    for stage in dockerfile.stages:
        other = others[stage.parent] if stage.parent is not None else bool(re.search(_WINDOWS, stage.image or ""))
        for instruction in stage.instructions:
            if instruction.keyword == "SHELL" and instruction.json_form and instruction.words:
                other = not any(_name(word) in SHELLS for word in instruction.words) and (
                    re.fullmatch(_OTHER_LANGUAGES, _name(instruction.words[0])) is not None
                )
            elif other:
                found.add(instruction.line)
        others.append(other)
    return frozenset(found)


def _name(word: str) -> str:
    return re.split(r"[/\\]", word)[-1]
