"""A Dockerfile in, the Python wheels that reach the shipped image out. Speaks to: the build context.

What the shipped stages install counts, and what they copy out of the environments of build stages. Requirement and
lock files are read where a COPY or a mount brings them from the build context; nothing outside it is opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from pipeline.analysis import shell
from pipeline.analysis.installs import PythonInstall, pip_installs, project_installs
from pipeline.analysis.installs.conda import conda_installs, environments
from pipeline.analysis.installs.wheels import SITE_FOLDERS, from_pip, from_project, project_places
from pipeline.analysis.paths import absolute
from pipeline.analysis.pip import Wheel, wheel_of
from pipeline.analysis.variables import runs, substituted
from pipeline.analysis.walk import copied_from, stage_named, working_folder
from pipeline.model import Context, Dockerfile, Stage


def shipped_wheels(dockerfile: Dockerfile, context: Context) -> tuple[Wheel, ...]:
    """Return the wheels that have to do with CUDA, as far as the files tell, by line."""
    found: dict[tuple[int, str], Wheel] = {}
    search = _Search(dockerfile, context)
    for stage in dockerfile.shipped():
        wheels = list(search.installed(stage, None))
        for source, paths in search.copies(stage):
            wheels += search.copied(source, paths)
        found.update({(wheel.line, wheel.name): wheel for wheel in wheels})
    return tuple(found[key] for key in sorted(found))


class _Search:
    """Wheels in the stages of one Dockerfile. What is asked for again and again is looked up once."""

    def __init__(self, dockerfile: Dockerfile, context: Context) -> None:
        self.dockerfile, self.context = dockerfile, context
        self.seen: set[tuple[int, tuple[str, ...]]] = set()
        self.environments = cache(self._environments)

    def copied(self, stage: Stage, paths: tuple[str, ...]) -> Iterator[Wheel]:
        """The wheels below `paths` in a stage, the stages it builds on, and those it copies from in turn."""
        waiting = [(stage, paths)]
        while waiting:
            stage, paths = waiting.pop()
            if (stage.index, paths) in self.seen:
                continue
            self.seen.add((stage.index, paths))
            yield from self.installed(stage, paths)
            waiting += [
                (source, deeper)
                for source, deeper in self.copies(stage)
                if any(_overlap(one, other) for one in paths for other in deeper)
            ]
            if stage.parent is not None:
                waiting.append((self.dockerfile.stages[stage.parent], paths))

    def installed(self, stage: Stage, paths: tuple[str, ...] | None) -> Iterator[Wheel]:
        """The wheels that a stage's own commands install; with `paths`, only those that land below one of them."""
        if any(name in (stage.platform or "") for name in ("arm64", "aarch64")):
            return  # the default wheels for ARM are others
        for one in pip_installs(self.dockerfile, stage):
            if paths is not None and not _meet(self._places(stage, one), paths):
                continue
            for wheel in from_pip(self.dockerfile, self.context, stage, one):
                yield wheel._replace(line=one.command.line, stage=stage.label)
        for project in project_installs(self.dockerfile, stage):
            if paths is not None and not _meet(project_places(self.dockerfile, stage, project), paths):
                continue
            for wheel in from_project(self.dockerfile, self.context, stage, project):
                yield wheel._replace(line=project.command.line, stage=stage.label)
        for conda in conda_installs(self.dockerfile, stage):
            if paths is not None and not _meet((*SITE_FOLDERS, "/opt"), paths):
                continue
            for file in environments(self.dockerfile, self.context, conda) if conda.files else ():
                for wheel in filter(None, (wheel_of(line, None) for line in file.requirements)):
                    yield wheel._replace(line=conda.command.line, stage=stage.label)

    def copies(self, stage: Stage) -> Iterator[tuple[Stage, tuple[str, ...]]]:
        """Each COPY --from of an earlier stage: that stage, and the paths taken."""
        for instruction in stage.instructions:
            wanted = copied_from(instruction) if instruction.keyword == "COPY" else None
            other = stage_named(self.dockerfile, stage, wanted) if wanted is not None else None
            if other is not None:
                yield other, tuple(absolute(substituted(word, stage)) for word in instruction.words[:-1])

    def _places(self, stage: Stage, one: PythonInstall) -> tuple[str, ...]:
        """Where an install puts its wheels, as far as its words tell."""
        folder = working_folder(self.dockerfile, stage, one.instruction)
        program = substituted(one.command.argv[0], stage)
        if one.install.target is not None:
            return (absolute(one.install.target, folder),)
        if "/bin/" in program:
            place = absolute(program.rpartition("/bin/")[0], folder)
            return (f"{place}/lib/python3",) if place in ("/usr", "/usr/local") else (place,)
        for name in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT"):
            if one.settings.get(name):
                return (absolute(one.settings[name], folder),)
        made, activated = self.environments(stage.index)
        path = one.settings.get("PATH", "").split(":")
        active = [place for place in made if f"{place}/bin" in path or (one.instruction.line, place) in activated]
        uses_made = one.install.uv and "--system" not in one.install.flags
        return tuple(active or (made if uses_made else ()) or SITE_FOLDERS)

    def _environments(self, index: int) -> tuple[tuple[str, ...], frozenset[tuple[int, str]]]:
        """The virtual environments that a stage makes, and which of its RUNs (by line) activate which."""
        stage = self.dockerfile.stages[index]
        made: dict[str, None] = {}
        activated = set()
        for instruction in runs(self.dockerfile, stage):
            for command in shell.commands(self.dockerfile, instruction):
                words = command.argv
                makes = command.program == "virtualenv" or words[1:3] == ("-m", "venv") or words[:2] == ("uv", "venv")
                if makes and not words[-1].startswith("-"):
                    place = ".venv" if words == ("uv", "venv") else substituted(words[-1], stage)
                    made[absolute(place, working_folder(self.dockerfile, stage, instruction))] = None
                elif command.program in (".", "source") and words[-1].endswith("/bin/activate"):
                    place = substituted(words[-1], stage).removesuffix("/bin/activate")
                    folder = working_folder(self.dockerfile, stage, instruction)
                    activated.add((instruction.line, absolute(place, folder)))
        return tuple(made), frozenset(activated)


def _meet(places: tuple[str, ...], paths: tuple[str, ...]) -> bool:
    return any(_overlap(place, path) for place in places for path in paths)


def _overlap(one: str, other: str) -> bool:
    """Does one path lie below the other? `/usr/local/lib/python3` stands for every 3.x."""
    short, long = sorted((one.rstrip("/"), other.rstrip("/")), key=len)
    if long.startswith(SITE_FOLDERS[:2]) and short in SITE_FOLDERS[:2]:
        return long.startswith(short)
    return short == "" or long == short or long.startswith(short + "/")
