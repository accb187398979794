"""gpu-driver-misnamed: a compose service asks for its GPU from a driver that no engine has."""

import re
from collections.abc import Iterator

from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.model.service import Service, problem

_NO_DRIVER = r"(?i).*/.*|gpu|cuda|nvidia-(?:docker2?|runtime|container-(?:runtime|toolkit)|smi)|nvidia=.*"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each reservation whose driver is a device's name, a runtime's or a package's."""
    service: Service = context.service
    for one in service.reservations:
        if one.driver is not None and re.fullmatch(_NO_DRIVER, one.driver):
            message = f"no engine has a device driver called {one.driver}: {service.name} cannot start"
            yield problem(one.place, message, hint=_CDI if "/" in one.driver else None)


_CDI = "`driver: nvidia`; a CDI device is asked for by `driver: cdi` with `device_ids: [nvidia.com/gpu=all]`"

RULE = Rule(
    id="gpu-driver-misnamed",
    severity=Severity.ERROR,
    hint="`driver: nvidia`, or no driver at all",
    look=look,
    of_service=True,
)
