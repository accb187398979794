"""gpu-not-reserved: a compose service runs a CUDA image and asks for no GPU."""

from collections.abc import Iterator

from pipeline.analysis.service_needs import needs_gpu
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.model.service import Service, problem


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the service whose image is made for GPUs if nothing in it, or in a file beside it, may give it one."""
    service: Service = context.service
    if service.may_get_gpu or service.visible_devices is not None or service.privileged:
        return
    image = needs_gpu(dockerfile, service)
    if image is not None:
        yield problem(service.place, f"{service.name} runs on {image} and asks for no GPU")


RULE = Rule(
    id="gpu-not-reserved",
    severity=Severity.WARNING,
    hint="`gpus: all`, or deploy.resources.reservations.devices with `capabilities: [gpu]`",
    look=look,
    of_service=True,
)
