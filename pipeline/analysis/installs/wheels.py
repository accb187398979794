"""One install of a stage in, the wheels that it brings as its requirement and lock files tell out.

Speaks to: the build context, through `files`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Iterator

from pipeline.analysis.installs.files import Found, beside, text_of
from pipeline.analysis.installs.python import ProjectInstall, PythonInstall
from pipeline.analysis.paths import absolute
from pipeline.analysis.pip import Wheel, wheel_of, wheels_of
from pipeline.analysis.requirements import nested_files
from pipeline.analysis.variables import runs
from pipeline.analysis.walk import working_folder
from pipeline.model import Context, Dockerfile, Stage

SITE_FOLDERS = ("/usr/local/lib/python3", "/usr/lib/python3", "/opt/conda", "/root/.local")
_MOST_FILES = 50  # requirement files that name each other
_LOCKS = {"uv": "uv.lock", "poetry": "poetry.lock", "pdm": "pdm.lock", "pipenv": "Pipfile.lock"}


def from_pip(dockerfile: Dockerfile, context: Context, stage: Stage, one: PythonInstall) -> Iterator[Wheel]:
    """Yield what a `pip install` brings, its requirement files, constraints and local projects read."""
    install = one.install
    folder = working_folder(dockerfile, stage, one.instruction)

    def read(path: str) -> Found | None:
        return text_of(dockerfile, context, stage, one.instruction, absolute(path, folder))

    files: list[str] = []
    constraints: list[str] = []
    waiting = [(read(name), False) for name in install.requirement_files]
    named = [install.options.get(option) for option in ("-c", "--constraint", "--constraints")]
    waiting += [(read(name), True) for name in (*named, one.settings.get("PIP_CONSTRAINT")) if name]
    seen: set[str] = set()
    while waiting and len(seen) < _MOST_FILES:
        found, limits = waiting.pop(0)
        if found is None or (found.path and found.path in seen):
            continue
        seen.add(found.path or f" {len(seen)}")
        (constraints if limits else files).append(found.text)
        waiting += [
            (beside(dockerfile, context, found, name), limits or only) for name, only in nested_files(found.text)
        ]
    yield from wheels_of(install, files, one.settings, constraints)
    for word in install.requirements:
        place, _, extras = word.rstrip("]").partition("[")
        if place.startswith((".", "/")) and not place.endswith((".whl", ".gz", ".zip")):
            yield from _of_project(read, place, extras.split(",") if extras else ())


def from_project(dockerfile: Dockerfile, context: Context, stage: Stage, one: ProjectInstall) -> Iterator[Wheel]:
    """Yield what `uv sync` or its like brings: by the lock file; without one, by what the project asks for."""
    from pipeline.analysis import locks

    folder = _folder(dockerfile, stage, one)

    def read(name: str) -> Found | None:
        return text_of(dockerfile, context, stage, one.instruction, absolute(name, folder))

    if one.only and not one.only & {"main", "default"}:
        return
    lock = read(_LOCKS[one.tool])
    if lock is None:
        if one.tool != "pipenv":
            yield from _of_project(read, ".", one.extras, one.tool, one.left_out)
        return
    if one.tool == "uv":
        found = locks.uv_lock(lock.text, one.extras)
    else:
        found = locks.pipfile_lock(lock.text) if one.tool == "pipenv" else locks.poetry_lock(lock.text)
    for package in found:
        wheel = wheel_of(f"{package.name}=={package.version}", package.source)
        if wheel is not None and package.name not in one.left_out:
            yield wheel


def project_places(dockerfile: Dockerfile, stage: Stage, one: ProjectInstall) -> tuple[str, ...]:
    """Where a project's install puts its wheels, as far as the words and variables tell."""
    folder = _folder(dockerfile, stage, one)
    active = one.settings.get("VIRTUAL_ENV")
    if one.tool == "uv":
        return (absolute(one.settings.get("UV_PROJECT_ENVIRONMENT") or ".venv", folder),)
    if active:
        return (absolute(active, folder),)
    if one.tool == "pipenv" and "--system" in one.command.words:
        return SITE_FOLDERS
    if one.tool == "poetry" and _without_environment(dockerfile, stage, one):
        return SITE_FOLDERS
    kept = {"poetry": "/root/.cache/pypoetry", "pipenv": "/root/.local/share/virtualenvs"}.get(one.tool)
    return (absolute(".venv", folder), *((kept,) if kept else ()))


def _without_environment(dockerfile: Dockerfile, stage: Stage, one: ProjectInstall) -> bool:
    if one.settings.get("POETRY_VIRTUALENVS_CREATE", "").lower() in ("false", "0"):
        return True
    return any("virtualenvs.create false" in instruction.original for instruction in runs(dockerfile, stage))


def _folder(dockerfile: Dockerfile, stage: Stage, one: ProjectInstall) -> str:
    return absolute(one.folder or ".", working_folder(dockerfile, stage, one.instruction))


def _of_project(
    read: Callable[[str], Found | None],
    place: str,
    extras: Collection[str] | None,
    tool: str = "pip",
    left_out: Collection[str] = (),
) -> Iterator[Wheel]:
    """What the pyproject.toml of a folder asks for."""
    from pipeline.analysis import locks

    found = read(posixpath.join(place, "pyproject.toml"))
    for requirement, index in locks.project(found.text, extras, tool) if found else ():
        wheel = wheel_of(requirement, index)
        if wheel is not None and wheel.name not in left_out:
            yield wheel
