"""copy-without-chown: files that belong to root although the image runs as somebody else."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.walk import flag_names, placed, states
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each COPY and ADD of a shipped stage without --chown below a USER that is not root."""
    for instruction, stage in placed(dockerfile, "COPY", "ADD"):
        user = states(dockerfile)[instruction.line].user
        if (
            stage.ships
            and user
            and user.partition(":")[0] not in ("0", "root")
            and "chown" not in flag_names(instruction)
        ):
            fix = Fix(
                f"add --chown={user}", (mend.flag_added(dockerfile, instruction, f"--chown={user}"),), safe=False
            )
            message = f"these files belong to root: {instruction.keyword} does not look at USER {user}"
            yield Problem(instruction.line, message, stage=stage.label, fix=fix)


RULE = Rule(
    id="copy-without-chown",
    severity=Severity.INFO,
    hint="add --chown if the process writes there; what it only reads may well belong to root",
    look=look,
    by_default=False,
)
