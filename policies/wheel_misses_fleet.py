"""wheel-misses-fleet: a wheel without code for a GPU of the fleet."""

from collections.abc import Iterator

from packaging.version import Version

from pipeline import facts
from pipeline.analysis.architectures import fleet_of, shown
from pipeline.analysis.wheels import shipped_wheels
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each pinned wheel that ships and was not compiled for a capability of image.yaml's fleet."""
    fleet = fleet_of(context)
    if not fleet:
        return
    for wheel in shipped_wheels(dockerfile, context):
        known = facts.wheel_capabilities(wheel.name, wheel.version, wheel.variant)
        if not known:
            continue
        missed = [shown(one) for one in fleet if not facts.covers(known, Version(shown(one)))]
        if missed:
            many = "a GPU" if len(missed) == 1 else "GPUs"
            yield Problem(
                wheel.line,
                f"{wheel.name} {wheel.version} was compiled for {', '.join(known)}, and the fleet has {many} of "
                f"capability {', '.join(missed)}",
                stage=wheel.stage,
            )


RULE = Rule(
    id="wheel-misses-fleet",
    severity=Severity.ERROR,
    hint="take the wheel of another CUDA version, or another release; or take that GPU out of `fleet` in image.yaml",
    look=look,
)
