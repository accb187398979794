"""A compose file in, its services and what they build out. Speaks to: the files that it extends and includes.

Names are the Compose Specification's. Files outside of `root` are not opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.inputs.compose_files import Files, Unknown
from pipeline.inputs.service import Reservation, Service
from pipeline.inputs.subject import Place
from pipeline.inputs.yamltree import Items, Map, Words, plain


class Build(NamedTuple):
    """What a service is built from. None: not written, or not known here."""

    context: Path | None  # None also for one that is no folder of this machine
    dockerfile: str
    inline: Words | None  # a Dockerfile inside the compose file
    build_args: Mapping[str, str]
    target: str | None
    place: Place


class Found(NamedTuple):
    """A service and its build, if it has one that can be told."""

    service: Service
    build: Build | None


def services(file: Path, root: Path) -> Iterator[Found]:
    """Every service of a compose file, with those that it includes, whatever their profiles. Raises BadFile.

    An override file of the same name beside it is merged, as `docker compose` does.
    """
    files = Files(root)
    tree = files.project(file)
    for name, value in tree.items():
        if isinstance(value, Map):
            place = tree.places[name]
            yield Found(_service(name, value, place), _build(value))


def _build(service: Map) -> Build | None:
    build = service.get("build")
    if not isinstance(build, Map):
        return None
    place = service.places["build"]
    context, dockerfile = build.get("context", Path(place.file).parent), build.get("dockerfile", "Dockerfile")
    target, inline = build.get("target"), build.get("dockerfile_inline")
    if isinstance(target, Unknown) or not isinstance(dockerfile, str) or isinstance(inline, Unknown):
        return None
    args = {name: plain(value) for name, value in build.part("args").items()}
    return Build(
        context=context if isinstance(context, Path) else None,
        dockerfile=dockerfile,
        inline=inline if isinstance(inline, Words) else None,
        build_args={name: value for name, value in args.items() if value is not None},
        target=target if isinstance(target, str) and target else None,
        place=place,
    )


def _service(name: str, value: Map, place: Place) -> Service:
    reserved = value.part("deploy").part("resources").part("reservations").items_of("devices")
    gpus = value.get("gpus")
    healthcheck = value.get("healthcheck")
    return Service(
        name=name,
        place=place,
        image=plain(value.get("image")),
        reservations=(*_reservations(reserved, own=True), *_reservations(value.items_of("gpus"), own=False)),
        all_gpus=gpus == "all" or isinstance(gpus, Unknown) or (isinstance(gpus, int) and gpus is not False),
        runtime=plain(value.get("runtime")),
        healthcheck=healthcheck if isinstance(healthcheck, Map) else None,
        volumes=tuple(_volumes(value.items_of("volumes"))),
        environment={key: plain(one) for key, one in value.part("environment").items()},
        shm_size=plain(value.get("shm_size")),
        ipc=plain(value.get("ipc")),
        user=plain(value.get("user")),
        privileged=value.get("privileged") is True,
        places=value.places,
    )


def _reservations(devices: Items, *, own: bool) -> Iterator[Reservation]:
    """`gpus` is the same list, and asks for the capability `gpu` by itself."""
    for device, place in zip(devices, devices.places, strict=True):
        if isinstance(device, Map):
            named = device.get("capabilities")
            capabilities = tuple(filter(None, map(plain, named))) if isinstance(named, Items) else None
            ids = device.get("device_ids")
            yield Reservation(
                place=place,
                capabilities=capabilities if own else (*(capabilities or ()), "gpu"),
                driver=plain(device.get("driver")),
                number=plain(device.get("count")),
                device_ids=tuple(filter(None, map(plain, ids))) if isinstance(ids, Items) else None,
            )


def _volumes(volumes: Items) -> Iterator[str]:
    for one in volumes:
        if isinstance(one, Map):
            source, target = plain(one.get("source")), plain(one.get("target"))
            mode = ":ro" if one.get("read_only") is True else ""
            if target:
                yield f"{source}:{target}{mode}" if source else target
        elif isinstance(one, str):
            yield str(one)
