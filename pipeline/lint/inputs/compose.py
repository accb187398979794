"""A compose file in, its services and what they build out. Speaks to: the files that it extends and includes.

Names are the Compose Specification's. Files outside of `root` are not opened.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.lint.inputs.compose_files import Files, Unknown
from pipeline.lint.inputs.yamltree import Items, Map, Words, plain
from pipeline.model import Waiver
from pipeline.model.service import Place, Reservation, Service, Setting, Volume

_SAID = ("profiles", "command", "entrypoint", "container_name")


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

    An override file of the same name beside it is merged, as `docker compose` does. Of one that must be named, like
    compose.gpu.yaml, only is known that its services may say more there.
    """
    files = Files(root)
    tree = files.project(file)
    starts: dict[str, list[int]] = {}
    for place in (*tree.places.values(), *(place for one in files.trees.values() for place in one.places.values())):
        starts.setdefault(place.file, []).append(place.line)
    own = {place[:2] for place in tree.places.values()}
    beside = files.beside(file)
    for name, value in tree.items():
        if isinstance(value, Map):
            place = tree.places[name]
            waivers = tuple(one for one in files.waivers if _may_speak(one, place, starts, own))
            service = _service(name, value, place)
            known = service.whole and not any(f"{name}:" in text for text in beside)
            yield Found(service._replace(waivers=waivers, whole=known), _build(value))


def _may_speak(
    waiver: Waiver, place: Place, starts: Mapping[str, list[int]], services: Container[tuple[object, ...]]
) -> bool:
    """May a comment speak for the service at `place`? Not when it stands in another of the `services`."""
    if waiver.line is None:
        return True
    start = max((line for line in starts.get(waiver.file or "", ()) if line <= waiver.line), default=0)
    return (waiver.file, start) == place[:2] or (waiver.file, start) not in services


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
    reserves = value.part("deploy").part("resources").part("reservations")
    gpus, runtime = value.get("gpus"), value.get("runtime")
    healthcheck = value.get("healthcheck")
    devices = [plain(one) or "nvidia" for one in value.items_of("devices")]
    return Service(
        name=name,
        place=place,
        image=plain(value.get("image")),
        reservations=(
            *_reservations(reserves.items_of("devices"), own=True),
            *_reservations(value.items_of("gpus"), own=False),
        ),
        all_gpus=gpus == "all" or isinstance(gpus, Unknown) or (isinstance(gpus, int) and gpus is not False),
        runtime=plain(runtime),
        healthcheck=healthcheck if isinstance(healthcheck, Map) else None,
        shm_size=plain(value.get("shm_size")),
        privileged=value.get("privileged") is True,
        places=value.places,
        settings=(
            *_settings(value.part("environment"), of_build=False),
            *_settings(value.part("build").part("args"), of_build=True),
        ),
        volumes=tuple(_volumes(value.items_of("volumes"))),
        words=tuple(word for key in _SAID for word in _words(value.get(key))),
        other_gpus=(
            runtime not in (None, "runc")
            or "generic_resources" in reserves
            or any(isinstance(one, Unknown) for one in (value.get("deploy"), reserves.get("devices")))
            or any("nvidia" in one or "/dev/dri" in one or "/dev/kfd" in one or "=" in one for one in devices)
        ),
        whole=not isinstance(value.get("extends"), Unknown),
    )


def _words(value: Any) -> Iterator[str]:
    for one in value if isinstance(value, Items) else (value,):
        if (text := plain(one)) is not None:
            yield text


def _settings(values: Map, *, of_build: bool) -> Iterator[Setting]:
    for name, value in values.items():
        text = plain(value)
        if text is not None:
            varies = isinstance(value, Words) and value.varies
            yield Setting(name, text, values.places[name], varies, of_build)


def _reservations(devices: Items, *, own: bool) -> Iterator[Reservation]:
    """`gpus` is the same list, and asks for the capability `gpu` by itself."""
    for device, place in zip(devices, devices.places, strict=True):
        if isinstance(device, Map):
            named = device.get("capabilities")
            capabilities = tuple(filter(None, map(plain, named))) if isinstance(named, Items) else None
            yield Reservation(
                place=place,
                capabilities=capabilities if own else (*(capabilities or ()), "gpu"),
                driver=plain(device.get("driver")),
                complete=not own or bool(named) or isinstance(named, Unknown),
            )


def _volumes(volumes: Items) -> Iterator[Volume]:
    for one, place in zip(volumes, volumes.places, strict=True):
        if isinstance(one, Map):
            source, target = plain(one.get("source")), plain(one.get("target"))
            mode = ":ro" if one.get("read_only") is True else ""
            if target:
                yield Volume(f"{source}:{target}{mode}" if source else target, place)
        elif isinstance(one, str):
            yield Volume(str(one), place)
