"""package-cache-in-layer: downloads of pip, uv, conda, npm or the system's package manager left in a layer."""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from pipeline import mend
from pipeline.analysis import shell
from pipeline.analysis.calls import Call, by_program, place_in_run, problem, read
from pipeline.analysis.installs import all_pip_installs
from pipeline.analysis.shell import Command, Ran
from pipeline.analysis.walk import mounts
from pipeline.model import Context, Dockerfile, Fix, Instruction, Problem, Rule, Severity, once_per_file


class _Leaves(NamedTuple):
    """What a program leaves behind, after which verbs, where, and how that is put right."""

    verbs: str
    what: str
    folder: str
    cleans: str = ""  # the command that empties it
    option: str = ""  # or the option that leaves nothing


_APT = _Leaves("update", "package lists", "/var/lib/apt/lists", "rm -rf /var/lib/apt/lists/*")
_CONDA = "install create update env"
_OF = {
    "apt-get": _APT,
    "apt": _APT,
    "apk": _Leaves("add", "package index", "/var/cache/apk", "", "--no-cache"),
    "dnf": _Leaves("install", "downloads", "/var/cache/dnf", "dnf clean all"),
    "microdnf": _Leaves("install", "downloads", "/var/cache/dnf", "microdnf clean all"),
    "tdnf": _Leaves("install", "downloads", "/var/cache/tdnf", "tdnf clean all"),
    "yum": _Leaves("install", "downloads", "/var/cache/yum", "yum clean all"),
    "zypper": _Leaves("install in", "downloads", "/var/cache/zypp", "zypper clean --all"),
    "conda": _Leaves(_CONDA, "downloads", "/opt/conda/pkgs", "conda clean -afy"),
    "mamba": _Leaves(_CONDA, "downloads", "/opt/conda/pkgs", "mamba clean -afy"),
    "micromamba": _Leaves(_CONDA, "downloads", "/opt/conda/pkgs", "micromamba clean -afy"),
    "npm": _Leaves("install ci i", "cache", "/root/.npm", "npm cache clean --force"),
    "yarn": _Leaves("install add", "cache", "/usr/local/share/.cache", "yarn cache clean"),
    "poetry": _Leaves("install add", "cache", "/root/.cache/pypoetry", "", "--no-cache"),
}
_CLEANS = frozenset({"clean", "purge", "prune"})
_CLEANS_LISTS = frozenset({"dist-clean", "distclean"})  # `apt-get clean` deletes packages, and leaves the lists
_USES = ("install", "upgrade", "dist-upgrade", "build-dep")
_CONDAS = ("conda", "mamba", "micromamba")


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each command of a shipped stage whose downloads stay in its layer. What cannot be told is not judged."""
    yield from _python(dockerfile)
    for program in _OF:
        rans = (ran for ran in by_program(dockerfile).get(program, ()) if ran.stage.ships)
        for _, of_run in groupby(rans, key=lambda ran: ran.instruction.line):
            yield from _system(dockerfile, tuple(of_run))


def _python(dockerfile: Dockerfile) -> Iterator[Problem]:
    if dockerfile.final.image is None:
        return  # a base that cannot be told may switch the cache off: PIP_NO_CACHE_DIR
    shipped = (one for one in all_pip_installs(dockerfile) if one.stage.ships)
    for _, installs in groupby(shipped, key=lambda one: one.instruction.line):
        emptied: dict[str, int] = {}
        for one in installs:
            uv = one.install.uv
            name = "uv" if uv else "pip"
            folder, option = f"/root/.cache/{name}", "--no-cache" if uv else "--no-cache-dir"
            switched_off = (
                one.settings.get("UV_NO_CACHE" if uv else "PIP_NO_CACHE_DIR")
                or one.settings.get("UV_CACHE_DIR" if uv else "PIP_CACHE_DIR")
                or one.install.flags & {"--no-cache-dir", "--no-cache", "-n"}
                or "--cache-dir" in one.install.options
                or any(word.startswith("--pip-args") and "--no-cache-dir" in word for word in one.command.arguments)
                or any(word.startswith("$") for word in one.install.requirements)  # may hold options
            )
            if switched_off or _mounted(one.instruction, folder):
                continue
            if name not in emptied:
                emptied[name] = _last_emptied(shell.commands(dockerfile, one.instruction), name, folder)
            if emptied[name] < 0:
                fix = _python_fix(one.command, option)
                yield problem(one.ran, f"what {name} downloads stays in this layer", fix=fix)


def _python_fix(command: Command, option: str) -> Fix | None:
    """The option that keeps nothing. pipx hands those of pip on in one of its own."""
    if command.program == "pipx":
        if any(word.startswith("--pip-args") for word in command.arguments):
            return None
        option = f"--pip-args={option}"
    at = next((at for at, word in enumerate(command.argv) if word == "install"), 0)
    return mend.fix(f"add {option}", mend.word_added(command, at, option))


def _system(dockerfile: Dockerfile, rans: tuple[Ran, ...]) -> Iterator[Problem]:
    """One problem for a program in a RUN, at its last command that leaves something."""
    instruction, program = rans[0].instruction, rans[0].command.program
    leaves = _OF[program]
    guilty = [ran for ran in rans if _leaves(leaves, ran.command, read(ran.command))]
    if not guilty or _mounted(instruction, leaves.folder):
        return
    of_run = shell.commands(dockerfile, instruction)
    last = max(place_in_run(dockerfile, ran) for ran in guilty)
    if _last_emptied(of_run, program, leaves.folder) <= last:
        fix = _fix(dockerfile, guilty, of_run)
        verb = "stay" if leaves.what.endswith("s") else "stays"
        yield problem(guilty[0], f"the {leaves.what} of {program} {verb} in this layer", fix=fix)


def _leaves(leaves: _Leaves, command: Command, call: Call) -> bool:
    if call.verb not in leaves.verbs.split() or {"--no-cache", "--download-only", "--dry-run"} & set(
        command.arguments
    ):
        return False
    if command.program in ("npm", "yarn"):
        return call.place("--cache", "--cache-folder", "--package-lock-only", "--help") is None
    return True


def _fix(dockerfile: Dockerfile, guilty: list[Ran], of_run: tuple[Command, ...]) -> Fix | None:
    """The option that keeps nothing, or the command that cleans, at the end of a RUN that is joined by `&&`."""
    ran, program = guilty[0], guilty[0].command.program
    leaves = _OF[program]
    if leaves.option:
        added = [mend.word_added(one.command, read(one.command).words[0][0], leaves.option) for one in guilty]
        return mend.fix(f"add {leaves.option}", *added)
    if any(one.joined not in ("", "&&", "|") or one.inside for one in of_run) or ran.instruction.heredocs:
        return None
    if program in ("apt-get", "apt"):
        installs = any(one.program == program and read(one).verb in _USES for one in of_run)
        if not installs or _needed_later(dockerfile, ran):
            return None
    end = of_run[-1].span
    cleaned = mend.inserted(end.end, f" && {leaves.cleans}") if end else None
    return mend.fix(f"add `{leaves.cleans}`", cleaned)


def _needed_later(dockerfile: Dockerfile, ran: Ran) -> bool:
    """Does a later RUN install from these lists, without reading them anew?"""
    return _last_without_lists(dockerfile) > ran.instruction.line


@once_per_file
def _last_without_lists(dockerfile: Dockerfile) -> int:
    """The line of the last RUN that installs and does not update."""
    verbs: dict[int, set[str]] = {}
    for program in ("apt-get", "apt"):
        for one in by_program(dockerfile).get(program, ()):
            verbs.setdefault(one.instruction.line, set()).add(read(one.command).verb)
    return max((line for line, found in verbs.items() if "install" in found and "update" not in found), default=0)


def _mounted(instruction: Instruction, folder: str) -> bool:
    """Is the folder, or one above or below it, a mount that no layer keeps?"""
    for one in mounts(instruction, "cache", "tmpfs"):
        target = one.target
        # Another user's cache is as good: /home/app/.cache/pip
        if _covers(target, folder) or target.rstrip("/").endswith(("/.cache", folder.removeprefix("/root"))):
            return True
        if folder.endswith("/pkgs") and target.rstrip("/").endswith("/pkgs"):
            return True
    return False


def _last_emptied(commands: tuple[Command, ...], program: str, folder: str) -> int:
    """Which command of a RUN is the last to delete what was left; -1 for none."""
    same = _CONDAS if program in _CONDAS else (program,)
    for number in range(len(commands) - 1, -1, -1):
        command = commands[number]
        words = [word for word in command.arguments if not word.startswith("-")]
        cleans = _CLEANS_LISTS if program in ("apt-get", "apt") else _CLEANS
        if command.program in same and cleans & set(words[:2]):
            return number
        if command.program in ("rm", "find") and any(_covers(word, folder) for word in words):
            return number
    return -1


def _covers(path: str, folder: str) -> bool:
    """Is `path` the folder, or one above it? What ends in /* counts as its folder, `~` is root's."""
    path = path.replace("$HOME", "/root").replace("${HOME}", "/root")
    path = "/root" + path[1:] if path.startswith("~") else path
    if folder.endswith("/pkgs") and path.rstrip("/*").endswith("/pkgs"):
        return True  # conda's own folder is where it was put
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
