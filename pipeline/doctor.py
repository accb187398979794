"""Nothing in, what this machine can do out. Speaks to: every outside program, each only for its version.

The looks run side by side, and none may take longer than a few seconds: a sick engine must not stop the doctor.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pipeline import facts, settings, setup, tools
from pipeline.errors import PipelineError, ToolFailed, ToolMissing, ToolUntrusted
from pipeline.model import document
from pipeline.setup import trivy
from pipeline.setup.parts import Part, State, absent, missing, present, wrong

__all__ = ["Part", "State", "as_json", "examine"]

PATIENCE = 8  # seconds for one program's answer
ROOM = 10 * 2**30  # bytes; a CUDA image and its build cache
OLD_FACTS = 183  # days
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def examine() -> tuple[Part, ...]:
    """Look at everything that a stage may need and return it in a fixed order. Changes nothing."""
    looks: tuple[Callable[[], tuple[Part, ...]], ...] = (
        lambda: (_python(),),
        _docker,
        lambda: (setup.look_at_registry(),),
        lambda: (_cosign(),),
        lambda: (_program("oras", ["oras", "version"], "push"),),
        lambda: (_trivy(),),
        lambda: (_bubblewrap(),),
        lambda: (_bootstrap(),),
        lambda: (_browser(),),
        lambda: (_facts(),),
    )
    with ThreadPoolExecutor(len(looks)) as pool:
        return tuple(part for parts in pool.map(lambda look: look(), looks) for part in parts)


def as_json(parts: tuple[Part, ...]) -> dict[str, Any]:
    """The document seatrial/doctor/v1: `ready` is whether nothing needed is missing or wrong."""
    return {
        "schema": "seatrial/doctor/v1",
        "ready": all(part.state in (State.OK, State.OPTIONAL) for part in parts),
        "parts": document(parts),
    }


def _python() -> Part:
    version = platform.python_version()
    if importlib.util.find_spec("pip") is None:
        return wrong(
            "python", version, "setup", f"without pip Trivy cannot be downloaded: {sys.executable} -m ensurepip"
        )
    return present("python", version, "everything")


def _docker() -> tuple[Part, ...]:
    """The client, its engine and plugins, the GPU and the disk: one `docker info` tells them all."""
    engine_part = setup.look_at_engine()
    try:
        if engine_part.state is State.OK:
            info = json.loads(tools.run(["docker", "info", "--format", "{{json .}}"], timeout=PATIENCE))
        else:  # the client's own half needs no engine
            answer = tools.run(["docker", "info", "--format", "{{json .ClientInfo}}"], timeout=PATIENCE)
            info = {"ClientInfo": json.loads(answer)}
    except ToolMissing:
        info, client = {}, missing("docker client", "build, smoke, push")
    except (ToolFailed, ValueError) as error:
        info, client = {}, wrong("docker client", None, "build, smoke, push", str(error))
    else:
        version = str(info.get("ClientInfo", {}).get("Version") or "unknown version")
        client = present("docker client", version, "build, smoke, push")
    if engine_part.state is State.OK:
        engine_part = present("engine", f"{engine_part.found}, {_store(info)}, data in {info.get('DockerRootDir')}",
                              engine_part.needed_by)  # fmt: skip
    plugins = {plugin.get("Name"): str(plugin.get("Version"))
               for plugin in info.get("ClientInfo", {}).get("Plugins") or ()}  # fmt: skip
    return (
        client,
        engine_part,
        _plugin("buildx", plugins, "build"),
        _plugin("compose", plugins, "smoke of a compose stack"),
        _gpu(info),
        _disk(info.get("DockerRootDir")),
    )


def _store(info: dict[str, Any]) -> str:
    """Which image store the engine uses: only the containerd store gives digests without a registry."""
    kinds = [str(row[1]) for row in info.get("DriverStatus") or () if row and row[0] == "driver-type"]
    return "containerd image store" if any("snapshotter" in kind for kind in kinds) else "classic image store"


def _plugin(name: str, plugins: dict[Any, str], needed_by: str) -> Part:
    version = plugins.get(name)
    return present(name, version, needed_by) if version else missing(name, needed_by)


def _gpu(info: dict[str, Any]) -> Part:
    needed_by = "smoke of images with gpu: required"
    devices = [str(device.get("ID")) for device in info.get("DiscoveredDevices") or ()]
    if devices:
        return present("GPU", f"CDI: {', '.join(sorted(devices))}", needed_by)
    if "nvidia" in (info.get("Runtimes") or {}):
        return present("GPU", "the nvidia runtime", needed_by)
    advice = "the driver is here: install nvidia-container-toolkit" if tools.find("nvidia-smi") else (
        "smoke tests with gpu: auto are skipped where they need one, and say so")  # fmt: skip
    return absent("GPU", needed_by, advice)


def _disk(root: str | None) -> Part:
    """Free room where images and caches lie; the engine's folder only when it is on this machine."""
    places = [settings.cache()]
    if root and Path(root).exists():
        places.append(Path(root))
    free, place = min((shutil.disk_usage(folder).free, str(folder)) for folder in places)
    text = f"{free / 2**30:.0f} GiB free at {place}"
    if free < ROOM:
        return wrong("disk", text, "build", f"{ROOM // 2**30} GiB or more are wise: docker system prune")
    return present("disk", text, "build")


