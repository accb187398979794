"""health-check-too-early: a model server that is called unhealthy before it has read its weights."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.health import HealthCheck, health_check, model_server
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity
from pipeline.parse import tokens

_ENOUGH = 60.0  # seconds of --start-period
_PATIENT = 180.0  # seconds that many failed checks may take as well
_MENDED = "120s"  # what Kubernetes guides for vLLM wait at first


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the HEALTHCHECK of a model server whose start period, with its retries, leaves no time to load."""
    health = health_check(dockerfile)
    if health is None or health.start_period >= _ENOUGH or health.patience >= _PATIENT:
        return
    server = model_server(dockerfile)
    if server is None:
        return
    given = f"a start period of {_spoken(health.start_period)}" if health.start_period else "no start period"
    yield Problem(
        health.instruction.line,
        f"with {given} an image with {server} is called unhealthy {_spoken(health.patience)} after its start",
        stage=health.stage.label,
        at=tokens(dockerfile, health.instruction).whole,
        fix=_fix(dockerfile, health),
    )


def _fix(dockerfile: Dockerfile, health: HealthCheck) -> Fix:
    flag = f"--start-period={_MENDED}"
    for token in tokens(dockerfile, health.instruction).flags:
        if token.text.startswith("--start-period="):
            return Fix(f"wait {_MENDED} for the start", (mend.replaced(token.span, flag),), safe=False)
    edit = mend.flag_added(dockerfile, health.instruction, flag)
    return Fix(f"wait {_MENDED} for the start", (edit,), safe=False)


def _spoken(seconds: float) -> str:
    return f"{seconds:g} s"


RULE = Rule(
    id="health-check-too-early",
    severity=Severity.WARNING,
    hint="--start-period=120s or what your model needs: failures do not count in it, a success ends it at once",
    look=look,
)
