"""A Dockerfile in, what its commands install with the system's package manager out. Speaks to: nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from itertools import groupby
from typing import NamedTuple

from pipeline.analysis.installs.variables import Within, within
from pipeline.analysis.shell import Command
from pipeline.model import Dockerfile, Instruction, Stage, once_per_file

_INSTALL = {
    "apt-get": "install", "apt": "install", "aptitude": "install", "dnf": "install", "microdnf": "install",
    "yum": "install", "tdnf": "install", "zypper": "install", "apk": "add",
}  # fmt: skip
_REMOVE = frozenset({"remove", "purge", "autoremove", "erase", "del"})
_TAKES_VALUE = frozenset({
    "-t", "--target-release", "--default-release", "-o", "--option", "-c", "--repository", "-X", "--virtual",
    "--enablerepo", "--disablerepo", "--repo", "--from", "--releasever", "--installroot", "--setopt", "-p", "--root",
    "--keys-dir", "--repositories-file", "--exclude",
})  # fmt: skip
_REPOSITORY = frozenset({
    "-t", "--target-release", "--default-release", "--repository", "-X", "--enablerepo", "--repo", "--from"
})  # fmt: skip


class SystemInstall(NamedTuple):
    """One `apt-get install` or its like: the packages without versions, and where."""

    packages: tuple[str, ...]
    line: int
    stage: Stage
    program: str
    versions: Mapping[str, str]  # of the packages that name one: `1.2-*`, as it is written after = or ~
    options: tuple[str, ...]  # as they are written, `-y`
    repositories: tuple[str, ...]  # the values of -t, --repository, --enablerepo and their like
    instruction: Instruction
    command: Command


@once_per_file
def system_installs(dockerfile: Dockerfile) -> tuple[SystemInstall, ...]:
    """Return what the shipped stages install and do not remove in the same RUN, the final stage's first."""
    return tuple(found for stage in dockerfile.shipped() for found in _installs(dockerfile, stage))


@once_per_file
def all_system_installs(dockerfile: Dockerfile) -> tuple[SystemInstall, ...]:
    """Return what the stages that the target needs install and do not remove in the same RUN, as the file has it."""
    return tuple(found for stage in dockerfile.stages if stage.needed for found in _installs(dockerfile, stage))


@once_per_file
def _installs(dockerfile: Dockerfile, stage: Stage) -> tuple[SystemInstall, ...]:
    managers = (one for one in within(dockerfile, stage) if one.command.program in _INSTALL)
    return tuple(
        found for _, group in groupby(managers, key=lambda one: id(one.instruction)) for found in _run(group)
    )


def _run(commands: Iterator[Within]) -> Iterator[SystemInstall]:
    found = [(one, one.words()) for one in commands]
    removed = {_name(word) for _, words in found for word in _split(words, _REMOVE)[0]}
    patterns = [name for name in removed if "*" in name or "?" in name]
    for one, words in found:
        packages, options, repositories = _split(words, frozenset({_INSTALL[one.command.program]}))
        versions, kept = {}, []
        for word in packages:
            name = _name(word)
            if name in removed or any(fnmatchcase(name, pattern) for pattern in patterns):
                continue
            kept.append(name)
            version = re.search(r"[=~<>]+(.+)", word)
            if version:
                versions[name] = version[1]
        if kept:
            yield SystemInstall(tuple(kept), one.command.line, one.stage, one.command.program, versions, options,
                                repositories, one.instruction, one.command)  # fmt: skip


def _split(words: tuple[str, ...], verbs: frozenset[str]) -> tuple[list[str], tuple[str, ...], tuple[str, ...]]:
    """The packages, the options and the repositories of `apt-get install …`; nothing of another command."""
    packages: list[str] = []
    options: list[str] = []
    repositories: list[str] = []
    verb = False
    waiting = iter(words[1:])
    for word in waiting:
        if word.startswith("-"):
            options.append(word)
            name, equals, value = word.partition("=")
            if name in _TAKES_VALUE and not equals:
                value = next(waiting, "")
            if name in _REPOSITORY:
                repositories.append(value)
        elif verb:
            packages.append(word)
        elif word in verbs:
            verb = True
        else:
            return [], (), ()
    return packages, tuple(options), tuple(repositories)


def _name(word: str) -> str:
    """`cuda-nvcc-12-4=12.4.131-1` and `cuda-nvcc-12-4:amd64` are cuda-nvcc-12-4."""
    return re.split(r"[=:/~<>]", word, maxsplit=1)[0]
