"""shared-memory-too-small: a compose service runs a model server with the default 64 MB of shared memory."""

import re
from collections.abc import Iterator

from pipeline.analysis.service_needs import shares_memory
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.model.service import Service, problem

_SMALL = r"(?i)(\d+(?:\.\d+)?)\s*([kmg]?)b?"
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_DEFAULT = 64 << 20


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the service on vLLM, SGLang, Triton, TensorRT-LLM or TGI with no more than the default in /dev/shm."""
    service: Service = context.service
    if not service.whole or "ipc" in service.places or any("/dev/shm" in one.text for one in service.volumes):
        return
    place = service.places.get("shm_size")
    if "tmpfs" in service.places or (place is not None and (_bytes(service.shm_size) or _DEFAULT + 1) > _DEFAULT):
        return
    server = shares_memory(dockerfile) if service.may_get_gpu else None
    if server is not None:
        has = "64 MB, the default," if place is None else service.shm_size
        yield problem(place or service.place, f"{service.name} runs {server} with {has} of shared memory")


def _bytes(size: str | None) -> float | None:
    found = re.fullmatch(_SMALL, size or "")
    return float(found[1]) * _UNITS[found[2].lower()] if found else None


RULE = Rule(
    id="shared-memory-too-small",
    severity=Severity.WARNING,
    hint="`shm_size: 1gb` or more, or `ipc: host`",
    look=look,
    of_service=True,
)
