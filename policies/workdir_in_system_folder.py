"""workdir-in-system-folder: files put straight into a folder of the system."""

from collections.abc import Iterator

from pipeline.analysis.paths import inside
from pipeline.analysis.walk import resolved, states
from pipeline.model import Context, Dockerfile, Instruction, Problem, Rule, Severity, Stage

_SYSTEM = frozenset({
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr", "/usr/bin",
    "/usr/lib", "/usr/lib64", "/usr/sbin", "/var",
})  # fmt: skip
_NEVER = ("/boot/", "/dev/", "/proc/", "/sys/")  # nor anything below these


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each WORKDIR of a shipped stage in a system's folder that stays, or that a relative COPY writes into."""
    for stage in dockerfile.shipped():
        waiting: tuple[Instruction, str] | None = None
        for instruction in stage.instructions:
            if instruction.keyword == "WORKDIR":
                waiting = _in_system(dockerfile, stage, instruction)
            elif (
                waiting
                and instruction.keyword in ("COPY", "ADD")
                and instruction.words[-1][:1] not in ("/", "$", '"')
            ):
                yield _problem(stage, waiting)
                waiting = None
        if waiting and stage is dockerfile.final:
            yield _problem(stage, waiting)


def _in_system(dockerfile: Dockerfile, stage: Stage, instruction: Instruction) -> tuple[Instruction, str] | None:
    before = states(dockerfile)[instruction.line].folder
    folder = inside(before, resolved(dockerfile, stage, instruction.words[0]))
    if folder is not None and (folder in _SYSTEM or (folder + "/").startswith(_NEVER)):
        return instruction, folder
    return None


def _problem(stage: Stage, found: tuple[Instruction, str]) -> Problem:
    return Problem(found[0].line, f"{found[1]} belongs to the system", stage=stage.label)


RULE = Rule(
    id="workdir-in-system-folder",
    severity=Severity.WARNING,
    hint="use a folder of your own: /app, /srv or /opt/name",
    look=look,
)
