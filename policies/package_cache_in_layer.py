"""package-cache-in-layer: downloads of pip, uv or the system's package manager left in a layer."""

from collections.abc import Iterator
from functools import cache, partial
from itertools import groupby

from pipeline import shell
from pipeline.installs import pip_installs, runs
from pipeline.model import Context, Dockerfile, Instruction, Problem, Rule, Severity, Stage
from pipeline.shell import Command

# program → the command that leaves something behind, what that is, and where
_LEAVES = {
    "apt-get": ("update", "package lists", "/var/lib/apt/lists"),
    "apt": ("update", "package lists", "/var/lib/apt/lists"),
    "apk": ("add", "package index", "/var/cache/apk"),
    "dnf": ("install", "downloads", "/var/cache/dnf"),
    "microdnf": ("install", "downloads", "/var/cache/dnf"),
    "tdnf": ("install", "downloads", "/var/cache/tdnf"),
    "yum": ("install", "downloads", "/var/cache/yum"),
}
_CLEANS = frozenset({"clean", "dist-clean", "distclean", "purge", "prune"})


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each command of a shipped stage whose downloads stay in its layer. What cannot be told is not judged."""
    for stage in dockerfile.shipped():
        yield from _python(dockerfile, stage)
        for instruction in runs(stage):
            yield from _system(dockerfile, stage, instruction)


def _python(dockerfile: Dockerfile, stage: Stage) -> Iterator[Problem]:
    for instruction, installs in groupby(pip_installs(dockerfile, stage), key=lambda one: one.instruction):
        emptied = cache(partial(_last_emptied, shell.commands(dockerfile, instruction)))
        for one in installs:
            name, folder = ("uv", "/root/.cache/uv") if one.install.uv else ("pip", "/root/.cache/pip")
            switched_off = (
                one.settings.get("UV_NO_CACHE" if one.install.uv else "PIP_NO_CACHE_DIR")
                or one.install.flags & {"--no-cache-dir", "--no-cache", "-n"}
                or "--cache-dir" in one.install.options
                or any(word.startswith("$") for word in one.install.requirements)  # may hold options
            )
            if not (switched_off or _mounted(instruction, folder) or emptied(name, folder) >= 0):
                yield Problem(one.command.line, f"what {name} downloads stays in this layer", stage=stage.label)


def _system(dockerfile: Dockerfile, stage: Stage, instruction: Instruction) -> Iterator[Problem]:
    found = shell.commands(dockerfile, instruction)
    emptied = cache(partial(_last_emptied, found))
    for number, command in enumerate(found):
        verb, what, folder = _LEAVES.get(command.program, ("", "", ""))
        words = [word for word in command.arguments if not word.startswith("-")]
        if not verb or words[:1] != [verb] or "--no-cache" in command.arguments:
            continue
        if not (_mounted(instruction, folder) or emptied(command.program, folder) > number):
            yield Problem(command.line, f"the {what} of {command.program} stay in this layer", stage=stage.label)


def _mounted(instruction: Instruction, folder: str) -> bool:
    """Is the folder, or one above or below it, a mount that no layer keeps?"""
    for flag in instruction.flags:
        if flag.startswith("--mount=") and ("type=cache" in flag or "type=tmpfs" in flag):
            fields = dict(part.split("=", 1) for part in flag.removeprefix("--mount=").split(",") if "=" in part)
            target = fields.get("target") or fields.get("dst") or fields.get("destination") or ""
            # Another user's cache is as good: /home/app/.cache/pip
            if _covers(target, folder) or target.rstrip("/").endswith(("/.cache", folder.removeprefix("/root"))):
                return True
    return False


def _last_emptied(commands: tuple[Command, ...], program: str, folder: str) -> int:
    """Which command of a RUN is the last to delete what was left; -1 for none."""
    for number in range(len(commands) - 1, -1, -1):
        command = commands[number]
        words = [word for word in command.arguments if not word.startswith("-")]
        if command.program == program and _CLEANS & set(words[:2]):
            return number
        if command.program in ("rm", "find") and any(_covers(word, folder) for word in words):
            return number
    return -1


def _covers(path: str, folder: str) -> bool:
    """Is `path` the folder, or one above it? What ends in /* counts as its folder, `~` is root's."""
    path = path.replace("$HOME", "/root").replace("${HOME}", "/root")
    path = "/root" + path[1:] if path.startswith("~") else path
    path = path.rstrip("/*.") or "/"
    if "{" in path:  # /var/lib/{apt,dpkg}/lists
        return folder.startswith(path.partition("{")[0])
    return path == folder or folder.startswith(path + "/")


RULE = Rule(
    id="package-cache-in-layer",
    severity=Severity.WARNING,
    hint="use a cache mount (`RUN --mount=type=cache,target=…`), or switch the cache off and delete in the same RUN",
    look=look,
)
