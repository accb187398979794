"""A Dockerfile in, the Python wheels that reach the shipped image out. Speaks to: the build context.

What the shipped stages install counts, and what they copy out of the environments of build stages. Requirement files
are read where a COPY or a mount brings them from the build context; nothing outside it is opened.
"""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Iterator, Mapping

from pipeline import shell
from pipeline.installs import exported, pip_installs, runs, substituted
from pipeline.model import Context, Dockerfile, Instruction, Stage
from pipeline.pip import PipInstall, Wheel, wheels_of
from pipeline.shell import Command

_SITE_FOLDERS = ("/usr/local/lib/python3", "/usr/lib/python3", "/opt/conda", "/root/.local")
_LARGEST = 1_000_000  # bytes of a requirement file


def shipped_wheels(dockerfile: Dockerfile, context: Context) -> tuple[Wheel, ...]:
    """Return the wheels that have to do with CUDA, as far as the files tell, by line."""
    found: dict[tuple[int, str], Wheel] = {}
    seen: set[tuple[int, tuple[str, ...]]] = set()
    for stage in dockerfile.shipped():
        wheels = list(_installed(dockerfile, stage, context, None))
        for source, paths in _copies(dockerfile, stage):
            wheels += _copied(dockerfile, source, paths, context, seen)
        found.update({(wheel.line, wheel.name): wheel for wheel in wheels})
    return tuple(found[key] for key in sorted(found))


def _copied(
    dockerfile: Dockerfile,
    stage: Stage,
    paths: tuple[str, ...],
    context: Context,
    seen: set[tuple[int, tuple[str, ...]]],
) -> Iterator[Wheel]:
    """The wheels below `paths` in a stage, the stages it builds on, and those it copies from in turn."""
    waiting = [(stage, paths)]
    while waiting:
        stage, paths = waiting.pop()
        if (stage.index, paths) in seen:
            continue
        seen.add((stage.index, paths))
        yield from _installed(dockerfile, stage, context, paths)
        waiting += [
            (source, deeper)
            for source, deeper in _copies(dockerfile, stage)
            if any(_overlap(one, other) for one in paths for other in deeper)
        ]
        if stage.parent is not None:
            waiting.append((dockerfile.stages[stage.parent], paths))


def _installed(
    dockerfile: Dockerfile, stage: Stage, context: Context, paths: tuple[str, ...] | None
) -> Iterator[Wheel]:
    """The wheels that a stage's own commands install; with `paths`, only those that land below one of them."""
    if any(name in (stage.platform or "") for name in ("arm64", "aarch64")):
        return  # the default wheels for ARM are others
    files = _brought(stage)
    variables = {**stage.arguments, **stage.environment}
    for instruction, command, install in pip_installs(dockerfile, stage):
        if paths is not None:
            places = _places(dockerfile, stage, instruction, command, install)
            if not any(_overlap(place, path) for place in places for path in paths):
                continue
        texts = [text for name in install.requirement_files if (text := _read(name, files, context)) is not None]
        settings = {**variables, **exported(dockerfile, instruction), **command.assignments}
        for wheel in wheels_of(install, texts, settings):
            yield dataclasses.replace(wheel, line=command.line, stage=stage.label)


def _copies(dockerfile: Dockerfile, stage: Stage) -> Iterator[tuple[Stage, tuple[str, ...]]]:
    """Each COPY --from of an earlier stage: that stage, and the paths taken."""
    for instruction in stage.instructions:
        wanted = next((flag[7:] for flag in instruction.flags if flag.startswith("--from=")), None)
        if wanted is None or instruction.keyword != "COPY":
            continue
        for other in dockerfile.stages[: stage.index]:
            if (other.name or "").lower() == wanted.lower() or str(other.index) == wanted:
                yield other, tuple(_absolute(substituted(word, stage)) for word in instruction.words[:-1])
                break


def _places(
    dockerfile: Dockerfile, stage: Stage, instruction: Instruction, command: Command, install: PipInstall
) -> tuple[str, ...]:
    """Where an install puts its wheels, as far as its words tell."""
    folder = _working_folder(dockerfile, stage, instruction)
    program = substituted(command.argv[0], stage)
    if install.target is not None:
        return (_absolute(install.target, folder),)
    if "/bin/" in program:
        place = _absolute(program.rpartition("/bin/")[0], folder)
        return (f"{place}/lib/python3",) if place in ("/usr", "/usr/local") else (place,)
    for name in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT"):
        if stage.environment.get(name):
            return (_absolute(stage.environment[name], folder),)
    made = _environments(dockerfile, stage)
    path = stage.environment.get("PATH", "").split(":")
    activated = [
        word
        for other in shell.commands(dockerfile, instruction)
        if other.program in (".", "source")
        for word in other.arguments
    ]
    active = [
        one
        for one in made
        if f"{one}/bin" in path or any(_absolute(word, folder).startswith(f"{one}/") for word in activated)
    ]
    return tuple(active or (made if install.uv and "--system" not in install.flags else ()) or _SITE_FOLDERS)


def _environments(dockerfile: Dockerfile, stage: Stage) -> tuple[str, ...]:
    """The virtual environments that a stage makes."""
    found = []
    for instruction in runs(stage):
        for command in shell.commands(dockerfile, instruction):
            words = command.argv
            makes = command.program == "virtualenv" or words[1:3] == ("-m", "venv") or words[:2] == ("uv", "venv")
            if makes and not words[-1].startswith("-"):
                place = ".venv" if words == ("uv", "venv") else substituted(words[-1], stage)
                found.append(_absolute(place, _working_folder(dockerfile, stage, instruction)))
    return tuple(found)


def _working_folder(dockerfile: Dockerfile, stage: Stage, instruction: Instruction) -> str:
    """The WORKDIR in which an instruction runs."""
    chain = [stage]
    while chain[-1].parent is not None:
        chain.append(dockerfile.stages[chain[-1].parent])
    folder = "/"
    for part in reversed(chain):
        for other in part.instructions:
            if other.keyword == "WORKDIR" and other.words and other.line < instruction.line:
                folder = _absolute(substituted(other.words[0], part), folder)
    return folder


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
