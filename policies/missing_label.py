"""missing-label: a label that the policy asks for and the image does not carry."""

from collections.abc import Iterator

from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each label of the parameter `labels` (names, or names with types) that no shipped stage sets."""
    wanted = [str(name) for name in context.parameters.get("labels", ())]
    if not wanted:
        return
    there = {
        key.strip("\"'")
        for stage in dockerfile.shipped()
        for instruction in stage.instructions
        if instruction.keyword == "LABEL"
        for key in instruction.words[::3]
    }
    if any("$" in key for key in there):
        return  # a name made of a variable: which one it is, the build decides
    for name in wanted:
        if name not in there:
            yield Problem(dockerfile.final.line, f"the label {name} is missing", stage=dockerfile.final.label)


RULE = Rule(
    id="missing-label",
    severity=Severity.WARNING,
    hint='write LABEL name="value" in the stage that ships',
    look=look,
    takes={"labels": "texts"},
)
