"""copy-many-without-slash: several sources copied to what does not say that it is a folder."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.walk import placed, resolved
from pipeline.model import Context, Dockerfile, Fix, Instruction, Problem, Rule, Severity
from pipeline.parse import tokens


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each COPY and ADD with more than one source and a destination without a slash at its end."""
    for instruction, stage in placed(dockerfile, "COPY", "ADD"):
        if len(instruction.words) < 3:
            continue
        written = instruction.words[-1]
        value = resolved(dockerfile, stage, written)
        if value is None or value.endswith(("/", "\\")) or value.rpartition("/")[2] in (".", ".."):
            continue
        at = tokens(dockerfile, instruction).words[-1].span
        message = f"{len(instruction.words) - 1} sources, and {value} may be a file"
        yield Problem(instruction.line, message, stage=stage.label, at=at, fix=_fix(instruction, at.end))


def _fix(instruction: Instruction, end: int) -> Fix:
    quoted = instruction.json_form or instruction.words[-1][-1] in "\"'"
    return Fix("end the destination with a slash", (mend.inserted(end - quoted, "/"),))


RULE = Rule(
    id="copy-many-without-slash",
    severity=Severity.WARNING,
    hint="end the destination with a slash",
    look=look,
)
