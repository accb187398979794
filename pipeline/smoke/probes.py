"""A running container and a probe in, its outcome out. Speaks to: the container's ports, and exec in the engine.

The kinds and their meaning are Kubernetes'; `request` adds what an answer must hold.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.model import Outcome
from pipeline.recipe import Probe, Recipe, Request

LONGEST_BODY = 1_000_000  # bytes of an answer that are read
SHOWN = 400  # characters of an answer that a report shows


def ask(container: Any, probe: Probe, folder: Path) -> Outcome:
    """Ask once. What went wrong, and what came back instead, is in the outcome."""
    began = time.monotonic()
    try:
        because, saw = _answer(container, probe, folder)
    except TimeoutError:
        because, saw = f"no answer within {probe.timeout:g} s", None
    except (OSError, http.client.HTTPException) as error:
        because, saw = f"no answer: {error.__class__.__name__}: {error}", None
    return Outcome(probe=probe.name, outcome="failed" if because else "passed", because=because,
                   saw=shortened(saw) if saw else None, seconds=round(time.monotonic() - began, 3))  # fmt: skip


def readiness(container: Any, recipe: Recipe) -> Outcome:
    """Is it ready: by the recipe's probe, else by the image's own HEALTHCHECK, else because it runs."""
    if recipe.smoke.readiness is not None:
        return ask(container, recipe.smoke.readiness, recipe.folder)
    health = container.attrs["State"].get("Health")
    if health and health["Status"] != "healthy":
        last = (health.get("Log") or [{}])[-1].get("Output")
        return Outcome(probe="health", outcome="failed", because=f"HEALTHCHECK says {health['Status']}", saw=last,
                       seconds=None)  # fmt: skip
    return Outcome(probe="health", outcome="passed", because=None, saw=None, seconds=None)


def shortened(text: str) -> str:
    """Enough of an answer to understand it."""
    text = text.strip()
    return text if len(text) <= SHOWN else text[:SHOWN] + " …"


def _answer(container: Any, probe: Probe, folder: Path) -> tuple[str | None, str | None]:
    """Why it failed (None when it passed), and what it saw."""
    if probe.exec is not None:
        return _exec(container, probe.exec.command)
    assert probe.port is not None
    host, port = _published(container, probe.port)
    if probe.tcp_socket is not None:
        socket.create_connection((host, port), timeout=probe.timeout).close()
        return None, None
    if probe.http_get is not None:
        asked = probe.http_get
        status, body = _http(host, port, "GET", asked.path, dict(asked.http_headers), None, probe.timeout)
        return (None if 200 <= status < 400 else f"status {status}"), f"{status} {body}"
    assert probe.request is not None
    return _request(probe.request, host, port, folder, probe.timeout)


def _exec(container: Any, command: list[str]) -> tuple[str | None, str | None]:
    answer = container.exec_run(command)
    saw = (answer.output or b"").decode("utf-8", "replace")
    return (None if answer.exit_code == 0 else f"exit code {answer.exit_code}"), saw


def _request(asked: Request, host: str, port: int, folder: Path, timeout: float) -> tuple[str | None, str | None]:
    headers, body = dict(asked.headers), None
    if asked.file is not None:
        body = (folder / asked.file).read_bytes()
    elif asked.json_body is not None:
        body = json.dumps(asked.json_body).encode()
        headers.setdefault("Content-Type", "application/json")
    status, text = _http(host, port, asked.method, asked.path, headers, body, timeout)
    saw = f"{status} {text}"
    if status != asked.expect.status:
        return f"status {status}, expected {asked.expect.status}", saw
    if asked.expect.contains is not None and asked.expect.contains not in text:
        return f"the answer does not contain {asked.expect.contains!r}", saw
    if asked.expect.body is not None:
        try:
            answer = json.loads(text)
        except ValueError:
            return "the answer is not JSON", saw
        return difference(asked.expect.body, answer), saw
    return None, saw


def difference(expected: Any, actual: Any, where: str = "body") -> str | None:
    """The first place where `actual` lacks what `expected` names; keys that it does not name may be anything."""
    if isinstance(expected, dict):
        if not isinstance(actual, dict):
            return f"{where} is {actual!r}, expected an object"
        for key, value in expected.items():
            if key not in actual:
                return f"{where}.{key} is missing"
            found = difference(value, actual[key], f"{where}.{key}")
            if found:
                return found
        return None
    if isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) != len(expected):
            return f"{where} is {actual!r}, expected {len(expected)} items"
        pairs = enumerate(zip(expected, actual, strict=True))
        return next(filter(None, (difference(one, other, f"{where}[{i}]") for i, (one, other) in pairs)), None)
    return None if expected == actual else f"{where} is {actual!r}, expected {expected!r}"


def _http(
    host: str, port: int, method: str, path: str, headers: dict[str, str], body: bytes | None, timeout: float
) -> tuple[int, str]:
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(LONGEST_BODY).decode("utf-8", "replace")
    finally:
        connection.close()


def _published(container: Any, port: int) -> tuple[str, int]:
    """Where the engine published a container port: on loopback, or on the host of a remote engine."""
    bindings = container.attrs["NetworkSettings"]["Ports"].get(f"{port}/tcp")
    if not bindings:
        container.reload()
        bindings = container.attrs["NetworkSettings"]["Ports"].get(f"{port}/tcp")
    if not bindings:
        raise ConnectionRefusedError(f"port {port} is not published: the container does not run")
    engine = urlsplit(os.environ.get("DOCKER_HOST", ""))
    host = engine.hostname if engine.scheme in ("tcp", "http", "https") and engine.hostname else "127.0.0.1"
    return host, int(bindings[0]["HostPort"])
