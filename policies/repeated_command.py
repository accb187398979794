"""repeated-command: a CMD, ENTRYPOINT or HEALTHCHECK that a later one in its stage replaces."""

import itertools
from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.walk import placed
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each of them that is not the last of its kind in its stage."""
    for keyword in ("CMD", "ENTRYPOINT", "HEALTHCHECK"):
        found = tuple(placed(dockerfile, keyword))
        for (instruction, stage), (later, its_stage) in itertools.pairwise(found):
            if stage is its_stage:
                fix = Fix(f"delete the {keyword} without effect", (mend.deleted(dockerfile, instruction),))
                message = f"this {keyword} has no effect: the one on line {later.line} replaces it"
                yield Problem(instruction.line, message, stage=stage.label, fix=fix)


RULE = Rule(
    id="repeated-command",
    severity=Severity.WARNING,
    hint="keep the last one; to run two programs, start both from one script",
    look=look,
)
