"""A service of a compose file, as a value. Speaks to: nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline.inputs.subject import Place


class Reservation(NamedTuple):
    """One device that a compose service asks for. None: not written, or not known here."""

    place: Place
    capabilities: tuple[str, ...] | None
    driver: str | None
    number: str | None  # a number, or "all"
    device_ids: tuple[str, ...] | None


class Service(NamedTuple):
    """A service of a compose file. `None` is "not written"; what only the environment knows is left out."""

    name: str
    place: Place
    image: str | None
    reservations: tuple[Reservation, ...]
    all_gpus: bool  # `gpus: all`
    runtime: str | None  # "nvidia": the older way to ask for GPUs
    healthcheck: Mapping[str, Any] | None
    volumes: tuple[str, ...]  # in the short form: SOURCE:TARGET[:MODE]
    environment: Mapping[str, str | None]  # None: given by whoever starts it
    shm_size: str | None
    ipc: str | None
    user: str | None
    privileged: bool
    places: Mapping[str, Place]  # of its keys

    @property
    def asks_for_gpu(self) -> bool:
        """Does it get a GPU? Not when a reservation lacks the capability, which compose refuses."""
        named = any("gpu" in (one.capabilities or ()) for one in self.reservations)
        return named or self.all_gpus or self.runtime == "nvidia"
