"""cache-mount-and-no-cache: a cache mount for a program that is told not to use it."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.calls import calls, problem
from pipeline.analysis.installs import all_pip_installs
from pipeline.analysis.shell import Ran
from pipeline.analysis.walk import mounts
from pipeline.model import Context, Dockerfile, Instruction, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each `--no-cache-dir` or `--no-cache` in a RUN that mounts the cache of the same program."""
    if "type=cache" not in dockerfile.text:
        return
    for pip in all_pip_installs(dockerfile):
        options = ("--no-cache", "-n", "--no-cache-dir") if pip.install.uv else ("--no-cache-dir",)
        if _mounted(pip.instruction, "uv" if pip.install.uv else "pip"):
            yield from _found(dockerfile, pip.ran, options)
    for ran, _ in calls(dockerfile, "apk"):
        if _mounted(ran.instruction, "apk"):
            yield from _found(dockerfile, ran, ("--no-cache",))


def _found(dockerfile: Dockerfile, ran: Ran, options: tuple[str, ...]) -> Iterator[Problem]:
    for at, word in enumerate(ran.command.argv):
        if word in options:
            fix = mend.fix(f"drop {word}", mend.word_dropped(dockerfile, ran.command, at))
            yield problem(ran, f"{word} leaves the cache that this RUN mounts unused", at=at, fix=fix)


def _mounted(instruction: Instruction, name: str) -> bool:
    targets = (one.target.rstrip("/") for one in mounts(instruction, "cache"))
    ends = (f"/.cache/{name}", "/.cache") if name != "apk" else ("/cache/apk", "/apk/cache")
    return any(target.endswith(ends) for target in targets)


RULE = Rule(
    id="cache-mount-and-no-cache",
    severity=Severity.INFO,
    hint="drop the option: what lies in a cache mount reaches no layer",
    look=look,
)
