"""A Dockerfile in, what its commands install of Python packages out. Speaks to: nothing.

`pip_installs` are the commands that name packages or requirement files, `project_installs` those that install a
project by its lock file: uv sync, poetry, pdm, pipenv.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from pipeline.analysis.pip import PipInstall, pip_install
from pipeline.analysis.shell import Command, Ran
from pipeline.analysis.variables import Within, within
from pipeline.model import Dockerfile, Instruction, Stage, once_per_file

_PIP = r"pip[\d.]*|pipx|uv|(?:python|pypy)[\d.]*|\$.*"
_PROJECT: Mapping[str, frozenset[str]] = {
    "uv": frozenset({"sync"}),
    "poetry": frozenset({"install", "sync"}),
    "pdm": frozenset({"install", "sync"}),
    "pipenv": frozenset({"install", "sync"}),
}
_EXTRAS = frozenset({"--extra", "--extras", "-E"})
_FOLDERS = frozenset({"--project", "--directory", "-C", "-p", "-P"})


class PythonInstall(NamedTuple):
    """One `pip install`, and the variables that it sees."""

    instruction: Instruction
    command: Command
    stage: Stage
    install: PipInstall
    settings: Mapping[str, str]

    @property
    def ran(self) -> Ran:
        """The command and where it stands."""
        return Ran(self.command, self.instruction, self.stage)


class ProjectInstall(NamedTuple):
    """One `uv sync` or its like. Which versions come is for the lock file in its folder to say."""

    instruction: Instruction
    command: Command
    tool: str  # uv, poetry, pdm, pipenv
    folder: str | None  # --project or --directory; None: where it runs
    extras: frozenset[str] | None  # None: all of them
    left_out: frozenset[str]  # --no-install-package torch
    only: frozenset[str]  # --only dev: these groups; the project's own dependencies are called main
    settings: Mapping[str, str]


@once_per_file
def pip_installs(dockerfile: Dockerfile, stage: Stage) -> tuple[PythonInstall, ...]:
    """Return each install of a stage by pip, pipx or uv (`uv pip`, `uv add`, `uv tool`), its variables put in."""
    found = []
    for one in within(dockerfile, stage):
        if re.fullmatch(_PIP, one.command.program):
            install = pip_install(one.words())
            if install is not None:
                found.append(PythonInstall(one.instruction, one.command, stage, install, one.settings()))
    return tuple(found)


@once_per_file
def all_pip_installs(dockerfile: Dockerfile) -> tuple[PythonInstall, ...]:
    """Return the same of every stage that the target needs, in the order of the file."""
    if "pip" not in dockerfile.text and "uv" not in dockerfile.text:
        return ()
    needed = (stage for stage in dockerfile.stages if stage.needed)
    return tuple(one for stage in needed for one in pip_installs(dockerfile, stage))


@once_per_file
def project_installs(dockerfile: Dockerfile, stage: Stage) -> tuple[ProjectInstall, ...]:
    """Return each install of a stage that follows a project's lock file."""
    found = (_project(one) for one in within(dockerfile, stage) if one.command.program in _PROJECT)
    return tuple(one for one in found if one is not None)


def _project(one: Within) -> ProjectInstall | None:
    words = one.words()
    tool = one.command.program
    folder: str | None = None
    extras: set[str] = set()
    left_out: set[str] = set()
    only: set[str] = set()
    verb, everything = "", False
    waiting = iter(words[1:])
    for word in waiting:
        name, equals, value = word.partition("=")
        if name in _EXTRAS or name in _FOLDERS or name in ("--no-install-package", "--only", "--only-group"):
            value = value if equals else next(waiting, "")
            if name in _EXTRAS:
                extras.update(re.split(r"[\s,]+", value.strip()))
            elif name in _FOLDERS:
                folder = value
            elif name == "--no-install-package":
                left_out.add(value)
            else:
                only.update(value.split(","))
        elif word in ("--all-extras", "--only-dev"):
            everything = everything or word == "--all-extras"
            only.update({"dev"} if word == "--only-dev" else ())
        elif not word.startswith("-"):
            if not verb and word not in _PROJECT[tool]:
                return None
            if verb and tool == "pipenv":
                return None  # `pipenv install requests` adds to a project
            verb = verb or word
    if not verb or "--dry-run" in words:
        return None
    return ProjectInstall(one.instruction, one.command, tool, folder, None if everything else frozenset(extras),
                          frozenset(left_out), frozenset(only), one.settings())  # fmt: skip
