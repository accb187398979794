"""onbuild-in-final-image: instructions that wait in the shipped image for whoever builds on it."""

from collections.abc import Iterator

from pipeline.analysis.walk import placed
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each ONBUILD of the final stage; those of the stages below it have run by then."""
    for instruction, stage in placed(dockerfile, "ONBUILD"):
        if stage is dockerfile.final:
            message = f"whoever builds on this image runs this {instruction.words[0]} without seeing it"
            yield Problem(instruction.line, message, stage=stage.label)


RULE = Rule(
    id="onbuild-in-final-image",
    severity=Severity.INFO,
    hint="write it in the Dockerfiles that build on this image",
    look=look,
    by_default=False,
)
