"""missing-healthcheck: an image that nobody can ask whether it works."""

from collections.abc import Iterator

from pipeline.analysis.walk import by_keyword
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the final FROM when no shipped stage has a HEALTHCHECK, not even NONE."""
    if not any(stage.ships for _, stage in by_keyword(dockerfile).get("HEALTHCHECK", ())):
        final = dockerfile.final
        yield Problem(final.line, "there is no HEALTHCHECK", stage=final.label)


RULE = Rule(
    id="missing-healthcheck",
    severity=Severity.INFO,
    hint="add HEALTHCHECK with a --start-period that lets the model load, or HEALTHCHECK NONE",
    look=look,
    by_default=False,
)
