"""rocm-and-cuda: a wheel for NVIDIA's GPUs on an image for AMD's, or the other way round."""

from collections.abc import Iterator

from pipeline import facts
from pipeline.analysis.wheels import shipped_wheels
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each wheel that ships and is made for the other maker's GPUs."""
    base = facts.gpu_base(dockerfile.final.image)
    if base is None:
        return
    for wheel in shipped_wheels(dockerfile, context):
        rocm = (wheel.variant or "").startswith("rocm")
        if base.vendor == "amd" and not rocm and (wheel.brings_cuda or wheel.cuda is not None):
            how = "" if wheel.variant else " as the default index has it"
            message = f"{wheel.title}{how} is made for NVIDIA's CUDA, the base {base.name} for AMD"
            yield Problem(wheel.line, message, stage=wheel.stage)
        elif base.vendor == "nvidia" and rocm:
            message = f"{wheel.title} from {wheel.variant} is made for AMD, the base {base.name} has CUDA"
            yield Problem(wheel.line, message, stage=wheel.stage)


RULE = Rule(
    id="rocm-and-cuda",
    severity=Severity.ERROR,
    hint="take the wheel from torch's index for this maker: …/whl/rocm6.3 or …/whl/cu128",
    look=look,
)
