"""reservation-without-capability: a compose service reserves a device and does not say what it must be able to do."""

from collections.abc import Iterator

from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.model.service import Service, problem


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each device of the reservations that has no list of capabilities."""
    service: Service = context.service
    for one in service.reservations:
        if not one.complete:
            message = f"{service.name} reserves a device without `capabilities`: compose refuses to start it"
            yield problem(one.place, message)


RULE = Rule(
    id="reservation-without-capability",
    severity=Severity.ERROR,
    hint="add `capabilities: [gpu]` to the device",
    look=look,
    of_service=True,
)
