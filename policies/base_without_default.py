"""base-without-default: a FROM that names no image until somebody hands in a build argument."""

from collections.abc import Iterator

from pipeline.analysis.bases import problem_with
from pipeline.analysis.walk import global_arguments, missing
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each FROM of a needed stage that rests on ARGs which are declared above it and have no value."""
    declared = {word for one in global_arguments(dockerfile) for word in one.words if "=" not in word}
    for stage in dockerfile.stages if declared else ():
        if stage.image is not None or not stage.needed or stage.parent is not None:
            continue
        names = missing(dockerfile, (stage.base,))
        if names and names <= declared:
            yield problem_with(stage, dockerfile, f"there is no base until --build-arg {min(names)}=… gives one")


RULE = Rule(
    id="base-without-default",
    severity=Severity.INFO,
    hint="give the ARG a default that builds",
    look=look,
    by_default=False,
)
