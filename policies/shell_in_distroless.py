"""shell-in-distroless: a shell command in an image that has no shell."""

import posixpath
from collections.abc import Iterator

from pipeline.analysis import walk
from pipeline.analysis.bases import DISTROLESS, SCRATCH, family
from pipeline.analysis.paths import inside
from pipeline.model import Context, Dockerfile, Instruction, Problem, Rule, Severity, Stage

_FOLDERS = ("/", "/bin", "/usr", "/usr/bin", "/sbin", "/usr/sbin", "/usr/local", "/usr/local/bin", "/busybox")


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each shell form on scratch or distroless, unless a COPY or ADD may have brought a shell."""
    for stage in dockerfile.stages:
        system = family(stage.image) if stage.needed and stage.parent is None else None
        if system not in (DISTROLESS, SCRATCH):
            continue
        name = "an empty image" if system == SCRATCH else "a distroless image"
        for instruction in stage.instructions:
            if instruction.keyword == "SHELL" or _may_bring_a_shell(dockerfile, stage, instruction):
                break
            if _needs_a_shell(instruction):
                message = f"{instruction.keyword} in shell form needs /bin/sh, and {name} has none"
                yield Problem(instruction.line, message, stage=stage.label)


def _needs_a_shell(instruction: Instruction) -> bool:
    if instruction.keyword == "HEALTHCHECK":
        return instruction.words[:1] == ("CMD",) and not instruction.json_form
    if instruction.keyword == "RUN":
        return not instruction.json_form and not any(flag.startswith("--mount") for flag in instruction.flags)
    return instruction.keyword in ("CMD", "ENTRYPOINT") and not instruction.json_form and bool(instruction.words)


def _may_bring_a_shell(dockerfile: Dockerfile, stage: Stage, instruction: Instruction) -> bool:
    if instruction.keyword not in ("COPY", "ADD"):
        return False
    target = walk.resolved(dockerfile, stage, instruction.words[-1])
    path = inside(walk.states(dockerfile)[instruction.line].folder or "/", target)
    if path is None or path in _FOLDERS:
        return True
    return posixpath.basename(path) in ("sh", "bash", "busybox", "bin")


RULE = Rule(
    id="shell-in-distroless",
    severity=Severity.ERROR,
    hint='write the JSON form (`CMD ["/app"]`), and do what needs a shell in another stage',
    look=look,
)
