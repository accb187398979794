"""A Dockerfile in, what its commands install with conda, mamba or micromamba out. Speaks to: the build context.

`conda_installs` are the commands, `environments` the files that they name, `conda_cuda` what of both brings CUDA.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from packaging.version import Version

from pipeline.analysis.calls import read_words
from pipeline.analysis.installs.files import text_of
from pipeline.analysis.paths import absolute
from pipeline.analysis.shell import Command
from pipeline.analysis.variables import Within, within
from pipeline.analysis.walk import working_folder
from pipeline.model import Context, Dockerfile, Instruction, Stage, once_per_file

_PROGRAMS = frozenset({"conda", "mamba", "micromamba"})
_VERBS = frozenset({"install", "create", "update", "upgrade"})
_SPEC = (
    r"(?:(?P<channel>[^\s:]+)::)?(?P<name>[\w.-]+)\s*(?:\[[^\]]*\])?"
    r"\s*(?:(?P<operator>[=<>!~]+)\s*(?P<version>[^\s=\[]+).*)?"
)

# Packages that bring CUDA's libraries; `cuda-version` and `cuda-nvcc` alone do not.
_BRINGS_CUDA = frozenset({"cudatoolkit", "pytorch-cuda", "cuda", "cuda-toolkit", "cuda-runtime", "cuda-libraries"})


class Spec(NamedTuple):
    """One package that conda is asked for. `version` is as it is written behind =, with `*`; None for a range."""

    name: str
    version: str | None
    channel: str | None


class CondaInstall(NamedTuple):
    """One `conda install` or its like: the packages, where they come from, the files that name more."""

    specs: tuple[Spec, ...]
    channels: tuple[str, ...]
    files: tuple[str, ...]
    instruction: Instruction
    command: Command
    stage: Stage


class Environment(NamedTuple):
    """What an environment.yml names: for conda, and for pip."""

    specs: tuple[Spec, ...]
    requirements: tuple[str, ...]


class CondaCuda(NamedTuple):
    """A conda package that brings CUDA's libraries; `cuda` is None when the command does not say which."""

    name: str
    cuda: Version | None
    line: int
    stage: str


@once_per_file
def conda_installs(dockerfile: Dockerfile, stage: Stage) -> tuple[CondaInstall, ...]:
    """Return each install of a stage by conda, its variables put in."""
    found = (_install(one) for one in within(dockerfile, stage) if one.command.program in _PROGRAMS)
    return tuple(one for one in found if one is not None)


def environments(dockerfile: Dockerfile, context: Context, one: CondaInstall) -> Iterator[Environment]:
    """Yield the environment.yml files of an install that the build context brings."""
    folder = working_folder(dockerfile, one.stage, one.instruction)
    for file in one.files:
        found = text_of(dockerfile, context, one.stage, one.instruction, absolute(file, folder))
        if found is not None and file.endswith((".yml", ".yaml")):
            yield environment(found.text)
        elif found is not None:
            lines = (line.partition("#")[0].strip() for line in found.text.splitlines())
            yield Environment(tuple(_specs(line for line in lines if not line.startswith("@"))), ())


def conda_cuda(dockerfile: Dockerfile, context: Context | None = None) -> tuple[CondaCuda, ...]:
    """Return what the shipped stages install, by line; with the context, by their environment.yml files too."""
    key = ("conda cuda", context.folder if context else None)
    if key not in dockerfile.memo:
        found = _cuda(dockerfile, context) if "conda" in dockerfile.text or "mamba" in dockerfile.text else ()
        dockerfile.memo[key] = tuple(sorted(found, key=lambda one: one.line))
    kept: tuple[CondaCuda, ...] = dockerfile.memo[key]
    return kept


def _cuda(dockerfile: Dockerfile, context: Context | None) -> Iterator[CondaCuda]:
    for stage in dockerfile.shipped():
        for one in conda_installs(dockerfile, stage):
            specs = list(one.specs)
            if context is not None and one.files:
                specs += [spec for file in environments(dockerfile, context, one) for spec in file.specs]
            for spec in specs:
                if spec.name in _BRINGS_CUDA:
                    yield CondaCuda(spec.name, _version(spec.version), one.command.line, stage.label)


def _version(written: str | None) -> Version | None:
    """`12.1.*` and `12.1.105` are 12.1."""
    found = re.match(r"\d{1,2}(?:\.\d{1,2})?(?![\d])", written or "")
    return Version(found[0]) if found else None


def environment(text: str) -> Environment:
    """Read an environment.yml; one that is none names nothing."""
    import yaml

    try:
        whole = yaml.safe_load(text)  # not libyaml's: it ends the whole program when its stack is full
    except (yaml.YAMLError, ValueError, RecursionError):
        return Environment((), ())
    listed = whole.get("dependencies") if isinstance(whole, dict) else None
    entries = listed if isinstance(listed, list) else []
    below = [entry.get("pip") for entry in entries if isinstance(entry, dict)]
    pip = [one for names in below if isinstance(names, list) for one in names if isinstance(one, str)]
    return Environment(tuple(_specs(one for one in entries if isinstance(one, str))), tuple(pip))


def _install(one: Within) -> CondaInstall | None:
    call = read_words(one.words())
    words = [word for _, word in call.words]
    if words[:1] == ["env"]:
        words = words[1:]
    if not words or words[0] not in _VERBS:
        return None
    specs = tuple(_specs(words[1:]))
    channels, files = call.values("-c", "--channel"), call.values("-f", "--file")
    return CondaInstall(specs, channels, files, one.instruction, one.command, one.stage)


def _specs(words: Iterator[str] | list[str]) -> Iterator[Spec]:
    for word in words:
        found = re.fullmatch(_SPEC, word) if len(word) < 500 else None
        if found:
            exact = found["operator"] in ("=", "==")
            yield Spec(found["name"].lower(), found["version"] if exact else None, found["channel"])
