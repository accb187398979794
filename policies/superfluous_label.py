"""superfluous-label: a label that is not on the policy's list."""

from collections.abc import Iterator

from pipeline.analysis.walk import placed, resolved
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.parse import tokens


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each label of a shipped stage that the parameter `labels` (a list, or names with types) does not hold."""
    allowed = {str(name) for name in context.parameters.get("labels", ())}
    for instruction, stage in placed(dockerfile, "LABEL") if allowed else ():
        for number, key in enumerate(instruction.words[::3]):
            name = resolved(dockerfile, stage, key)
            if stage.ships and name is not None and name not in allowed:
                at = tokens(dockerfile, instruction).words[3 * number].span
                message = f"the label {name} is not one of the policy's"
                yield Problem(instruction.line, message, stage=stage.label, at=at)


RULE = Rule(
    id="superfluous-label",
    severity=Severity.INFO,
    hint="delete it, or add it to the rule's `labels` in policy.yaml",
    look=look,
    takes={"labels": "texts"},
)
