"""A Dockerfile in, what its commands install with the system's package manager out. Speaks to: nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import groupby
from typing import NamedTuple

from pipeline.analysis.calls import APT, DNF, read_words
from pipeline.analysis.shell import Command
from pipeline.analysis.variables import Within, within
from pipeline.model import Dockerfile, Stage, once_per_file

_INSTALL = {**dict.fromkeys((*APT, *DNF, "zypper"), "install"), "apk": "add"}
_REMOVE = frozenset({"remove", "purge", "autoremove", "erase", "del"})


class SystemInstall(NamedTuple):
    """One `apt-get install` or its like: the packages without versions, and where."""

    packages: tuple[str, ...]
    command: Command
    stage: Stage


@once_per_file
def system_installs(dockerfile: Dockerfile) -> tuple[SystemInstall, ...]:
    """Return what the shipped stages install and do not remove in the same RUN, the final stage's first."""
    return tuple(found for stage in dockerfile.shipped() for found in _installs(dockerfile, stage))


def _installs(dockerfile: Dockerfile, stage: Stage) -> Iterator[SystemInstall]:
    managers = (one for one in within(dockerfile, stage) if one.command.program in _INSTALL)
    for _, of_run in groupby(managers, key=lambda one: id(one.instruction)):
        yield from _of_run(tuple(of_run))


def _of_run(commands: tuple[Within, ...]) -> Iterator[SystemInstall]:
    calls = [(one, read_words(one.words())) for one in commands]
    removed = {_name(word) for _, call in calls if call.verb in _REMOVE for word in call.operands}
    patterns = [name for name in removed if "*" in name or "?" in name]
    for one, call in calls:
        if call.verb == _INSTALL[one.command.program]:
            names = [_name(word) for word in call.operands]
            kept = [
                name
                for name in names
                if name not in removed and not any(fnmatchcase(name, pattern) for pattern in patterns)
            ]
            if kept:
                yield SystemInstall(tuple(kept), one.command, one.stage)


def _name(word: str) -> str:
    """`cuda-nvcc-12-4=12.4.131-1` and `cuda-nvcc-12-4:amd64` are cuda-nvcc-12-4."""
    return re.split(r"[=:/~<>]", word, maxsplit=1)[0]
