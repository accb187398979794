"""The registry's address in, a registry that answers there out. Speaks to: docker-registry, HTTP on loopback."""

from __future__ import annotations

import http.client
import ipaddress
import secrets
from collections.abc import Callable
from enum import StrEnum
from urllib.parse import urlsplit

import yaml

from pipeline import settings, tools
from pipeline.errors import PipelineError, RegistryFailed, ToolMissing
from pipeline.setup import daemons

NAME = "registry"
PATIENCE = 20  # seconds; a start takes well under one
PROGRAMS = ("docker-registry", "registry")  # Debian's name, upstream's


class Answer(StrEnum):
    """What is at an address."""

    REGISTRY = "registry"
    LOGIN = "wants a login"
    NOTHING = "nothing"
    OTHER = "something else"


def address(name: str | None = None) -> tuple[str, int]:
    """Host and port of a registry name, by default `settings.registry()`'s. Raises PipelineError for nonsense."""
    text = (name or settings.registry()).partition("/")[0]
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise PipelineError(f"no registry address: {text!r}", hint="SEATRIAL_REGISTRY is HOST:PORT")
    return host, port or (80 if _loopback(host) else 443)


def is_loopback(name: str | None = None) -> bool:
    """Whether the registry is this machine's own business."""
    return _loopback(address(name)[0])


def look(name: str | None = None, *, timeout: float = 3) -> Answer:
    """Say what answers at a registry's address: plain HTTP on loopback, TLS everywhere else."""
    host, port = address(name)
    kind = http.client.HTTPConnection if _loopback(host) else http.client.HTTPSConnection
    connection = kind(host, port, timeout=timeout)
    try:
        connection.request("GET", "/v2/", headers={"Accept": "application/json"})
        response = connection.getresponse()
        speaks = response.getheader("Docker-Distribution-Api-Version", "").startswith("registry/2")
        body = response.read(64)
    except TimeoutError:
        return Answer.OTHER if _loopback(host) else Answer.NOTHING
    except OSError:
        return Answer.NOTHING
    except http.client.HTTPException:
        return Answer.OTHER
    finally:
        connection.close()
    if response.status == 401 and (speaks or response.getheader("WWW-Authenticate")):
        return Answer.LOGIN
    return Answer.REGISTRY if response.status == 200 and (speaks or body.strip() == b"{}") else Answer.OTHER


def program() -> str | None:
    """Where the registry's program is, or None."""
    return next((str(found) for name in PROGRAMS if (found := tools.find(name))), None)


def start(say: Callable[[str], None]) -> None:
    """Start a registry at `settings.registry()`, which must be loopback, and wait until it answers.

    Its images lie in the state folder. Raises RegistryFailed with the end of its log, or when the port is taken.
    """
    host, port = address()
    if look() is Answer.OTHER:
        raise RegistryFailed(
            f"something that is no registry listens on {settings.registry()}",
            hint="end it, or choose another port: SEATRIAL_REGISTRY=127.0.0.1:5001",
        )
    found = program()
    if found is None:
        raise ToolMissing("docker-registry is not installed", hint="run `setup`, or set SEATRIAL_REGISTRY to yours")
    ours = daemons.folder(NAME)
    config, log = ours / "config.yml", ours / "registry.log"
    config.touch(mode=0o600)
    config.write_text(yaml.safe_dump(_configuration(host, port)), encoding="utf-8")
    say(f"starting a registry on {settings.registry()} (log: {log})")
    # Version 3 sends traces to a collector by default; there is none here.
    pid = tools.start_daemon([found, "serve", str(config)], log_file=log, env={"OTEL_TRACES_EXPORTER": "none"})
    daemon = daemons.remember(NAME, pid=pid)
    daemons.wait_until(lambda: look() is Answer.REGISTRY or not daemon.alive, PATIENCE)
    if not daemon.alive or look() is not Answer.REGISTRY:
        daemons.stop(NAME)
        raise RegistryFailed(
            f"the registry did not start on {settings.registry()}; the end of {log}:\n{daemons.last_lines(log)}",
            hint="if the port is taken, choose another: SEATRIAL_REGISTRY=127.0.0.1:5001",
        )


def stop() -> bool:
    """End the registry if setup started it; its images stay. Returns whether there was one to end."""
    return daemons.stop(NAME)


def _configuration(host: str, port: int) -> dict[str, object]:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {
            "filesystem": {"rootdirectory": str(daemons.folder(NAME) / "data")},
            "delete": {"enabled": True},
        },
        "http": {"addr": where, "secret": secrets.token_hex(16)},
    }


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
