"""The command line as a program: `seatrial` for any repository, and what `./inv` starts in this one.

Invoke knows no task that takes any number of words. Here `lint A B` reads as `lint --path A --path B`: bare words
after a task belong to its first repeatable argument.
"""

from __future__ import annotations

import copy
import difflib
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from invoke import Collection, Exit, ParseError, Program, Task


class Seatrial(Program):
    """Invoke's program, with repeatable positional arguments."""

    def parse_tasks(self) -> None:
        """Spread bare words before Invoke sees them, and let --help win over a word that a task still waits for."""
        words = list(self.core.unparsed)
        asked = self._asked_for_help(words)
        self.core.unparsed = [] if asked else list(spread(words, self.collection))
        try:
            super().parse_tasks()
        except ParseError as error:
            raise ParseError(f"{error}\n  try: {self._suggestion(words)}", getattr(error, "context", None)) from None
        if asked:
            self.args.help.value = asked
        elif not self.tasks and not self.core_via_tasks_said():
            self.list_tasks()
            raise Exit

    def core_via_tasks_said(self) -> bool:
        """Whether a core option such as --version or --list was given: then there is something to do."""
        return any(argument.got_value for argument in self.core[0].args.values() if argument.name != "search-root")

    def _suggestion(self, words: Sequence[str]) -> str:
        """The task or flag that somebody may have meant."""
        known = [*self.collection.task_names]
        for name in [word for word in words if word in known]:
            known += sorted(_arguments(self.collection[name])[2])
        for word in words:
            near = difflib.get_close_matches(word, known, n=1)
            if word not in known and near:
                return f"did you mean `{near[0]}`?"
        return f"`{self.binary} --list` shows every task, `{self.binary} TASK --help` its options"

    def _asked_for_help(self, words: Sequence[str]) -> str | None:
        """The task before a --help."""
        before = words[: next((at for at, word in enumerate(words) if word in ("--help", "-h")), 0)]
        return next((word for word in reversed(before) if word in self.collection.task_names), None)


def spread(words: Sequence[str], tasks: Collection) -> Iterator[str]:
    """The words with each bare one after a task that has a repeatable argument turned into that argument."""
    repeatable: str | None = None
    valued: set[str] = set()
    waiting = False  # the word before is a flag that takes this one
    for word in words:
        is_task = word in tasks.task_names
        if waiting or word.startswith("-"):
            waiting = not waiting and word in valued
            yield word
        elif is_task and not (repeatable == "path" and Path(word).exists()):
            repeatable, valued, _ = _arguments(tasks[word])
            yield word
        elif repeatable is not None:
            yield from (f"--{repeatable}", word)
        else:
            yield word


def _arguments(task: Task) -> tuple[str | None, set[str], set[str]]:  # type: ignore[type-arg]  # whatever it wraps
    """A task's repeatable positional argument, every flag that takes a value, and every flag."""
    asked = copy.copy(task)
    asked.help = dict(task.help)  # Invoke empties it while it answers
    arguments = asked.get_arguments()
    flags = {f"{'-' if len(name) == 1 else '--'}{name}" for one in arguments for name in one.names}
    valued = {
        f"{'-' if len(name) == 1 else '--'}{name}" for one in arguments if one.takes_value for name in one.names
    }
    wanted = next((name for name in task.iterable if name in (task.positional or ())), None)
    return wanted, valued, flags


def main(name: str) -> None:
    """Run `seatrial TASK …` with the product's tasks, or `inv TASK …` with those of this repository's tasks.py."""
    namespace = None
    if name == "seatrial":
        from pipeline import tasks

        namespace = Collection.from_module(tasks)
    try:
        Seatrial(name=name, binary=name, version=version("seatrial"), namespace=namespace).run()
    except BrokenPipeError:  # the reader of our stdout, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
