"""cache-mount-cleaned: a cache mount that each build empties."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.calls import APT, DNF, by_program, place_in_run, problem, read
from pipeline.analysis.paths import lies_below
from pipeline.analysis.shell import Command, Ran, commands
from pipeline.analysis.walk import mounts
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity

_CLEANS = {
    **dict.fromkeys(APT, ("clean", "/var/cache/apt")),
    **dict.fromkeys(DNF, ("clean", "/var/cache")),
    "pip": ("cache", "/root/.cache/pip"), "uv": ("cache", "/root/.cache/uv"), "conda": ("clean", "/opt/conda/pkgs"),
}  # fmt: skip


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each command that empties a cache mount of its RUN."""
    if "type=cache" not in dockerfile.text:
        return
    for program in ("rm", *_CLEANS):
        for ran in by_program(dockerfile).get(program, ()):
            targets = tuple(one.target.rstrip("/") for one in mounts(ran.instruction, "cache"))
            if targets and _empties(ran.command, targets):
                name = " ".join(ran.command.argv[:2])
                fix = _without(dockerfile, ran)
                yield problem(ran, f"`{name}` empties the cache that this RUN mounts", fix=fix)


def _empties(command: Command, targets: tuple[str, ...]) -> bool:
    if command.program == "rm":
        words = [word.rstrip("/*") for _, word in read(command).words]
        # A part of the cache that is deleted on purpose (partial downloads, one log) is not all of it.
        return bool(words) and all(any(lies_below(target, word) and word for target in targets) for word in words)
    verb, folder = _CLEANS[command.program]
    return read(command).verb == verb and any(lies_below(target, folder) for target in targets)


def _without(dockerfile: Dockerfile, ran: Ran) -> Fix | None:
    """Drop the command, where it ends the RUN or something else follows by `&&`."""
    of_run = commands(dockerfile, ran.instruction)
    at = place_in_run(dockerfile, ran)
    if (
        not at
        or ran.command.inside
        or of_run[at - 1].inside
        or (at + 1 < len(of_run) and of_run[at + 1].joined != "&&")
    ):
        return None
    return mend.fix("drop it", mend.command_dropped(dockerfile, of_run[at - 1], ran.command))


RULE = Rule(
    id="cache-mount-cleaned",
    severity=Severity.INFO,
    hint="leave the cache alone: it is no part of the image",
    look=look,
)
