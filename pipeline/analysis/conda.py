"""A Dockerfile in, the CUDA that conda puts into the shipped image out. Speaks to: the build context."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from packaging.version import Version

from pipeline.analysis.installs.conda import Spec, conda_installs, environments
from pipeline.model import Context, Dockerfile

# Packages that bring CUDA's libraries; `cuda-version` and `cuda-nvcc` alone do not.
_BRINGS = frozenset({"cudatoolkit", "pytorch-cuda", "cuda", "cuda-toolkit", "cuda-runtime", "cuda-libraries"})


class CondaCuda(NamedTuple):
    """A conda package that brings CUDA's libraries; `cuda` is None when the command does not say which."""

    name: str
    cuda: Version | None
    line: int
    stage: str


def conda_cuda(dockerfile: Dockerfile, context: Context | None = None) -> tuple[CondaCuda, ...]:
    """Return what the shipped stages install, by line; with the context, by their environment.yml files too."""
    key = ("conda cuda", context.folder if context else None)
    if key not in dockerfile.memo:
        found = _found(dockerfile, context) if "conda" in dockerfile.text or "mamba" in dockerfile.text else ()
        dockerfile.memo[key] = tuple(sorted(found, key=lambda one: one.line))
    kept: tuple[CondaCuda, ...] = dockerfile.memo[key]
    return kept


def _found(dockerfile: Dockerfile, context: Context | None) -> Iterator[CondaCuda]:
    for stage in dockerfile.shipped():
        for one in conda_installs(dockerfile, stage):
            specs: list[Spec] = list(one.specs)
            if context is not None and one.files:
                specs += [spec for file in environments(dockerfile, context, one) for spec in file.specs]
            for spec in specs:
                if spec.name in _BRINGS:
                    yield CondaCuda(spec.name, _version(spec.version), one.command.line, stage.label)


def _version(written: str | None) -> Version | None:
    """`12.1.*` and `12.1.105` are 12.1."""
    found = re.match(r"\d{1,2}(?:\.\d{1,2})?(?![\d])", written or "")
    return Version(found[0]) if found else None
