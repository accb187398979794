"""torch-without-this-python: a release of torch, tensorflow or the like that has no wheel for the image's Python."""

from collections.abc import Iterator

from packaging.version import Version

from pipeline import facts
from pipeline.analysis.systems import interpreter
from pipeline.analysis.wheels import shipped_wheels
from pipeline.analysis.wording import dotted
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity, Stage


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each pinned wheel that ships and that was not made for the Python of the stage that installs it."""
    stages = {stage.label: stage for stage in dockerfile.stages}
    for wheel in shipped_wheels(dockerfile, context):
        if wheel.version is None or wheel.stage not in stages:
            continue
        known = facts.wheel_pythons(wheel.name, wheel.version)
        python = _python(dockerfile, stages[wheel.stage]) if known else None
        if known and python is not None and python not in known:
            older = Version(python) < Version(known[0])
            yield Problem(
                wheel.line,
                f"{wheel.name} {wheel.version} has wheels for Python {known[0]} to {known[-1]}; this stage has "
                f"{python}, which is {'older' if older else 'newer'}",
                stage=wheel.stage,
            )


def _python(dockerfile: Dockerfile, stage: Stage) -> str | None:
    found = interpreter(dockerfile, stage)
    return dotted(found.version) if found else None


RULE = Rule(
    id="torch-without-this-python",
    severity=Severity.ERROR,
    hint="take a release that has wheels for this Python, or a base image with a Python that the release knows",
    look=look,
)
