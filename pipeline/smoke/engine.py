"""A recipe in, a hardened container out, and its end. Speaks to: the engine's API through the docker SDK."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.errors import EngineDown, PipelineError
from pipeline.model import Image, Outcome
from pipeline.recipe import Recipe
from pipeline.smoke.gpu import Device

LABEL = "seatrial.smoke"  # marks our containers; its value is the process that made it
OWNER = "seatrial.smoke.owner"  # which process that is, beyond doubt: numbers are used again


@contextmanager
def connected() -> Iterator[Any]:
    """A client of the engine; a connection that breaks becomes EngineDown, a refusal PipelineError."""
    import docker
    from docker.errors import APIError, DockerException, NotFound
    from requests.exceptions import ConnectionError as Unreachable
    from requests.exceptions import Timeout

    try:
        client = docker.from_env(timeout=120)
    except DockerException as error:
        raise EngineDown(
            f"no container engine answers: {error}", hint="`setup` starts one; `doctor` says more"
        ) from None
    try:
        yield client
    except (Unreachable, Timeout) as error:
        raise EngineDown(f"the container engine went away: {error}", hint="`doctor` says whether it runs") from None
    except NotFound as error:
        raise PipelineError(f"somebody removed the container or its image during the smoke test: {error.explanation}",
                            hint="run the command again") from None  # fmt: skip
    except APIError as error:
        raise PipelineError(f"the engine failed during the smoke test: {error.explanation or error}",
                            hint="`doctor` says whether it runs; then run the command again") from None  # fmt: skip
    finally:
        client.close()


def create(client: Any, image: Image, recipe: Recipe, device: Device | None) -> Any:
    """Create the container, not started. Raises PipelineError for volumes or variables that are not there."""
    from docker.errors import APIError

    settings = recipe.smoke
    try:
        return client.containers.create(
            image.runnable,
            settings.command,
            environment=_environment(recipe),
            ports={f"{port}/tcp": ("127.0.0.1", None) for port in _ports(recipe)},
            volumes=_volumes(recipe),
            tmpfs={path: "rw,nosuid,nodev,mode=1777" for path in settings.tmpfs} if settings.read_only else {},
            read_only=settings.read_only,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            pids_limit=settings.pids,
            mem_limit=settings.memory,
            memswap_limit=settings.memory,
            shm_size=settings.shm_size,
            init=settings.init or None,
            device_requests=[device.request()] if device else None,
            labels={LABEL: str(os.getpid()), OWNER: _owner(os.getpid())},
            detach=True,
        )
    except APIError as error:
        raise PipelineError(f"{recipe.name}: the engine refuses the container: {error.explanation}",
                            hint="compare `smoke:` in image.yaml with what the engine says") from None  # fmt: skip


def sweep(client: Any) -> int:
    """Remove the containers of runs on this machine that were killed; return how many there were."""
    from docker.errors import APIError, NotFound

    ended = 0
    for container in client.containers.list(all=True, filters={"label": OWNER}, ignore_removed=True):
        maker, owner = container.labels.get(LABEL, ""), container.labels[OWNER]
        if owner.rpartition(" ")[0] != _here() or (maker.isdecimal() and owner == _owner(int(maker))):
            continue  # of another machine, another container's processes, or of a run that is under way
        with suppress(NotFound, APIError):  # two runs may sweep at once
            container.remove(force=True, v=True)
            ended += 1
    return ended


def _here() -> str:
    """Where process numbers mean what they mean here: this boot of this machine, and its view of processes."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {Path('/proc/self/ns/pid').stat().st_ino}"


