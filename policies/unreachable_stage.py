"""unreachable-stage: a stage without a name that no other stage uses, so that nothing ever builds it."""

from collections.abc import Iterator

from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each FROM above the last one without a name that is not needed. A name may be somebody's target."""
    last = dockerfile.stages[-1].index
    for stage in dockerfile.stages:
        if stage.name is None and not stage.needed and stage.index != last:
            yield Problem(stage.line, "nothing is built on this stage or copied from it", stage=stage.label)


RULE = Rule(
    id="unreachable-stage",
    severity=Severity.WARNING,
    hint="delete it, or name it if `--target` builds it",
    look=look,
)
