"""BuildKit's progress lines in, steps, failures and words for a person out. Speaks to: nothing.

`docker buildx build --progress=rawjson` writes one JSON object a line: vertexes (steps), statuses (transfers), logs
(base64). The last lines may be plain text: buildx's own error.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipeline.errors import BuildFailed, DiskFull, EngineDown, PipelineError, ToolFailed
from pipeline.model import BuildStep, Dockerfile

STEP = re.compile(r"^\[(?:.+ )?\d+/\d+\] (.+)$")
PLACE = re.compile(r"^Dockerfile[^:\n]*:(\d+)$|^\S+:(\d+)\n-{4,}", re.MULTILINE)
BASE = re.compile(r"failed to resolve source metadata for (\S+?):? ")
ENGINE_GONE = ("Cannot connect to the Docker daemon", "error reading from server: EOF", "code = Unavailable",
               "connection reset by peer", "is the docker daemon running", "closing transport",
               "graceful_stop", "code = Canceled desc = context canceled")  # fmt: skip


@dataclass
class Progress:
    """Collects what one build reports, and says each step that starts to `say`."""

    say: Callable[[str], None]
    vertexes: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)

    def line(self, line: str) -> None:
        """Take one line of stderr."""
        try:
            event = json.loads(line)
        except ValueError:
            self.text.append(line.rstrip())
            return
        for vertex in event.get("vertexes") or ():
            known = self.vertexes.setdefault(vertex["digest"], {"seconds": 0.0})
            running = "started" in vertex and not vertex.get("cached")
            if running and not known.get("said") and STEP.match(vertex["name"]):
                self.say(_shown(vertex["name"]))
                known["said"] = True
            if vertex.get("completed") and vertex.get("started"):
                known["seconds"] += _seconds(vertex["started"], vertex["completed"])
            known.update({key: vertex[key] for key in ("name", "cached", "error", "started") if key in vertex})
        for entry in event.get("logs") or ():
            words = base64.b64decode(entry.get("data", "")).decode("utf-8", "replace")
            self.logs.setdefault(entry["vertex"], []).append(words)

    def steps(self, dockerfile: Dockerfile) -> tuple[BuildStep, ...]:
        """The steps that stand in the Dockerfile, in the order they started."""
        lines = {_squeezed(one.original): one.line for one in dockerfile.instructions}
        found = []
        for vertex in self.vertexes.values():
            match = STEP.match(vertex.get("name", ""))
            if match:
                line = lines.get(_squeezed(match[1]))
                if line is None:  # variables are replaced in the name: fall back on what they leave unchanged
                    line = _nearest(match[1], dockerfile)
                found.append(BuildStep(name=match[1], dockerfile_line=line, cached=bool(vertex.get("cached")),
                                       seconds=round(vertex["seconds"], 3)))  # fmt: skip
        return tuple(found)

    def failure(self, error: ToolFailed, what: str) -> PipelineError:
        """What went wrong, in words: the step, its Dockerfile line, its last lines."""
        text = "\n".join(self.text) or error.stderr
        errors = " ".join(str(vertex.get("error", "")) for vertex in self.vertexes.values())
        everything = f"{text}\n{errors}"
        if any(words in everything for words in ENGINE_GONE):
            return EngineDown(f"{what}: the container engine went away during the build",
                              hint="`doctor` says whether it runs; then run the same command again")  # fmt: skip
        place = PLACE.search(text)
        line = int(place[1] or place[2]) if place else None
        where = f"{what}:{line}" if line else what
        said_last = "".join("".join(words[-10:]) for words in self.logs.values())
        if "no space left on device" in (everything + said_last).lower():
            return DiskFull(
                f"{where}: the engine's disk is full", hint="`docker system df`, then `docker system prune`"
            )
        base = BASE.search(everything)
        if base:
            reason = everything.rsplit(base[1], 1)[-1].strip(": \n").splitlines()[0]
            return BuildFailed(
                f"{where}: the base image {base[1]} cannot be had: {reason}",
                hint="check its name, its registry, and that you are logged in",
                line=line,
            )
        failed = next((key for key, vertex in self.vertexes.items()
                       if vertex.get("error") and "context canceled" not in vertex["error"]), None)  # fmt: skip
        if failed is None:
            reason = next((words for words in reversed(self.text) if words.strip()), error.what)
            return BuildFailed(f"{where}: {reason.removeprefix('ERROR: ')}", hint=error.hint, line=line)
        said = "".join(self.logs.get(failed, ())).strip().splitlines()[-10:]
        shown = "".join(f"\n    {words}" for words in said)
        return BuildFailed(
            f"{where}: {self.vertexes[failed]['name']} failed: {_reason(self.vertexes[failed]['error'])}{shown}",
            hint="correct that instruction; the lines above are the last that it printed", line=line,
        )  # fmt: skip


def _reason(error: str) -> str:
    """The end of BuildKit's sentence: `exit code: 2`, `"/app": not found`."""
    exit_code = re.search(r"exit code: \d+", error)
    return exit_code[0] if exit_code else error.removeprefix("failed to solve: ")


def _nearest(name: str, dockerfile: Dockerfile) -> int | None:
    """The only instruction whose text equals the step's name once every variable may be anything."""
    fitting = []
    for one in dockerfile.instructions:
        pattern = re.sub(r"\\\$(?:\\\{[^}]*\}|\w+)", ".*", re.escape(_squeezed(one.original)))
        if re.fullmatch(pattern, _squeezed(name)):
            fitting.append(one.line)
    return fitting[0] if len(fitting) == 1 else None


def _shown(name: str) -> str:
    """A step for one line of a terminal: without its mounts, which say how and not what."""
    return _squeezed(re.sub(r" --mount=\S+", "", name))


def _squeezed(text: str) -> str:
    return " ".join(text.replace("\\\n", " ").split())


def _seconds(started: str, completed: str) -> float:
    return (_moment(completed) - _moment(started)).total_seconds()


def _moment(text: str) -> datetime:
    """RFC 3339 with nanoseconds; Python keeps microseconds."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))


def materials(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Per base image that BuildKit pulled: its name → its digest."""
    found = {}
    for material in provenance.get("materials") or ():
        match = re.match(r"pkg:docker/([^?]+)", material.get("uri", ""))
        if match:
            found[match[1].replace("%2F", "/").replace("%3A", ":")] = f"sha256:{material['digest']['sha256']}"
    return found
