"""engine-socket-mounted: a compose service is given the socket of the container engine."""

import re
from collections.abc import Iterator

from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.model.service import Service, problem

_SOCKET = r"(?:/var)?/run/(?:docker|podman/podman|containerd/containerd|crio/crio|balena-engine)\.sock"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each mount of an engine's socket."""
    service: Service = context.service
    for one in service.volumes:
        source = one.text.partition(":")[0]
        if re.fullmatch(_SOCKET, source):
            yield problem(one.place, f"with {source}, {service.name} may start containers that own the machine")


RULE = Rule(
    id="engine-socket-mounted",
    severity=Severity.WARNING,
    hint="leave it out; where a few calls are needed, put a proxy before the socket that lets only those through",
    look=look,
    of_service=True,
)
