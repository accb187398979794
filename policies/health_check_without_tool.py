"""health-check-without-tool: a HEALTHCHECK calls a program that the image does not have."""

from collections.abc import Iterator

from pipeline.analysis import contents
from pipeline.analysis.bases import as_written, shipped_base
from pipeline.analysis.health import health_check
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.parse import tokens


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the HEALTHCHECK whose program neither the base has, as far as it is known, nor anything installs."""
    health = health_check(dockerfile)
    if health is None:
        return
    where = tokens(dockerfile, health.instruction).whole
    base = as_written(shipped_base(dockerfile))
    if not health.instruction.json_form and contents.lacks(dockerfile, "sh"):
        message = f"this health check needs a shell, and {base} has none"
        yield Problem(health.instruction.line, message, stage=health.stage.label, at=where)
        return
    for command in health.commands:
        program = contents.tool(command.program)
        if program is not None and contents.lacks(dockerfile, program):
            message = f"{base} has no {command.program}, and nothing in this file installs it: always unhealthy"
            hint = None if program == "python" else _hint(dockerfile)
            yield Problem(health.instruction.line, message, stage=health.stage.label, at=where, hint=hint)
            return


def _hint(dockerfile: Dockerfile) -> str | None:
    if contents.has_python(dockerfile):
        return "ask with what is there: python -c \"import urllib.request as r; r.urlopen('http://localhost:8000/health')\""
    return None


RULE = Rule(
    id="health-check-without-tool",
    severity=Severity.WARNING,
    hint="install it in the stage that ships, or ask with a program that the image has",
    look=look,
)