def _program(name: str, argv: list[str], needed_by: str) -> Part:
    """A program that tells its version; the first word with a digit in it counts."""
    found = tools.find(argv[0])
    if found is None:
        return missing(name, needed_by)
    try:
        answer = tools.run([str(found), *argv[1:]], timeout=PATIENCE)
    except (ToolFailed, ToolMissing) as error:
        return wrong(name, None, needed_by, error.what)
    return present(name, _version(answer) or "unknown version", needed_by)


def _version(text: str) -> str | None:
    return next((word for word in text.replace(",", " ").split() if word.lstrip("v")[:1].isdigit()), None)


def _cosign() -> Part:
    """Debian's cosign calls itself `devel`; dpkg knows better."""
    part = _program("cosign", ["cosign", "version"], "sign, verify")
    if part.state is not State.OK or part.found != "unknown version":
        return part
    try:
        answer = tools.run(["dpkg-query", "--show", "--showformat", "${Version}", "cosign"], timeout=PATIENCE)
    except (ToolFailed, ToolMissing):
        return part
    return present("cosign", answer.strip(), part.needed_by)


def _trivy() -> Part:
    try:
        program = trivy.path()
    except ToolMissing as error:
        return missing("Trivy", "scan", error.hint)
    except ToolUntrusted as error:
        return wrong("Trivy", None, "scan", str(error))
    try:
        answer = tools.run([str(program), "--version", "--cache-dir", os.devnull], timeout=PATIENCE)
    except PipelineError as error:
        return wrong("Trivy", None, "scan", error.what)
    return present("Trivy", f"{_version(answer)}, sha256 as expected", "scan")


def _bubblewrap() -> Part:
    """Installed is not enough: some kernels and AppArmor profiles refuse it its namespaces."""
    part = _program("bubblewrap", ["bwrap", "--version"], "scan without network")
    if part.state is not State.OK:
        return part
    try:
        tools.run(["bwrap", "--ro-bind", "/", "/", "--unshare-all", "--die-with-parent", "true"], timeout=PATIENCE)
    except ToolFailed as error:
        advice = (
            "the kernel refuses it namespaces: see kernel.unprivileged_userns_clone, and on Ubuntu 24.04 and newer "
        )
        advice += f"kernel.apparmor_restrict_unprivileged_userns ({error.stderr.strip()[-200:]})"
        return wrong("bubblewrap", part.found, part.needed_by, advice)
    return part


def _bootstrap() -> Part:
    """Either makes a golden base without a registry."""
    needed_by = "golden bases"
    for name in ("mmdebstrap", "debootstrap"):
        part = _program(name, [name, "--version"], needed_by)
        if part.state is State.OK:
            return present("bootstrap", f"{name} {part.found}", needed_by)
    return missing("bootstrap", needed_by, "run `setup`: it installs mmdebstrap and debootstrap")


def _browser() -> Part:
    for name in BROWSERS:
        part = _program("browser", [name, "--version"], "tests of the report")
        if part.state is State.OK:
            return present("browser", f"{name} {part.found}", part.needed_by)
    return absent("browser", "tests of the report", "the tests that open the report are skipped without chromium")


def _facts() -> Part:
    """The tables about images, drivers and wheels, and how old they are."""
    days = (datetime.now(UTC).date() - date.fromisoformat(facts.gathered())).days
    age = f"gathered {facts.gathered()}, {days} days ago" if days > 0 else f"gathered {facts.gathered()}"
    advice = "older than half a year: `refresh-facts` brings newer ones" if days > OLD_FACTS else None
    return present("GPU facts", age, "lint, gpu", advice)
