"""A workspace of its own and the real command line on it; afterwards a look at what a run left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.prefix) / "bin" / "seatrial"
POLICY = """\
default: drill
profiles:
  drill:
    rules: {runs-as-root: "off", unpinned-base: "off"}
    scan: {databases: []}
"""
DOCKERFILE = """\
FROM scratch
COPY probe /probe
CMD ["/probe", "serve"]
"""
SMOKE = """\
  readiness: {name: port, httpGet: {port: 8080}}
  ready_within: 20s
  stop_within: 2s
"""
TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True)
class Ended:
    """A run that is over."""

    code: int
    out: str
    err: str
    pid: int

    @property
    def said(self) -> str:
        return self.out + self.err

    @property
    def told(self) -> str:
        """Everything that it said without any white space: a table breaks long words at the edge."""
        return squeezed(self.said)

    def document(self) -> Any:
        return json.loads(self.out)


@dataclass
class Running:
    """A run under way; its output goes to files, so that it never waits for a reader."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_for(self, happened: Callable[[], object] | str, seconds: float = 30) -> None:
        """Wait until it says a text on stderr, or until something has happened."""
        words = happened if isinstance(happened, str) else None
        look = (lambda: words in self.err.read_text()) if words is not None else happened
        deadline = time.monotonic() + seconds
        while not look():  # type: ignore[operator]
            assert self.process.poll() is None, f"it ended too early: {self.err.read_text()}{self.out.read_text()}"
            assert time.monotonic() < deadline, f"{words or 'it'} did not happen: {self.err.read_text()}"
            time.sleep(0.05)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, seconds: float = 60) -> Ended:
        try:
            code = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end: {self.err.read_text()}{self.out.read_text()}") from None
        return Ended(code=code, out=self.out.read_text(), err=self.err.read_text(), pid=self.pid)


@dataclass
class Drill:
    """One workspace below `root`, the environment that isolates it, and the registry that it ships to."""

    root: Path
    environment: dict[str, str]
    registry: str
    probe: Path
    runs: list[Running] = field(default_factory=list)

    @property
    def workspace(self) -> Path:
        return self.root / "tree"

    @property
    def reports(self) -> Path:
        return self.workspace / "reports"

    @property
    def prefix(self) -> str:
        """What every repository of this drill begins with, so that drills share a registry and nothing in it."""
        return f"drill-{self.root.name.replace('_', '-').lower()}"

    def policy(self, text: str = POLICY, waivers: str | None = None) -> None:
        folder = self.workspace / "policies"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "policy.yaml").write_text(text)
        if waivers is not None:
            (folder / "waivers.yaml").write_text(waivers)

    def image(
        self, name: str = "tiny", *, dockerfile: str = DOCKERFILE, smoke: str = SMOKE, more: str = "",
        repository: str | None = None,
    ) -> Path:  # fmt: skip
        """Write one image of the tree; returns its folder."""
        folder = self.workspace / "dockerfiles" / name
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "probe").exists():
            shutil.copy2(self.probe, folder / "probe")
        (folder / "Dockerfile").write_text(dockerfile)
        repository = repository or f"{self.prefix}/{name}"
        (folder / "image.yaml").write_text(f"name: {name}\nrepository: {repository}\n{more}smoke:\n{smoke}")
        return folder

    def reference(self, name: str = "tiny") -> str:
        return f"{self.registry}/{self.prefix}/{name}"

    def record(self, name: str = "tiny") -> Any:
        """The only record of an image here."""
        (file,) = self.reports.glob(f"{name}/*/record.json")
        return json.loads(file.read_text())

    def start(self, *words: str, **environment: str) -> Running:
        number = len(self.runs)
        out, err = self.root / f"{number}.out", self.root / f"{number}.err"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                [str(PROGRAM), *words], cwd=self.workspace, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                env={**self.environment, **environment},
            )  # fmt: skip
        running = Running(process, out, err)
        self.runs.append(running)
        return running

    def run(self, *words: str, seconds: float = 60, **environment: str) -> Ended:
        return self.start(*words, **environment).end(seconds)

    # --- what is left ---------------------------------------------------------------------------------

    @property
    def scratch(self) -> Path:
        return self.root / "tmp"

    def processes(self) -> list[str]:
        """What runs below any of the runs, but for the runs themselves: their marker is in its environment."""
        own = {running.pid for running in self.runs if running.process.poll() is None}
        return [words for pid, words in marked(str(self.root)) if pid not in own]

    def leftovers(self) -> list[str]:
        """Containers, processes, temporary folders and half-written files of every run that has ended."""
        found = [f"process {words}" for words in self.processes()]
        found += [f"container {name}" for running in self.runs for name in containers(running.pid)]
        found += [f"temporary {entry.name}" for entry in self.scratch.iterdir()]
        found += [f"half-written {path}" for path in self.workspace.rglob("*.tmp")]
        found += [f"half-written {path}" for path in self.workspace.rglob(".export-*")]
        return found

    def close(self) -> None:
        """End what a failed drill left; then nothing that a run made may still be there."""
        for running in self.runs:
            if running.process.poll() is None:
                running.process.kill()
                running.process.wait()
        deadline = time.monotonic() + 8
        while (left := self.leftovers()) and time.monotonic() < deadline:
            time.sleep(0.2)  # a process that was told to end is still on its way
        for pid, _ in marked(str(self.root)):
            os.kill(pid, signal.SIGKILL)
        for running in self.runs:
            for name in containers(running.pid):
                subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)
        spoken = [running.err.read_text() + running.out.read_text() for running in self.runs]
        assert not left, left
        assert not any(TRACEBACK in words for words in spoken), next(one for one in spoken if TRACEBACK in one)


def squeezed(text: str) -> str:
    return "".join(text.split())


def containers(pid: int) -> list[str]:
    """The smoke containers of one run, also those that have ended."""
    argv = ["docker", "ps", "--all", "--quiet", "--filter", f"label=seatrial.smoke={pid}"]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.split()


def marked(words: str) -> Iterator[tuple[int, str]]:
    """Every process whose environment or arguments hold these words, but for this one."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        try:
            arguments = (folder / "cmdline").read_bytes()
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue  # it has ended, or it is somebody else's
        if words.encode() in arguments or words.encode() in environment:
            yield int(folder.name), arguments.replace(b"\0", b" ").decode("utf-8", "replace")
