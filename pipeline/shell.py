"""A RUN, CMD or ENTRYPOINT in, the commands that it runs out, each with its line. Speaks to: nothing.

This reads what Dockerfiles do with a shell: command lists, quotes, continuations, here-documents, `sh -c`. It is no
shell: what stands in `$(…)` stays one word, and control words (`if`, `do`, …) are dropped from a command's front.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from pipeline.model import Dockerfile, Instruction, Span, Stage, once_per_file

SHELLS = frozenset({"sh", "bash", "ash", "dash", "zsh"})
_CONTROL = frozenset({"if", "then", "else", "elif", "do", "while", "until", "!", "{", "}", "fi", "done", "esac"})
_HEADS = frozenset({"for", "case", "select", "function"})  # what follows is not a command
_WRAPPERS = frozenset({"sudo", "env", "exec", "command", "nohup", "time", "nice"})
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\+?=(.*)", re.DOTALL)
_KEYWORD = re.compile(r"\s*[A-Za-z]+\s*")
_FLAG = re.compile(r"--[a-z][a-z-]*(?:=\S*)?\s*")
_NESTING = 3  # `sh -c` inside `sh -c`; nobody writes more


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One simple command. `words` are as the shell would split them, without assignments and redirections."""

    words: tuple[str, ...]
    line: int
    assignments: Mapping[str, str] = field(default_factory=dict)  # the `A=b` in front of it
    spans: tuple[Span | None, ...] = ()  # of each word; None for one that the file does not hold as it stands
    span: Span | None = None  # of the whole command, its assignments and redirections too
    joined: str = ""  # the operator before it: && || ; | & or a newline; "" for the first of a list or a body
    piped: bool = False  # its output goes into the next command
    reads_pipe: bool = False  # its input comes from the one before
    redirects: tuple[tuple[str, str], ...] = ()  # (operator with its descriptor, target): ("2>", "/dev/null")
    inside: str = ""  # "", or what it stands in: "substitution" $(…), "condition" of an if or while, "function"

    @property
    def argv(self) -> tuple[str, ...]:
        """The words without `sudo`, `env`, `exec` and their like in front."""
        words = self.words
        while words and words[0] in _WRAPPERS:
            words = words[1:]
            while words and (words[0].startswith("-") or _ASSIGNMENT.fullmatch(words[0])):
                words = words[1:]
        return words

    @property
    def argv_spans(self) -> tuple[Span | None, ...]:
        """The spans of `argv`."""
        return self.spans[len(self.words) - len(self.argv) :]

    @property
    def program(self) -> str:
        """What it runs, without its folder; empty when there is nothing to run."""
        return self.argv[0].rpartition("/")[2] if self.argv else ""

    @property
    def arguments(self) -> tuple[str, ...]:
        """What the program is given."""
        return self.argv[1:]


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
                for command in commands(dockerfile, instruction):
                    yield Ran(command, instruction, stage)


def commands(dockerfile: Dockerfile, instruction: Instruction) -> tuple[Command, ...]:
    """Return the commands of an instruction in order. A here-document for a shell is read; for others it is not."""
    if instruction.json_form:
        return tuple(_nested(Command(words=instruction.words, line=instruction.line), _NESTING))
    body = instruction.heredocs[0].content if instruction.heredocs else None
    escape = dockerfile.directives.get("escape", "\\")
    return _read(dockerfile.text, instruction.line, instruction.end_line, escape, body)


@lru_cache(maxsize=4096)  # each rule asks again; a string's hash is kept with it, so a large text costs nothing here
def _read(text: str, line: int, end_line: int, escape: str, body: str | None) -> tuple[Command, ...]:
    header, starts, used = _header(_lines(text)[line - 1 : end_line], escape)
    found = tuple(_split(header, starts, line, _command_start(header)))
    last = found[-1] if found else None
    if body is None or not (last is None or _reads_standard_input(last)):
        return found
    return found[:-1] + _script(body, line + used)


def _reads_standard_input(command: Command) -> bool:
    return command.program in SHELLS and all(word.startswith("-") for word in command.arguments)


def split(script: str, line: int) -> tuple[Command, ...]:
    """Return the commands of a script whose first line is `line`."""
    starts = [0, *(found.end() for found in re.finditer("\n", script))]
    return tuple(_split(script, [(start, number) for number, start in enumerate(starts)], line, 0))


def _script(body: str, line: int) -> tuple[Command, ...]:
    shebang = re.match(r"#!\s*\S*?(\w+)(?:[ \t]+(\S+))?[ \t]*\r?\n", body)
    if shebang and shebang[1] not in SHELLS and not (shebang[1] == "env" and shebang[2] in SHELLS):
        return ()  # python, perl, …: not ours to read
    return split(body, line)


def _header(lines: list[str], escape: str) -> tuple[str, list[tuple[int, int]], int]:
    """Join the physical lines of an instruction: its text, (offset, line) pairs, and how many lines it took."""
    text, starts, used = "", [], 0
    for number, raw in enumerate(lines):
        used = number + 1
        stripped = raw.strip()
        if number and (stripped.startswith("#") or not stripped):
            continue  # Docker drops comments and empty lines inside a continuation
        starts.append((len(text), number))
        trimmed = raw.rstrip(" \t\r")
        if not trimmed.endswith(escape):
            text += trimmed
            break
        text += trimmed[:-1]
    return text, starts, used


