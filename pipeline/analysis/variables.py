"""A word of a RUN and what is set there in, the word with its variables put in out. Speaks to: nothing.

ARG and ENV of the stage count, and what the RUN itself has set before: `V=2.4.0 && pip install torch==$V`. A variable
that is set twice, or perhaps only, has no value that can be told, and stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pipeline.analysis import shell
from pipeline.analysis.shell import Command
from pipeline.model import Dockerfile, Instruction, Stage, once_per_file
from pipeline.parse import trigger

_VARIABLE = r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:\[[@*]\])?(?::?-([^${}]*))?\})"
_TESTS = frozenset({"[", "[[", "test"})
_SETS = frozenset({"export", "declare", "local", "readonly", "typeset"})
Values = Mapping[str, str | None]  # None: set, and nobody can tell to what


class Within(NamedTuple):
    """A command of a RUN, and what the RUN has set before it. `exported` of that is what programs see too."""

    command: Command
    instruction: Instruction
    stage: Stage
    values: Values
    exported: Values

    def words(self) -> tuple[str, ...]:
        """The command's words with their variables put in: one that holds blanks makes several words of one."""
        found: list[str] = []
        for word in self.command.argv:
            found += self.put_in(word).split() if "$" in word else (word,)
        return tuple(found)

    def put_in(self, word: str) -> str:
        """The word with its variables put in; what cannot be told stays as it is written."""
        return _put_in(word, self.stage, self.values)

    def settings(self) -> dict[str, str]:
        """The variables that the program sees: ENV, ARG, what was exported, and what stands in front of it."""
        found = {**self.stage.arguments, **self.stage.environment}
        for name, value in self.exported.items():
            found[name] = value or ""
        return found | {name: self.put_in(value) for name, value in self.command.assignments.items()}


def substituted(word: str, stage: Stage) -> str:
    """Return a shell word with the stage's ENV and ARG values; what has none stays as written."""
    return _put_in(word, stage, {}) if "$" in word else word


def split_words(argv: tuple[str, ...], stage: Stage) -> tuple[str, ...]:
    """The words of a command with the stage's values put in: one that holds blanks makes several words of one."""
    return tuple(part for word in argv for part in (_put_in(word, stage, {}).split() if "$" in word else (word,)))


@once_per_file
def built_by(dockerfile: Dockerfile, stage: Stage) -> tuple[Instruction, ...]:
    """What builds a stage, in order: what the ONBUILDs of the stage below it hold, then its own instructions."""
    below = () if stage.parent is None else dockerfile.stages[stage.parent].instructions
    waiting = [one for one in below if one.keyword == "ONBUILD"]
    if not waiting:
        return stage.instructions
    return (*filter(None, (trigger(one, dockerfile.escape) for one in waiting)), *stage.instructions)


def runs(dockerfile: Dockerfile, stage: Stage) -> Iterator[Instruction]:
    """The RUN instructions that build a stage."""
    return (instruction for instruction in built_by(dockerfile, stage) if instruction.keyword == "RUN")


@once_per_file
def within(dockerfile: Dockerfile, stage: Stage) -> tuple[Within, ...]:
    """Every command of a stage's RUNs that runs a program, with what is set there."""
    found: list[Within] = []
    for instruction in runs(dockerfile, stage):
        commands = shell.commands(dockerfile, instruction)
        values: dict[str, str | None] = {}
        exported: dict[str, str | None] = {}
        sure = not re.search(r"\bcase\b", instruction.original)
        for command in commands:
            sets = _sets(command)
            if sets:
                _set(sets, stage, values, sure=sure)
                if command.words:
                    exported.update((name, values[name]) for name in sets)
            elif command.program:
                found.append(Within(command, instruction, stage, dict(values), dict(exported)) if values else
                             Within(command, instruction, stage, {}, {}))  # fmt: skip
            if command.inside == "condition" or command.program in _TESTS:
                sure = False
    return tuple(found)


def _sets(command: Command) -> Mapping[str, str]:
    """The variables that a command sets for those behind it."""
    if not command.words:
        return command.assignments
    if command.words[0] not in _SETS or "=" not in "".join(command.words):
        return {}
    pairs = (word.partition("=") for word in command.words[1:])
    return {name: value for name, equals, value in pairs if equals and name.isidentifier()}


def _set(sets: Mapping[str, str], stage: Stage, values: dict[str, str | None], *, sure: bool) -> None:
    for name, value in sets.items():
        plain = _put_in(value, stage, values)
        if plain.startswith("(") and plain.endswith(")"):  # an array, as it is written
            plain = " ".join(part.strip("'\"") for part in plain[1:-1].split())
        known = sure and name not in values and "$" not in plain and "`" not in plain
        values[name] = plain if known and len(plain) < 10_000 else None


def _put_in(word: str, stage: Stage, values: Values) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name in values:
            found = values[name]
            return match[0] if found is None else found
        for known in (stage.environment, stage.arguments):
            if known.get(name):
                return known[name]
        return match[3] if match[3] is not None else match[0]

    return re.sub(_VARIABLE, value, word)
