"""This machine in, who and what took part in a run out. Speaks to: the tools, for their versions."""

from __future__ import annotations

import json
import os
import platform
import re
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

from pipeline import tools
from pipeline.errors import EngineDown, ToolFailed, ToolMissing
from pipeline.model import Tool

VERSION = re.compile(r"v?(\d+\.\d+[\w.+~-]*)")
QUESTIONS = {
    "buildx": ["docker", "buildx", "version"],
    "cosign": ["cosign", "version", "--json"],
    "oras": ["oras", "version"],
}


def describe() -> dict[str, str]:
    """The host as a record names it: kind of machine and system, never its address or its user."""
    return {"system": platform.system().lower(), "machine": platform.machine(), "kernel": platform.release(),
            "cores": str(os.cpu_count()), "ci": os.environ.get("CI", "false").lower()}  # fmt: skip


def engine(*, run: tools.Run = tools.run) -> Tool:
    """The container engine that answers. Raises EngineDown when none does."""
    try:
        answer = json.loads(run(["docker", "version", "--format", "{{json .Server}}"], timeout=30))
        return Tool(name="docker engine", version=str(answer["Version"]))
    except ToolMissing:
        raise EngineDown("no container engine: `docker` is not installed", hint="`setup` installs one") from None
    except (ToolFailed, ValueError, KeyError, TypeError) as error:
        reason = error.stderr.strip().splitlines()[-1:] if isinstance(error, ToolFailed) else [str(error)]
        raise EngineDown(f"no container engine answers: {' '.join(reason)}",
                         hint="`setup` starts one; `doctor` says what is wrong") from None  # fmt: skip


def participants(*, run: tools.Run = tools.run) -> tuple[Tool, ...]:
    """Seatrial, Python, the engine and the programs that a release uses, with the versions that they give."""
    own = (Tool(name="seatrial", version=version("seatrial")), Tool(name="python", version=platform.python_version()))
    with ThreadPoolExecutor() as pool:
        first = pool.submit(engine, run=run)
        asked = [pool.submit(_ask, name, argv, run) for name, argv in QUESTIONS.items()]
        return (*own, first.result(), *(tool for answer in asked if (tool := answer.result()) is not None))


def _ask(name: str, argv: list[str], run: tools.Run) -> Tool | None:
    """A program that is not there takes no part; the stage that needs it says so."""
    program = tools.find(argv[0])
    if program is None:
        return None
    try:
        said = run(argv, timeout=30)
    except ToolFailed:
        return None
    if name == "cosign":  # a distribution's build calls itself "devel": its bytes say which one it was
        return Tool(name=name, version=str(json.loads(said)["gitVersion"]), sha256=tools.sha256_of(program))
    found = VERSION.search(said)
    return Tool(name=name, version=found[1] if found else "unknown")
