"""privileged-service: a compose service runs privileged."""

import re
from collections.abc import Iterator

from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.model.service import Service, problem

_ENGINE_INSIDE = r"(?i)(?:^|[-:/._])dind(?:$|[-:._])|moby/buildkit"  # it cannot run otherwise


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield `privileged: true`, but for an engine inside of a container."""
    service: Service = context.service
    if not service.privileged or re.search(_ENGINE_INSIDE, dockerfile.final.image or ""):
        return
    yield problem(service.places["privileged"], f"{service.name} has every right on the machine that root has")


RULE = Rule(
    id="privileged-service",
    severity=Severity.WARNING,
    hint="name what it needs: `devices:`, `cap_add:`; a GPU needs no privilege, only a reservation",
    look=look,
    of_service=True,
)
