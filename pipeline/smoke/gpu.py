"""What the engine knows in, a GPU to hand to a container out. Speaks to: the engine's API.

CDI devices come first, then the NVIDIA runtime. SEATRIAL_GPU_DEVICE names another CDI device; one whose kind is not
nvidia.com is a stand-in for tests, and everything made with it is labelled as simulated.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.model import Gpu

KIND = "nvidia.com/gpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A way to give a container its GPU: a CDI device by name, or every GPU through the NVIDIA runtime."""

    name: str
    cdi: bool

    @property
    def simulated(self) -> bool:
        """Whether this is a stand-in."""
        return self.cdi and not self.name.startswith("nvidia.com/")

    def request(self) -> Any:
        """The engine's device request."""
        from docker.types import DeviceRequest

        if self.cdi:
            return DeviceRequest(driver="cdi", device_ids=[self.name])
        return DeviceRequest(count=-1, capabilities=[["gpu"]])


def find_device(info: Mapping[str, Any]) -> Device | None:
    """The GPU of this host, from `docker info`; None when there is none."""
    chosen = os.environ.get("SEATRIAL_GPU_DEVICE")
    if chosen:
        return Device(name=chosen, cdi=True)
    discovered = {str(device.get("ID")) for device in info.get("DiscoveredDevices") or ()}
    named = sorted(one for one in discovered if one.startswith(f"{KIND}="))
    if f"{KIND}=all" in named:
        return Device(name=f"{KIND}=all", cdi=True)
    if named:
        return Device(name=named[0], cdi=True)
    if "nvidia" in (info.get("Runtimes") or {}):
        return Device(name="nvidia runtime", cdi=False)
    return None


def read_facts(container: Any, gpu: Gpu) -> Gpu:
    """Ask nvidia-smi inside the container how many GPUs it sees; None where it has no nvidia-smi."""
    from docker.errors import APIError

    question = ["nvidia-smi", "--query-gpu=driver_version,name", "--format=csv,noheader"]
    try:
        answer = container.exec_run(question, demux=True)
    except APIError:
        return gpu  # the container has ended; its other probes say why
    stdout = (answer.output[0] or b"").decode("utf-8", "replace")
    if answer.exit_code != 0:
        return gpu
    rows = [line for line in stdout.splitlines() if line.strip()]
    driver = rows[0].split(",")[0].strip() if rows else None
    return dataclasses.replace(gpu, visible=len(rows), driver=driver)
