"""A service of a compose file and what it asks for, as values; a problem with it at its line. Speaks to: nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pipeline.model.dockerfile import Problem, Waiver

_NO_GPU = ("", "none", "void")  # values of NVIDIA_VISIBLE_DEVICES


class Place(NamedTuple):
    """A line of a file, counted from 1; and where on it something stands, in characters from 1, if that is known."""

    file: str
    line: int
    column: int | None = None
    end: int | None = None  # the column behind its last character; None when that is on another line


class Reservation(NamedTuple):
    """One device that a compose service asks for. None: not written, or not known here."""

    place: Place
    capabilities: tuple[str, ...] | None
    driver: str | None
    complete: bool = True  # false: it has no list of capabilities for sure, or an empty one


class Setting(NamedTuple):
    """A variable or a build argument with the value that it gets. `varies`: a variable of compose was put in."""

    name: str
    value: str
    place: Place
    varies: bool
    of_build: bool  # a build argument


class Volume(NamedTuple):
    """A mount, in the short form: SOURCE:TARGET[:MODE]."""

    text: str
    place: Place


class Service(NamedTuple):
    """A service of a compose file. `None` is "not written"; what only the environment knows is left out."""

    name: str
    place: Place
    image: str | None
    reservations: tuple[Reservation, ...]
    all_gpus: bool  # `gpus: all`
    runtime: str | None  # "nvidia": the older way to ask for GPUs
    healthcheck: Mapping[str, Any] | None
    shm_size: str | None
    privileged: bool
    places: Mapping[str, Place]  # of its keys
    settings: tuple[Setting, ...] = ()
    volumes: tuple[Volume, ...] = ()
    words: tuple[str, ...] = ()  # its profiles, its command and entrypoint, as far as they are known
    other_gpus: bool = False  # a device, a generic resource or a runtime that may be a GPU, not known for sure
    whole: bool = True  # false: what it extends, or another compose file beside it, may say more
    waivers: tuple[Waiver, ...] = ()  # comments of the compose files that may speak for it

    @property
    def asks_for_gpu(self) -> bool:
        """Does it get a GPU? Not when a reservation lacks the capability, which compose refuses."""
        named = any("gpu" in (one.capabilities or ()) for one in self.reservations)
        return named or self.all_gpus or self.runtime == "nvidia"

    @property
    def may_get_gpu(self) -> bool:
        """Could it get a GPU, by whatever it asks for, or by a file that is not known here?"""
        return self.asks_for_gpu or bool(self.reservations) or self.other_gpus or not self.whole

    @property
    def visible_devices(self) -> Setting | None:
        """NVIDIA_VISIBLE_DEVICES, where it names GPUs."""
        found = (one for one in self.settings if one.name == "NVIDIA_VISIBLE_DEVICES" and not one.of_build)
        return next((one for one in found if one.value.lower() not in _NO_GPU), None)


def problem(place: Place, message: str, hint: str | None = None) -> Problem:
    """A problem at a place of a compose file."""
    return Problem(place.line, message, file=place.file, column=place.column, end_column=place.end, hint=hint)
