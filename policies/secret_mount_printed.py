"""secret-mount-printed: a mounted secret that a RUN writes into the layer, or into the log."""

from collections.abc import Iterator

from pipeline.analysis import shell
from pipeline.analysis.calls import problem, read
from pipeline.analysis.made import mounted, path_in_run
from pipeline.analysis.shell import Command, Ran
from pipeline.analysis.walk import mounts
from pipeline.model import Context, Dockerfile, Instruction, Problem, Rule, Severity

_KEEPS = {  # what these are told they write down: where
    ("npm", "config", "set"): "/root/.npmrc",
    ("pip", "config", "set"): "/root/.config/pip/pip.conf",
    ("poetry", "config"): "/root/.config/pypoetry/auth.toml",
}
_COPIES = ("cp", "mv", "install")


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each command of a shipped stage that leaves a secret of its RUN's mounts in a file, or prints it."""
    if "type=secret" not in dockerfile.text:
        return
    for stage in dockerfile.shipped():
        for instruction in stage.instructions:
            names = _names(instruction) if instruction.keyword == "RUN" else ()
            if names:
                for command in shell.commands(dockerfile, instruction):
                    yield from _judged(dockerfile, Ran(command, instruction, stage), names)


def _names(instruction: Instruction) -> tuple[str, ...]:
    """How the RUN can name its secrets: by their paths, or by their variables."""
    found = []
    for one in mounts(instruction, "secret"):
        found.append(one.target or f"/run/secrets/{one.options.get('id', '')}")
        if name := one.options.get("env"):
            found += [f"${name}", f"${{{name}}}"]
    return tuple(name for name in found if name.rstrip("/") not in ("/run/secrets", ""))


def _judged(dockerfile: Dockerfile, ran: Ran, names: tuple[str, ...]) -> Iterator[Problem]:
    command = ran.command
    if command.program in ("env", "printenv") and len(command.words) == 1 and not command.piped:
        if any(name.startswith("$") for name in names):
            yield problem(ran, "prints the secret into the build's log")
        return
    if not any(name in word for word in command.words for name in names) or command.inside:
        return
    target = _written(command, names)
    if target is not None and not _gone(dockerfile, ran, target):
        yield problem(ran, f"the mounted secret stays in {target}, in this layer")
    elif (
        target is None
        and command.program in ("cat", "echo", "printf")
        and not command.piped
        and not command.redirects
    ):
        yield problem(ran, "prints the secret into the build's log")


def _written(command: Command, names: tuple[str, ...]) -> str | None:
    """The file that a command writes the secret to."""
    for words, path in _KEEPS.items():
        if command.argv[: len(words)] == words:
            return path
    if command.program in _COPIES:
        paths = [word for _, word in read(command).words]
        if len(paths) > 1 and any(paths[0].startswith(name) for name in names):
            return paths[-1]
    if command.program in ("cat", "echo", "printf"):
        return next((where for sign, where in command.redirects if sign in (">", ">>", "1>")), None)
    return None


def _gone(dockerfile: Dockerfile, ran: Ran, target: str) -> bool:
    """Is the file in a mount, or no file, or deleted by the end of the RUN?"""
    if target.startswith(("/dev/", "/proc/", "/run/secrets", "/dev/shm")):
        return True
    known = target.replace("~", "/root").replace("$HOME", "/root").replace("${HOME}", "/root")
    path = path_in_run(dockerfile, ran.instruction, ran.stage, known)
    if path is not None and mounted(dockerfile, ran.instruction, path):
        return True
    last = target.rstrip("/").rpartition("/")[2]
    later = shell.commands(dockerfile, ran.instruction)
    removes = (one for one in later if one.program in ("rm", "shred", "unlink", "trap") or "logout" in one.words)
    return any(last in word or "logout" in word for one in removes for word in one.words)


RULE = Rule(
    id="secret-mount-printed",
    severity=Severity.ERROR,
    hint="hand the secret to the one command that needs it: `HF_TOKEN=$(cat /run/secrets/hf) hf download …`",
    look=look,
)
