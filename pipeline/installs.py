"""A Dockerfile in, what its commands install out, with the lines. Speaks to: nothing."""

from __future__ import annotations

import re
from collections import ChainMap
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonInstall:
    """One `pip install`, and the variables that it sees."""

    instruction: Instruction
    command: Command
    install: PipInstall
    settings: Mapping[str, str]


def runs(stage: Stage) -> Iterator[Instruction]:
    """The RUN instructions of a stage."""
    return (instruction for instruction in stage.instructions if instruction.keyword == "RUN")


def system_installs(dockerfile: Dockerfile) -> Iterator[SystemInstall]:
    """Yield what the shipped stages install with a system package manager and do not remove in the same RUN."""
    for stage in dockerfile.shipped():
        for instruction in runs(stage):
            found = shell.commands(dockerfile, instruction)
            removed = {name for command in found for name in _packages(command, _REMOVE)}
            patterns = [name for name in removed if "*" in name or "?" in name]
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
                    if name not in removed and not any(fnmatchcase(name, pattern) for pattern in patterns)
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


def pip_installs(dockerfile: Dockerfile, stage: Stage) -> Iterator[PythonInstall]:
    """Yield each `pip install` and `uv pip install` of a stage, its variables substituted."""
    for instruction in runs(stage):
        found = shell.commands(dockerfile, instruction)
        exports = [word for command in found if command.program == "export" for word in command.arguments]
        settings = {**stage.arguments, **stage.environment}
        settings.update((name, value) for name, equals, value in (word.partition("=") for word in exports) if equals)
        for command in found:
            words = (substituted(word, stage).split() if "$" in word else [word] for word in command.argv)
            install = pip_install(tuple(chain.from_iterable(words)))
            if install is not None:
                known = ChainMap(dict(command.assignments), settings)
                yield PythonInstall(instruction=instruction, command=command, install=install, settings=known)


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
