"""A Dockerfile in, what its commands install out, with the lines. Speaks to: nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain

from pipeline import shell
from pipeline.model import Dockerfile, Instruction, Stage
from pipeline.pip import PipInstall, pip_install
from pipeline.shell import Command

_SYSTEM = {
    "apt-get": "install", "apt": "install", "aptitude": "install", "dnf": "install", "microdnf": "install",
    "yum": "install", "tdnf": "install", "zypper": "install", "apk": "add",
}  # fmt: skip
_REMOVE = frozenset({"remove", "purge", "autoremove", "erase", "del"})
_TAKES_VALUE = frozenset({"-t", "--target-release", "--default-release", "-o", "--option", "-c", "--repository"})
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::?-([^${}]*))?\})")


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemInstall:
    """One `apt-get install` or its like: the packages without versions, and where."""

    packages: tuple[str, ...]
    line: int
    stage: Stage


def runs(stage: Stage) -> Iterator[Instruction]:
    """The RUN instructions of a stage."""
    return (instruction for instruction in stage.instructions if instruction.keyword == "RUN")


def system_installs(dockerfile: Dockerfile) -> Iterator[SystemInstall]:
    """Yield what the shipped stages install with a system package manager and do not remove in the same RUN."""
    for stage in dockerfile.shipped():
        for instruction in runs(stage):
            found = shell.commands(dockerfile, instruction)
            removed = [name for command in found for name in _packages(command, _REMOVE)]
            for command in found:
                wanted = _SYSTEM.get(command.program)
                names = (
                    name
                    for word in _packages(command, frozenset({wanted or ""}))
                    for name in substituted(word, stage).split()
                )
                kept = tuple(
                    name
                    for name in (_package_name(name) for name in names)
                    if not any(fnmatchcase(name, pattern) for pattern in removed)
                )
                if kept:
                    yield SystemInstall(packages=kept, line=command.line, stage=stage)


def substituted(word: str, stage: Stage) -> str:
    """Return a shell word with the stage's ENV and ARG values; what has none stays as written."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        for values in (stage.environment, stage.arguments):
            if values.get(name):
                return values[name]
        return match[3] if match[3] is not None else match[0]

    return _VARIABLE.sub(value, word)


def pip_installs(dockerfile: Dockerfile, stage: Stage) -> Iterator[tuple[Instruction, Command, PipInstall]]:
    """Yield each `pip install` and `uv pip install` of a stage, its variables substituted."""
    for instruction in runs(stage):
        for command in shell.commands(dockerfile, instruction):
            words = (substituted(word, stage).split() if "$" in word else [word] for word in command.argv)
            install = pip_install(tuple(chain.from_iterable(words)))
            if install is not None:
                yield instruction, command, install


def exported(dockerfile: Dockerfile, instruction: Instruction) -> Mapping[str, str]:
    """Variables that a RUN exports for the commands after."""
    words = (
        word
        for command in shell.commands(dockerfile, instruction)
        if command.program == "export"
        for word in command.arguments
    )
    return dict(word.split("=", 1) for word in words if "=" in word)


def _packages(command: Command, verbs: frozenset[str]) -> Iterator[str]:
    """The package words of `apt-get install …`; nothing when the command is another one."""
    if command.program not in _SYSTEM:
        return
    words = iter(command.arguments)
    for word in words:
        if word in _TAKES_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            if word not in verbs:
                return
            break
    for word in words:
        if word in _TAKES_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            yield word


def _package_name(word: str) -> str:
    """`cuda-nvcc-12-4=12.4.131-1` and `cuda-nvcc-12-4:amd64` are cuda-nvcc-12-4."""
    return re.split(r"[=:/~<>]", word, maxsplit=1)[0]
