"""written-after-volume: a change below a folder that is a VOLUME already."""

from collections.abc import Iterator

from pipeline.analysis import shell
from pipeline.analysis.paths import inside
from pipeline.analysis.walk import by_keyword, resolved, states
from pipeline.model import Context, Dockerfile, Instruction, Problem, Rule, Severity, Stage

_WRITES = frozenset({"chmod", "chown", "cp", "install", "ln", "mkdir", "mv", "rm", "tar", "touch", "unzip"})


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each COPY, ADD and each RUN with a plain file command that writes into a VOLUME declared above it."""
    if "VOLUME" not in by_keyword(dockerfile):
        return
    for stage in dockerfile.shipped():
        volumes: dict[str, int] = {}
        for instruction in stage.instructions:
            if instruction.keyword == "VOLUME":
                for word in instruction.words:
                    folder = inside("/", resolved(dockerfile, stage, word))
                    if folder and folder != "/":
                        volumes.setdefault(folder, instruction.line)
            for path in _written(dockerfile, stage, instruction) if volumes else ():
                parts = path.split("/")
                above = ("/".join(parts[:depth]) for depth in range(len(parts), 1, -1))
                hit = next((one for one in above if one in volumes), None)
                if hit:
                    message = f"{path} lies in the VOLUME of line {volumes[hit]}"
                    yield Problem(instruction.line, message, stage=stage.label)
                    break


def _written(dockerfile: Dockerfile, stage: Stage, instruction: Instruction) -> Iterator[str]:
    before = states(dockerfile)[instruction.line].folder
    if instruction.keyword in ("COPY", "ADD"):
        path = inside(before, resolved(dockerfile, stage, instruction.words[-1]))
        if path:
            yield path
    elif instruction.keyword == "RUN":
        for command in shell.commands(dockerfile, instruction):
            if command.program in _WRITES:
                words = [word for word in command.arguments if not word.startswith("-")]
                for word in words[-1:] if command.program in ("cp", "mv", "ln", "install") else words:
                    path = inside(before, resolved(dockerfile, stage, word))
                    if path:
                        yield path


RULE = Rule(
    id="written-after-volume",
    severity=Severity.INFO,
    hint="move the VOLUME below what writes there, or leave it out: who runs the image can mount one anyway",
    look=look,
)
