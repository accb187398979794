"""A Dockerfile in, what its commands install with conda, mamba or micromamba out. Speaks to: the build context."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.analysis.installs.files import absolute, folder_of, text_of
from pipeline.analysis.installs.variables import Within, within
from pipeline.analysis.shell import Command
from pipeline.model import Context, Dockerfile, Instruction, Stage, once_per_file

_PROGRAMS = frozenset({"conda", "mamba", "micromamba"})
_VERBS = frozenset({"install", "create", "update", "upgrade"})
_VALUED = frozenset({
    "-n", "--name", "-p", "--prefix", "--solver", "--platform", "--repodata-fn", "--subdir", "--root-prefix", "-r",
    "--override-frozen", "--category", "--revision",
})  # fmt: skip
_SPEC = (
    r"(?:(?P<channel>[^\s:]+)::)?(?P<name>[\w.-]+)\s*(?:\[[^\]]*\])?"
    r"\s*(?:(?P<operator>[=<>!~]+)\s*(?P<version>[^\s=\[]+).*)?"
)


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


@once_per_file
def conda_installs(dockerfile: Dockerfile, stage: Stage) -> tuple[CondaInstall, ...]:
    """Return each install of a stage by conda, its variables put in."""
    found = (_install(one) for one in within(dockerfile, stage) if one.command.program in _PROGRAMS)
    return tuple(one for one in found if one is not None)


def environments(dockerfile: Dockerfile, context: Context, one: CondaInstall) -> Iterator[Environment]:
    """Yield the environment.yml files of an install that the build context brings."""
    folder = folder_of(dockerfile, one.stage, one.instruction)
    for file in one.files:
        found = text_of(dockerfile, context, one.stage, one.instruction, absolute(file, folder))
        if found is not None and file.endswith((".yml", ".yaml")):
            yield environment(found.text)
        elif found is not None:
            lines = (line.partition("#")[0].strip() for line in found.text.splitlines())
            yield Environment(tuple(_specs(line for line in lines if not line.startswith("@"))), ())


def environment(text: str) -> Environment:
    """Read an environment.yml; one that is none names nothing."""
    import yaml

    try:
        whole = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError):
        return Environment((), ())
    listed = whole.get("dependencies") if isinstance(whole, dict) else None
    entries = listed if isinstance(listed, list) else []
    below = [entry.get("pip") for entry in entries if isinstance(entry, dict)]
    pip = [one for names in below if isinstance(names, list) for one in names if isinstance(one, str)]
    return Environment(tuple(_specs(one for one in entries if isinstance(one, str))), tuple(pip))


def _install(one: Within) -> CondaInstall | None:
    words: list[str] = []
    channels: list[str] = []
    files: list[str] = []
    waiting = iter(one.words()[1:])
    for word in waiting:
        name, equals, value = word.partition("=")
        if name in ("-c", "--channel"):
            channels.append(value if equals else next(waiting, ""))
        elif name in ("-f", "--file"):
            files.append(value if equals else next(waiting, ""))
        elif name in _VALUED:
            value = value if equals else next(waiting, "")
        elif not word.startswith("-"):
            words.append(word)
    if words[:1] == ["env"]:
        words = words[1:]
    if not words or words[0] not in _VERBS:
        return None
    specs = tuple(_specs(words[1:]))
    return CondaInstall(specs, tuple(channels), tuple(files), one.instruction, one.command, one.stage)


def _specs(words: Iterator[str] | list[str]) -> Iterator[Spec]:
    for word in words:
        found = re.fullmatch(_SPEC, word) if len(word) < 500 else None
        if found:
            exact = found["operator"] in ("=", "==")
            yield Spec(found["name"].lower(), found["version"] if exact else None, found["channel"])
