"""What an input names, as a value: a Dockerfile with what it is built with. Speaks to: nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from pipeline.model.service import Place, Service

_NONE: Mapping[str, str] = MappingProxyType({})


class Subject(NamedTuple):
    """A Dockerfile to judge, with what it is built with. Two that differ in nothing that counts are one.

    `text` is set where the Dockerfile stands inside another file, which `dockerfile` then names; its lines are those
    of that file. `label` is what a message calls it: "", "variant cu124", "service api of compose.yaml".
    """

    dockerfile: Path
    context: Path | None
    build_args: Mapping[str, str] = _NONE
    target: str | None = None
    label: str = ""
    origin: Place | None = None  # the line that named it
    service: Service | None = None
    recipe: Any | None = None  # what `beside.read` makes of the image.yaml that speaks of it
    text: str | None = None
    only_service: bool = False  # nothing but the service is left to judge: its Dockerfile came before, or is none
