"""A Dockerfile in, the Python wheels that reach the shipped image out. Speaks to: the build context.

What the shipped stages install counts, and what they copy out of the environments of build stages. Requirement files
are read where a COPY or a mount brings them from the build context; nothing outside it is opened.
"""

from __future__ import annotations

import dataclasses
import posixpath
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from functools import cache

from pipeline import shell
from pipeline.installs import PythonInstall, pip_installs, runs, substituted
from pipeline.model import Context, Dockerfile, Instruction, Stage
from pipeline.pip import Wheel, wheels_of

_SITE_FOLDERS = ("/usr/local/lib/python3", "/usr/lib/python3", "/opt/conda", "/root/.local")
_LARGEST = 1_000_000  # bytes of a requirement file


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
        self.names = {stage.name.lower(): stage for stage in reversed(dockerfile.stages) if stage.name}
        self.environments = cache(self._environments)
        self.working_folders = cache(self._working_folders)

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
        files = _brought(stage)
        for one in pip_installs(self.dockerfile, stage):
            if paths is not None:
                places = self._places(stage, one)
                if not any(_overlap(place, path) for place in places for path in paths):
                    continue
            names = one.install.requirement_files
            texts = [text for name in names if (text := _read(name, files, self.context)) is not None]
            for wheel in wheels_of(one.install, texts, one.settings):
                yield dataclasses.replace(wheel, line=one.command.line, stage=stage.label)

    def copies(self, stage: Stage) -> Iterator[tuple[Stage, tuple[str, ...]]]:
        """Each COPY --from of an earlier stage: that stage, and the paths taken."""
        for instruction in stage.instructions:
            wanted = next((flag[7:] for flag in instruction.flags if flag.startswith("--from=")), None)
            if wanted is None or instruction.keyword != "COPY":
                continue
            other = self.names.get(wanted.lower())
            if other is None and wanted.isdecimal() and int(wanted) < stage.index:
                other = self.dockerfile.stages[int(wanted)]
            if other is not None and other.index < stage.index:
                yield other, tuple(_absolute(substituted(word, stage)) for word in instruction.words[:-1])

    def _places(self, stage: Stage, one: PythonInstall) -> tuple[str, ...]:
        """Where an install puts its wheels, as far as its words tell."""
        folder = self._folder(stage, one.instruction)
        program = substituted(one.command.argv[0], stage)
        if one.install.target is not None:
            return (_absolute(one.install.target, folder),)
        if "/bin/" in program:
            place = _absolute(program.rpartition("/bin/")[0], folder)
            return (f"{place}/lib/python3",) if place in ("/usr", "/usr/local") else (place,)
        for name in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT"):
            if one.settings.get(name):
                return (_absolute(one.settings[name], folder),)
        made, activated = self.environments(stage.index)
        path = one.settings.get("PATH", "").split(":")
        active = [place for place in made if f"{place}/bin" in path or (one.instruction.line, place) in activated]
        uses_made = one.install.uv and "--system" not in one.install.flags
        return tuple(active or (made if uses_made else ()) or _SITE_FOLDERS)

    def _environments(self, index: int) -> tuple[tuple[str, ...], frozenset[tuple[int, str]]]:
        """The virtual environments that a stage makes, and which of its RUNs (by line) activate which."""
        stage = self.dockerfile.stages[index]
        made: dict[str, None] = {}
        activated = set()
        for instruction in runs(stage):
            for command in shell.commands(self.dockerfile, instruction):
                words = command.argv
                makes = command.program == "virtualenv" or words[1:3] == ("-m", "venv") or words[:2] == ("uv", "venv")
                if makes and not words[-1].startswith("-"):
                    place = ".venv" if words == ("uv", "venv") else substituted(words[-1], stage)
                    made[_absolute(place, self._folder(stage, instruction))] = None
                elif command.program in (".", "source") and words[-1].endswith("/bin/activate"):
                    place = substituted(words[-1], stage).removesuffix("/bin/activate")
                    activated.add((instruction.line, _absolute(place, self._folder(stage, instruction))))
        return tuple(made), frozenset(activated)

    def _folder(self, stage: Stage, instruction: Instruction) -> str:
        """The WORKDIR in which an instruction runs."""
        lines, folders = self.working_folders(stage.index)
        return folders[bisect_left(lines, instruction.line)]

    def _working_folders(self, index: int) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """The lines of a stage's WORKDIRs, and the folder before the first, and after each."""
        chain = [self.dockerfile.stages[index]]
        while chain[-1].parent is not None:
            chain.append(self.dockerfile.stages[chain[-1].parent])
        lines: list[int] = []
        folders = ["/"]
        for stage in reversed(chain):
            for instruction in stage.instructions:
                if instruction.keyword == "WORKDIR" and instruction.words:
                    lines.append(instruction.line)
                    folders.append(_absolute(substituted(instruction.words[0], stage), folders[-1]))
        return tuple(lines), tuple(folders)


def _absolute(path: str, folder: str = "/") -> str:
    """The path in its shortest form; POSIX would keep two leading slashes."""
    return "/" + posixpath.normpath(posixpath.join(folder, path)).lstrip("/")


def _overlap(one: str, other: str) -> bool:
    """Does one path lie below the other? `/usr/local/lib/python3` stands for every 3.x."""
    short, long = sorted((one.rstrip("/"), other.rstrip("/")), key=len)
    if long.startswith(_SITE_FOLDERS[:2]) and short in _SITE_FOLDERS[:2]:
        return long.startswith(short)
    return short == "" or long == short or long.startswith(short + "/")


def _brought(stage: Stage) -> Mapping[str, str]:
    """Base name of each file that a COPY names, or mount binds → its path in the build context."""
    found: dict[str, str] = {}
    for instruction in stage.instructions:
        from_context = not any(flag.startswith("--from=") for flag in instruction.flags)
        if instruction.keyword in ("COPY", "ADD") and from_context:
            for word in instruction.words[:-1]:
                found[posixpath.basename(word.rstrip("/"))] = word
            if len(instruction.words) == 2 and not instruction.words[1].endswith(("/", ".")):
                found[posixpath.basename(instruction.words[1])] = instruction.words[0]
        for flag in instruction.flags:
            if flag.startswith("--mount=type=bind") and "from=" not in flag:
                fields = dict(part.split("=", 1) for part in flag[8:].split(",") if "=" in part)
                source = fields.get("source") or fields.get("src")
                target = fields.get("target") or fields.get("dst") or fields.get("destination")
                if source and target:
                    found[posixpath.basename(target)] = source
    return found


def _read(name: str, files: Mapping[str, str], context: Context) -> str | None:
    """The text of a requirement file in the build context; None when it cannot be told which file that is."""
    base = posixpath.basename(name)
    if context.folder is None:
        return None
    source = files.get(base)
    if source is None and any(path.rstrip("/") in (".", "", "./") for path in files.values()):
        source = name if not name.startswith("/") else base
    if source is None:
        return None
    root = context.folder.resolve()
    path = (root / source.lstrip("/")).resolve()
    if path.is_dir():
        path = path / base
    if not path.is_relative_to(root) or not path.is_file() or path.stat().st_size > _LARGEST:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
