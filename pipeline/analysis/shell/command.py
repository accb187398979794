"""The words of one simple command in, what it runs and with what out. Speaks to: nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from pipeline.model import Span

_NONE: Mapping[str, str] = MappingProxyType({})
SHELLS = frozenset({"sh", "bash", "ash", "dash", "zsh", "ksh"})
_ASSIGNMENT = r"[A-Za-z_]\w*\+?="
# Programs that run the command behind them → their options that take a word
_WRAPPERS: Mapping[str, frozenset[str]] = {
    "sudo": frozenset({"-u", "-g", "-h", "-p", "-C", "-T", "-U", "-D", "-R", "--user", "--group"}),
    "env": frozenset({"-u", "-C", "--unset", "--chdir"}),
    "exec": frozenset({"-a"}),
    "command": frozenset(),
    "builtin": frozenset(),
    "nohup": frozenset(),
    "time": frozenset({"-f", "-o"}),
    "nice": frozenset({"-n"}),
    "ionice": frozenset({"-c", "-n"}),
    "stdbuf": frozenset({"-i", "-o", "-e"}),
    "timeout": frozenset({"-k", "-s", "--kill-after", "--signal"}),
    "eatmydata": frozenset(),
    "gosu": frozenset(),
    "su-exec": frozenset(),
}
_OPERANDS = {"timeout": 1, "gosu": 1, "su-exec": 1}  # words of the wrapper's own before the command
_RUNNERS = frozenset({"conda", "mamba", "micromamba"})  # `conda run -n name command`
_RUNNER_OPTIONS = frozenset({"-n", "--name", "-p", "--prefix", "--cwd"})


class Command(NamedTuple):
    """One simple command; `command` makes one. `words` are as the shell would split them.

    Assignments and redirections are no words. Quotes are removed; what the shell would put in (`$X`, `$(…)`, `*`)
    stays as it is written.
    """

    words: tuple[str, ...]
    line: int
    argv: tuple[str, ...]  # the words without `sudo`, `env`, `exec` and their like in front
    program: str  # what it runs, without its folder; empty when there is nothing to run
    assignments: Mapping[str, str] = _NONE  # the `A=b` in front of it, or all there is
    spans: tuple[Span | None, ...] = ()  # of each word; None for one that the file does not hold as it stands
    span: Span | None = None  # of the whole command, its assignments and redirections too
    joined: str = ""  # the operator before it: && || ; | & or a newline; "" for the first of a list or a body
    piped: bool = False  # its output goes into the next command
    reads_pipe: bool = False  # its input comes from the one before
    redirects: tuple[tuple[str, str], ...] = ()  # (operator with its descriptor, target): ("2>", "/dev/null")
    inside: str = ""  # "", or what it stands in: "substitution" $(…), "condition" of an if or while, "function"

    @property
    def argv_spans(self) -> tuple[Span | None, ...]:
        """The spans of `argv`."""
        return self.spans[len(self.words) - len(self.argv) :]

    def span_at(self, index: int) -> Span | None:
        """The span of `argv[index]`; None where the file does not hold it as it stands."""
        at = len(self.words) - len(self.argv) + index
        return self.spans[at] if at < len(self.spans) else None

    @property
    def arguments(self) -> tuple[str, ...]:
        """What the program is given."""
        return self.argv[1:]


def command(words: tuple[str, ...], line: int, **more: Any) -> Command:
    """Make a command of its words; what it runs is worked out here, once, because every rule asks."""
    argv = _unwrapped(words)
    return Command(words, line, argv, argv[0].rpartition("/")[2] if argv else "", **more)


def shell_script(command: Command) -> str | None:
    """Return the script that a command hands to a shell with -c, or None."""
    at = script_at(command)
    return None if at is None else command.words[at]


def script_at(command: Command) -> int | None:
    """Which of the words is the script that a command hands to a shell with -c, or to another user with su."""
    known = command.program in SHELLS
    if not known and command.program != "su":
        return None
    arguments = command.arguments
    for index, word in enumerate(arguments[:-1]):
        if word == "--command" or re.fullmatch(r"-[a-zA-Z]*c", word):
            return len(command.words) - len(arguments) + index + 1
        if known and not word.startswith(("-", "+")) and not word.startswith(("pipefail", "errexit", "xtrace")):
            break
    return None


def reads_script(command: Command) -> bool:
    """Is it a shell that reads its commands from its input?"""
    return command.program in SHELLS and (
        all(word.startswith("-") for word in command.arguments) or "-s" in command.arguments
    )


def _unwrapped(words: tuple[str, ...]) -> tuple[str, ...]:
    while words:
        name = words[0].rpartition("/")[2]
        options = _WRAPPERS.get(name)
        operands = _OPERANDS.get(name, 0)
        at = 1
        if options is None:
            if name not in _RUNNERS or words[1:2] != ("run",):
                return words
            options, at = _RUNNER_OPTIONS, 2
        while at < len(words) and (words[at].startswith("-") or re.match(_ASSIGNMENT, words[at])):
            if name == "command" and words[at] in ("-v", "-V"):
                return words  # asks where a program is, runs nothing
            at += 2 if words[at] in options else 1
        words = words[at + operands :]
    return words
