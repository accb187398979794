"""A Dockerfile in, the CUDA that conda puts into the shipped image out. Speaks to: the build context."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from packaging.version import Version

from pipeline import shell
from pipeline.installs import substituted
from pipeline.model import Dockerfile, once_per_file

_PROGRAMS = frozenset({"conda", "mamba", "micromamba", "miniconda"})
_VERBS = frozenset({"install", "create", "update"})
# Packages that bring CUDA's libraries; `cuda-version` and `cuda-nvcc` alone do not.
_PACKAGE = (
    r"(?:[\w./-]+::)?(cudatoolkit|pytorch-cuda|cuda|cuda-toolkit|cuda-runtime|cuda-libraries)"
    r"(?:[=<>~]+(\d{1,2}(?:\.\d{1,2})?)(?:[.*][\d.*]*)?)?"
)


class CondaCuda(NamedTuple):
    """A conda package that brings CUDA's libraries; `cuda` is None when the command does not say which."""

    name: str
    cuda: Version | None
    line: int
    stage: str


@once_per_file
def conda_cuda(dockerfile: Dockerfile) -> tuple[CondaCuda, ...]:
    """Return what the shipped stages install, by line."""
    if "cuda" not in dockerfile.text:
        return ()
    return tuple(sorted(_found(dockerfile), key=lambda one: one.line))


def _found(dockerfile: Dockerfile) -> Iterator[CondaCuda]:
    for command, _, stage in shell.shipped(dockerfile):
        if command.program not in _PROGRAMS or not _VERBS & set(command.arguments[:3]):
            continue
        for word in command.arguments:
            found = re.fullmatch(_PACKAGE, substituted(word, stage))
            if found:
                yield CondaCuda(found[1], Version(found[2]) if found[2] else None, command.line, stage.label)