def _command_start(header: str) -> int:
    """Where the command begins, after the keyword and flags like --mount=…."""
    keyword = _KEYWORD.match(header)
    position = keyword.end() if keyword else 0
    while flag := _FLAG.match(header, position):
        position = flag.end()
    return position


def _split(text: str, starts: list[tuple[int, int]], line: int, position: int) -> Iterator[Command]:
    offsets = [offset for offset, _ in starts]
    for start, words in _simple_commands(text, position):
        number = starts[bisect_right(offsets, start) - 1][1] if starts else 0
        command = _command(words, line + number)
        if command is not None:
            yield from _nested(command, _NESTING)


def _command(words: list[str], line: int) -> Command | None:
    while words and words[0] in _CONTROL:
        words = words[1:]
    if not words or words[0] in _HEADS:
        return None
    assignments = {}
    while words and (found := _ASSIGNMENT.fullmatch(words[0])):
        assignments[found[1]] = found[2]
        words = words[1:]
    return Command(words=tuple(words), line=line, assignments=assignments)


def _nested(command: Command, depth: int) -> Iterator[Command]:
    """`sh -c 'a && b'` is a and b; everything else is itself."""
    script = shell_script(command)
    if script is None or depth == 0:
        yield command
        return
    for _, words in _simple_commands(script, 0):
        inner = _command(words, command.line)
        if inner is not None:
            yield from _nested(inner, depth - 1)


def shell_script(command: Command) -> str | None:
    """Return the script that a command hands to a shell with -c, or None."""
    if command.program in SHELLS:
        for index, word in enumerate(command.arguments[:-1]):
            if re.fullmatch(r"-[a-z]*c", word):
                return command.arguments[index + 1]
            if not word.startswith(("-", "+")) and word != "pipefail":
                break
    return None


def _simple_commands(text: str, position: int) -> Iterator[tuple[int, list[str]]]:
    """Split a script at its operators: where each simple command starts, and its words."""
    words: list[str] = []
    word: list[str] | None = None
    start, target = position, False  # target: the next word is where a redirection goes
    index = position

    def end_word() -> None:
        nonlocal word, target
        if word is not None:
            if not target:
                words.append("".join(word))
            target = False
        word = None

    while index < len(text):
        char = text[index]
        if char in " \t\r":
            end_word()
        elif char == "#" and word is None:
            index = _find(text, "\n", index)
            continue
        elif char in "<>" or text.startswith("&>", index):
            if word is not None and "".join(word).isdigit():
                word = None  # the 2 of 2>
            end_word()
            index = _after_redirection(text, index)
            target = True
            continue
        elif char in "\n;&|()":
            end_word()
            target = False
            if words:
                yield start, words
            words = []
        else:
            if word is None:
                word = []
                start = start if words else index
            index = _part(text, index, word)
            continue
        index += 1
    end_word()
    if words:
        yield start, words


def _part(text: str, index: int, word: list[str]) -> int:
    """Read one character, quoted piece or substitution into `word`; return where to go on."""
    char = text[index]
    if char == "\\":
        if text[index + 1 : index + 2] != "\n":
            word.append(text[index + 1 : index + 2])
        return index + 2
    if char == "'":
        end = _find(text, "'", index + 1)
        word.append(text[index + 1 : end])
        return end + 1
    if char == '"':
        return _double_quoted(text, index + 1, word)
    if text.startswith(("$(", "${"), index):
        end = _matching(text, index + 1)
        word.append(text[index:end])
        return end
    if char == "`":
        end = _find(text, "`", index + 1) + 1
        word.append(text[index:end])
        return end
    word.append(char)
    return index + 1


def _double_quoted(text: str, index: int, word: list[str]) -> int:
    while index < len(text) and text[index] != '"':
        if text[index] == "\\" and text[index + 1 : index + 2] in ('"', "\\", "$", "`", "\n"):
            if text[index + 1] != "\n":
                word.append(text[index + 1])
            index += 2
        elif text.startswith(("$(", "${"), index):
            end = _matching(text, index + 1)
            word.append(text[index:end])
            index = end
        else:
            word.append(text[index])
            index += 1
    return index + 1


def _matching(text: str, index: int) -> int:
    """Return the position after the bracket that closes the one at `index`, quotes respected."""
    opening = text[index]
    closing = ")" if opening == "(" else "}"
    depth = 0
    while index < len(text):
        char = text[index]
        if char == "\\":
            index += 1
        elif char == "'" and opening == "(":
            index = _find(text, "'", index + 1)
        elif char == opening:
            depth += 1
        elif char == closing:
            depth -= 1
            if depth == 0:
                return index + 1
        index += 1
    return len(text)


def _after_redirection(text: str, index: int) -> int:
    while index < len(text) and text[index] in "<>&|-":
        index += 1
    return index


def _find(text: str, what: str, index: int) -> int:
    found = text.find(what, index)
    return len(text) if found < 0 else found


@lru_cache(maxsize=4)
def _lines(text: str) -> list[str]:
    return text.removeprefix("\ufeff").split("\n")
