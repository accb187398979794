"""consecutive-runs: several RUN instructions in a row that could be one."""

from collections.abc import Iterator

from pipeline.model import Context, Dockerfile, Instruction, Problem, Rule, Severity

_MANY = 3


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the first of three or more RUNs in a row of a shipped stage. Those with flags have their reasons."""
    for stage in dockerfile.shipped():
        row: list[Instruction] = []
        for instruction in (*stage.instructions, None):
            if instruction is not None and instruction.keyword == "RUN" and not instruction.flags:
                row.append(instruction)
                continue
            if len(row) >= _MANY:
                yield Problem(row[0].line, f"{len(row)} RUN instructions in a row", stage=stage.label)
            row = []


RULE = Rule(
    id="consecutive-runs",
    severity=Severity.INFO,
    hint="join those that belong together, in a here-document (`RUN <<EOF`) where they are long",
    look=look,
    by_default=False,
)
