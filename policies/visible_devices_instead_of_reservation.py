"""visible-devices-instead-of-reservation: a compose service names GPUs in a variable, and asks for none."""

from collections.abc import Iterator

from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.model.service import Service, problem


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield NVIDIA_VISIBLE_DEVICES where only NVIDIA's runtime would read it, and another one runs the service."""
    service: Service = context.service
    setting = service.visible_devices
    if setting is None or service.may_get_gpu or service.privileged:
        return
    message = f"only NVIDIA's runtime reads NVIDIA_VISIBLE_DEVICES, and {service.name} does not ask for that runtime"
    yield problem(setting.place, message)


RULE = Rule(
    id="visible-devices-instead-of-reservation",
    severity=Severity.WARNING,
    hint="ask with `gpus: all` or a reservation (its device_ids choose); or set `runtime: nvidia`",
    look=look,
    of_service=True,
)