def _owner(pid: int) -> str:
    """A process by when it started; a number that belongs to none starts at "gone"."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return f"{_here()} gone"
    return f"{_here()} {stat.rpartition(')')[2].split()[19]}"  # field 22: clock ticks since boot


def hardening(recipe: Recipe) -> tuple[str, ...]:
    """The limits a container of this recipe runs under, in words."""
    settings = recipe.smoke
    words = ["no new privileges", "all capabilities dropped", f"{settings.pids} processes",
             f"{settings.memory / 2**20:.0f} MiB of memory"]  # fmt: skip
    return (*words, "read-only root" if settings.read_only else "writable root")


@contextmanager
def removed(container: Any) -> Iterator[Any]:
    """The container; afterwards it is gone, also one that never started (the engine keeps those)."""
    from docker.errors import APIError, NotFound
    from requests.exceptions import ConnectionError as Unreachable

    try:
        yield container
    finally:
        # An engine that is gone cannot remove anything; the error that said so is already under way.
        with suppress(NotFound, APIError, Unreachable):
            container.remove(force=True, v=True)


def start(container: Any) -> Outcome:
    """Start it; an engine that cannot is an outcome, with the engine's reason in plain words."""
    from docker.errors import APIError

    began = time.monotonic()
    try:
        container.start()
    except APIError as error:
        reason = str(error.explanation)
        return Outcome(probe="starts", outcome="failed", because=_plain(reason), saw=reason[:500], seconds=None)
    return Outcome(probe="starts", outcome="passed", because=None, saw=None,
                   seconds=round(time.monotonic() - began, 3))  # fmt: skip


def ended(container: Any) -> int | None:
    """The exit code of a container that no longer runs; None while it does."""
    container.reload()
    state = container.attrs["State"]
    return None if state["Running"] else int(state["ExitCode"])


def stop(container: Any, patience: float) -> tuple[float, int]:
    """Ask it to end, make it after `patience`; seconds and exit code."""
    began = time.monotonic()
    container.stop(timeout=max(1, round(patience)))
    seconds = round(time.monotonic() - began, 3)
    return seconds, int(container.wait(timeout=30)["StatusCode"])


def logs(container: Any, lines: int) -> str:
    """The last lines of stdout and stderr together."""
    from docker.errors import APIError

    try:
        return str(container.logs(tail=lines).decode("utf-8", "replace"))
    except APIError:
        return ""  # a container that never started has none


def _plain(reason: str) -> str:
    """What the engine's sentence means for the person who reads it."""
    for sign, meaning in (
        (
            "could not select device driver",
            "the engine knows no NVIDIA runtime: install the NVIDIA container toolkit",
        ),
        ("unresolvable CDI devices", "the CDI device does not exist on this host"),
        ("error running hook", "a hook of the CDI specification is missing on this host"),
        ("executable file not found", "the image has no such program: check `command:` and its ENTRYPOINT"),
        ("permission denied", "the image's program may not be executed by its user"),
        ("no such file or directory", "the program, its interpreter, or a mounted path does not exist"),
    ):
        if sign in reason:
            return meaning
    return "the engine could not start it"


def _environment(recipe: Recipe) -> dict[str, str]:
    found = dict(recipe.smoke.env)
    for name in recipe.smoke.env_from_host:
        if name not in os.environ:
            raise PipelineError(f"{recipe.name}: `smoke.env_from_host` names {name}, which is not set",
                                hint=f"export {name}=…")  # fmt: skip
        found[name] = os.environ[name]
    return found


def _ports(recipe: Recipe) -> list[int]:
    asked = [*recipe.smoke.probes, *([recipe.smoke.readiness] if recipe.smoke.readiness else [])]
    return sorted({probe.port for probe in asked if probe.port is not None})


def _volumes(recipe: Recipe) -> list[str]:
    """Binds with absolute sources; a source that is not there is an error, not a fresh empty folder."""
    found = []
    for volume in recipe.smoke.volumes:
        source, _, rest = volume.partition(":")
        path = (recipe.folder / Path(source).expanduser()).resolve()
        if not path.exists():
            raise PipelineError(f"{recipe.name}: `smoke.volumes` names {path}, which does not exist",
                                hint="create it, or let a `prepare:` step make it")  # fmt: skip
        found.append(f"{path}:{rest or source}")
    return found
