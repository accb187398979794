"""too-many-layers: more layers than storage drivers can stack."""

from collections.abc import Iterator

from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

MOST = 100  # the base brings some of the 127 that overlay file systems take
_MAKE_LAYERS = frozenset({"RUN", "COPY", "ADD", "WORKDIR"})


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the instruction with which the shipped stages make more layers than the parameter `most` (100)."""
    most = int(context.parameters.get("most", MOST))
    if len(dockerfile.instructions) <= most:
        return
    made = 0
    for stage in reversed(tuple(dockerfile.shipped())):
        for instruction in stage.instructions:
            made += instruction.keyword in _MAKE_LAYERS
            if made > most:
                message = f"layer {made} of this file, and the base has some as well"
                yield Problem(instruction.line, message, stage=stage.label)
                return


RULE = Rule(
    id="too-many-layers",
    severity=Severity.WARNING,
    hint="join RUNs that belong together, copy several files at once, or ship a stage that copies the result",
    look=look,
    takes={"most": "number"},
)
