"""A Dockerfile in, the environment that its image ships with and who set it out. Speaks to: nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from pipeline import mend
from pipeline.model import Dockerfile, Edit, Fix, Instruction, Problem, Span, Stage, once_per_file
from pipeline.parse import tokens


class Setting(NamedTuple):
    """One `name=value` of an ENV; `written` is the value as the file writes it, quotes included."""

    name: str
    written: str
    instruction: Instruction
    stage: Stage
    pair: int  # which one of its ENV, from 0

    @property
    def text(self) -> str:
        """The value without the quotes around it."""
        return self.written.strip("\"'")

    @property
    def alone(self) -> bool:
        """Is it the only pair of its ENV?"""
        return len(self.instruction.words) == 3


class Variable(NamedTuple):
    """A variable of the shipped image: its final value, and every ENV of the file that sets it, in order."""

    name: str
    value: str
    settings: tuple[Setting, ...]

    @property
    def last(self) -> Setting:
        """The ENV whose value stands."""
        return self.settings[-1]

    @property
    def entries(self) -> tuple[str, ...]:
        """The value as a list of folders, the way PATH is one."""
        return entries(self.value)

    def setting_with(self, matches: Callable[[str], bool]) -> Setting:
        """The last ENV that writes an entry like this itself; else the one whose value stands."""
        found = (one for one in reversed(self.settings) if any(map(matches, entries(one.text))))
        return next(found, self.last)


@once_per_file
def shipped(dockerfile: Dockerfile) -> Mapping[str, Variable]:
    """Every variable that an ENV of the shipped stages sets, by name."""
    found: dict[str, list[Setting]] = {}
    for stage in reversed(tuple(dockerfile.shipped())):
        for instruction in stage.instructions:
            if instruction.keyword == "ENV":
                for setting in settings(instruction, stage):
                    found.setdefault(setting.name, []).append(setting)
    final = dockerfile.final.environment
    return {
        name: Variable(name, final.get(name, settings[-1].written), tuple(settings))
        for name, settings in found.items()
    }


def settings(instruction: Instruction, stage: Stage) -> Iterator[Setting]:
    """Each pair of an ENV."""
    words = instruction.words
    for index in range(len(words) // 3):
        yield Setting(words[3 * index], words[3 * index + 1], instruction, stage, index)


def entries(value: str) -> tuple[str, ...]:
    """Split a value at its colons; those inside `${…}` do not count. An empty value has no entry."""
    if "${" not in value:
        return tuple(value.split(":")) if value else ()
    found, depth, start = [], 0, 0
    for at, letter in enumerate(value):
        if letter == "{" and value[at - 1 : at] == "$":
            depth += 1
        elif letter == "}" and depth:
            depth -= 1
        elif letter == ":" and not depth:
            found.append(value[start:at])
            start = at + 1
    return (*found, value[start:])


def problem(
    dockerfile: Dockerfile, setting: Setting, message: str, *, fix: Fix | None = None, hint: str | None = None
) -> Problem:
    """A problem with the value of a setting, at the value."""
    line = setting.instruction.line
    return Problem(line, message, stage=setting.stage.label, at=_at(dockerfile, setting), fix=fix, hint=hint)


def _at(dockerfile: Dockerfile, setting: Setting) -> Span | None:
    """The whole pair, so that the line is the one where its name stands."""
    words = tokens(dockerfile, setting.instruction).words
    at = 3 * setting.pair
    return Span(words[at].span.start, words[at + 1].span.end) if at + 1 < len(words) else None


def rewritten(dockerfile: Dockerfile, setting: Setting, value: str) -> Edit | None:
    """Put another value in the place of a setting's, in the quotes that it had."""
    words = tokens(dockerfile, setting.instruction).words
    at = 3 * setting.pair + 1
    if at >= len(words):
        return None
    old = mend.written(dockerfile, words[at].span)
    quote = old[:1] if old[:1] in ("'", '"') and old[-1:] == old[:1] and len(old) > 1 else ""
    return mend.replaced(words[at].span, f"{quote}{value}{quote}")


def dropped(dockerfile: Dockerfile, setting: Setting) -> Edit | None:
    """Delete a setting: the whole ENV where it is the only pair of it."""
    if setting.alone:
        return mend.deleted(dockerfile, setting.instruction)
    words = tokens(dockerfile, setting.instruction).words
    at = 3 * setting.pair
    if at + 1 >= len(words):
        return None
    start, end = words[at].span.start, words[at + 1].span.end
    if setting.pair:  # with what parts it from the pair before
        start = words[at - 2].span.end
    else:
        end = words[3].span.start
    between = mend.written(dockerfile, Span(start, end))
    return None if "#" in between else mend.replaced(Span(start, end), "")


def without(dockerfile: Dockerfile, setting: Setting, matches: Callable[[str], bool]) -> Edit | None:
    """Take the entries that match out of a setting; delete the setting when nothing of its own is left."""
    text = setting.text
    if "'" in text or '"' in text or "\\" in text:
        return None
    before = entries(text)
    kept = [entry for entry in before if not matches(entry)]
    if len(kept) == len(before):
        return None
    if all(entry in ("", f"${setting.name}", f"${{{setting.name}}}") for entry in kept):
        return dropped(dockerfile, setting)
    return rewritten(dockerfile, setting, ":".join(kept))
