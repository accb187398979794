"""editable-install-shipped: an editable install whose folder the image does not keep."""

from collections.abc import Iterator

from pipeline.analysis import copies, shell, walk
from pipeline.analysis.installs import PythonInstall, all_pip_installs
from pipeline.analysis.made import made
from pipeline.analysis.paths import inside, lies_below
from pipeline.analysis.walk import mounts
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_PACKAGES = ("site-packages", "dist-packages", "venv", "/opt/conda", "/usr/local/lib/python", "/root/.local")


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each `pip install -e` of a folder that is a mount, or that stays behind when its venv is copied out."""
    for pip in all_pip_installs(dockerfile):
        word = _editable(pip.command.arguments)
        if word is None or "://" in word:
            continue
        folder = walk.states(dockerfile)[pip.instruction.line].folder
        path = inside(folder, walk.resolved(dockerfile, pip.stage, word.partition("[")[0]))
        if path is None or any(one.program == "cd" for one in shell.commands(dockerfile, pip.instruction)):
            continue
        if _is_mount(pip, folder, path):
            yield _problem(pip, f"{path} is a mount of this RUN: the install points to a folder that is gone")
        elif not pip.stage.ships and _left_behind(dockerfile, pip, path):
            yield _problem(pip, f"the packages are copied out of this stage, and {path}, where this one lies, is not")


def _editable(words: tuple[str, ...]) -> str | None:
    for at, word in enumerate(words[:-1]):
        if word in ("-e", "--editable"):
            return words[at + 1]
    return next((word.partition("=")[2] for word in words if word.startswith("--editable=")), None)


def _problem(pip: PythonInstall, message: str) -> Problem:
    command = pip.command
    return Problem(command.line, message, stage=pip.stage.label, at=command.span)


def _is_mount(pip: PythonInstall, folder: str | None, path: str) -> bool:
    targets = (inside(folder, one.target) for one in mounts(pip.instruction, "bind", "tmpfs", "cache"))
    return any(target and lies_below(path, target) for target in targets)


def _left_behind(dockerfile: Dockerfile, pip: PythonInstall, path: str) -> bool:
    """Is what pip installs into copied to the shipped image, and the project's own folder not?"""
    mine = [one for one in copies.taken(dockerfile) if one.source is pip.stage]
    environment = pip.stage.environment.get("VIRTUAL_ENV", "/nowhere")
    packages = any(part in one.path for one in mine for part in (*_PACKAGES, environment))
    there = [one.destination for one in copies.taken(dockerfile)]
    there += [one.path for one in made(dockerfile)]
    return packages and not any(lies_below(path, place) for place in there)


RULE = Rule(
    id="editable-install-shipped",
    severity=Severity.WARNING,
    hint="install without -e: `pip install .` copies the package to where its friends are",
    look=look,
)
