"""duplicate-stage-name: two stages with one name."""

from collections.abc import Iterator

from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each FROM whose name an earlier stage has. Names count without their case."""
    first: dict[str, int] = {}
    for stage in dockerfile.stages:
        if stage.name is None:
            continue
        if stage.name in first:
            message = f"a stage is called {stage.name} already, on line {first[stage.name]}"
            yield Problem(stage.line, message, stage=stage.label)
        first.setdefault(stage.name, stage.line)


RULE = Rule(
    id="duplicate-stage-name",
    severity=Severity.WARNING,
    hint="give each stage a name of its own: what is copied `--from` this name is the last stage above that has it",
    look=look,
)
