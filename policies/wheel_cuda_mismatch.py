"""wheel-cuda-mismatch: a wheel made for another CUDA major version than the base image's."""

from collections.abc import Iterator

from pipeline import facts
from pipeline.analysis.bases import shipped_base
from pipeline.analysis.installs.conda import conda_cuda
from pipeline.analysis.wheels import shipped_wheels
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each wheel and conda package whose CUDA major version is known and is not the shipped base's."""
    stage = shipped_base(dockerfile)
    base = facts.gpu_base(stage.image)
    if base is None or base.cuda is None:
        return
    for wheel in shipped_wheels(dockerfile, context):
        cuda = wheel.cuda or facts.wheel_cuda(wheel.name, wheel.version, wheel.variant)
        if cuda is not None and cuda.major != base.cuda.major:
            by_index = wheel.variant and not (wheel.version and wheel.version.local)
            where = f" from the {wheel.variant} index" if by_index else ""
            message = f"{wheel.title}{where} is made for CUDA {cuda}, the base has CUDA {base.cuda}"
            yield Problem(wheel.line, message, stage=wheel.stage)
    for one in conda_cuda(dockerfile, context):
        if one.cuda is not None and one.cuda.major != base.cuda.major:
            message = f"{one.name} of conda brings CUDA {one.cuda}, the base has CUDA {base.cuda}"
            yield Problem(one.line, message, stage=one.stage)


RULE = Rule(
    id="wheel-cuda-mismatch",
    severity=Severity.WARNING,
    hint="take the wheel for the base's CUDA major version, or a base for the wheel's",
    look=look,
)
