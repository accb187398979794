"""reserved-stage-name: a stage called `scratch` or `context`, which mean something else."""

from collections.abc import Iterator

from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each FROM that names its stage with a word that BuildKit keeps for itself."""
    for stage in dockerfile.stages:
        if stage.name in ("scratch", "context"):
            meaning = "the empty image" if stage.name == "scratch" else "the build context"
            yield Problem(stage.line, f"`{stage.name}` is {meaning}, not a name for a stage", stage=stage.label)


RULE = Rule(
    id="reserved-stage-name",
    severity=Severity.WARNING,
    hint="call the stage otherwise",
    look=look,
)
