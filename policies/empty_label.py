"""empty-label: a label that is set to nothing."""

from collections.abc import Iterator

from pipeline.analysis.walk import placed, resolved
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.parse import tokens


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each label of a shipped stage whose value is empty or blank. One from an ARG without a value is not."""
    for instruction, stage in placed(dockerfile, "LABEL"):
        for number, (key, word) in enumerate(zip(instruction.words[::3], instruction.words[1::3], strict=False)):
            if stage.ships and not word.strip("\"' \t"):
                at = tokens(dockerfile, instruction).words[3 * number].span
                name = resolved(dockerfile, stage, key) or key
                yield Problem(instruction.line, f"the label {name} is empty", stage=stage.label, at=at)


RULE = Rule(
    id="empty-label",
    severity=Severity.INFO,
    hint="give it a value, or delete it",
    look=look,
)
