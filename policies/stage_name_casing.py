"""stage-name-casing: a stage name with capitals, which no FROM can build on."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity
from pipeline.parse import tokens


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each name after AS that is not in lower case, and each FROM that means such a stage and misses it."""
    names: set[str] = set()
    for stage in dockerfile.stages:
        words = stage.instructions[0].words
        lower = words[0].lower()
        if words[0] != lower and lower in names:
            at = tokens(dockerfile, stage.instructions[0]).words[0].span
            fix = Fix("write the stage's name in lower case", (mend.replaced(at, lower),), safe=False)
            message = f"{words[0]} is not the stage {lower}: a FROM compares the name with its case"
            yield Problem(stage.line, message, stage=stage.label, at=at, fix=fix)
        if len(words) == 3:
            names.add(words[2].lower())
            if not words[2].islower() and words[2] != words[2].lower():
                at = tokens(dockerfile, stage.instructions[0]).words[2].span
                fix = Fix("write the stage's name in lower case", (mend.replaced(at, words[2].lower()),))
                message = f"the stage {words[2]} is known as {words[2].lower()}"
                yield Problem(stage.line, message, stage=stage.label, at=at, fix=fix)


RULE = Rule(
    id="stage-name-casing",
    severity=Severity.INFO,
    hint="write it in lower case everywhere",
    look=look,
)
