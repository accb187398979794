"""A Dockerfile and the compose service that runs it in, what that needs of the machine out. Speaks to: nothing."""

from __future__ import annotations

import re

from pipeline import facts
from pipeline.analysis.health import model_server
from pipeline.model import Dockerfile
from pipeline.model.service import Service

_CPU = r"(?i)(?:^|[^a-z0-9])cpu(?:$|[^a-z0-9])"
_HIDDEN = ("", "-1", "none", "NoDevFiles")  # values of CUDA_VISIBLE_DEVICES
# Servers that pass tensors between processes through /dev/shm.
_SHARE_MEMORY = ("vllm", "sglang", "tgi", "triton", "tensorrt-llm")


def needs_gpu(dockerfile: Dockerfile, service: Service) -> str | None:
    """Return the NVIDIA image that a service runs on; None for one that is not for GPUs, or is run on the CPU."""
    image = dockerfile.final.image
    base = facts.gpu_base(image)
    if base is None or base.vendor != "nvidia" or (facts.reference(image or "").tag or "").endswith("-sdk"):
        return None
    if base.name != "nvidia/cuda" and base.framework is None and base.cuda is None:
        return None  # others of NVIDIA's images: not all of them compute
    return None if _on_cpu(service) else image


def _on_cpu(service: Service) -> bool:
    place = "/".join(service.place.file.split("/")[-4:])  # deploy/cpu/xeon/compose.yaml
    if any(re.search(_CPU, word) for word in (place, service.name, service.image or "", *service.words)):
        return True
    for one in service.settings:
        if one.name == "CUDA_VISIBLE_DEVICES" and one.value in _HIDDEN:
            return True
        if one.value.lower() == "cpu" or (one.name == "NVIDIA_VISIBLE_DEVICES" and one.value in ("", "none", "void")):
            return True
    return False


def shares_memory(dockerfile: Dockerfile) -> str | None:
    """Return the server in an image that shares memory between its processes: `vllm`; None for others."""
    base = facts.gpu_base(dockerfile.final.image)
    if base is not None and base.framework is not None:
        found = base.framework
    else:
        found = {"text-generation-launcher": "tgi", "tritonserver": "triton"}.get(
            server := model_server(dockerfile) or "", server
        )
    return found if found in _SHARE_MEMORY and "-sdk" not in (dockerfile.final.image or "") else None
