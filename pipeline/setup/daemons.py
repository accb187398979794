"""Programs that outlive us: started, remembered, found again, stopped. Speaks to: /proc, files in the state folder.

A process id alone is not enough to stop something: ids are used again. A record keeps the moment the process started
as well, and a process that started at another moment is not ours.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline import settings, tools
from pipeline.errors import ToolFailed, ToolMissing


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """One thing that setup started: a process (`pid`, and `started` in clock ticks since boot) or a systemd unit."""

    name: str
    pid: int | None = None
    started: int | None = None
    unit: str | None = None

    @property
    def alive(self) -> bool:
        """Whether the process is still the one that we started. Systemd knows about its units itself."""
        if self.unit is not None:
            return True
        return self.pid is not None and self.started is not None and started_at(self.pid) == self.started


def remember(name: str, *, pid: int | None = None, unit: str | None = None) -> Daemon:
    """Write down that setup started this, so that `stop` may end it."""
    daemon = Daemon(name=name, pid=pid, started=None if pid is None else started_at(pid), unit=unit)
    record = _record(name)
    draft = record.with_suffix(".new")
    draft.write_text(json.dumps({"pid": daemon.pid, "started": daemon.started, "unit": unit}), encoding="utf-8")
    draft.replace(record)
    return daemon


def recall(name: str) -> Daemon | None:
    """Return what setup started under this name, or None. A record that cannot be read counts as none."""
    try:
        return Daemon(name=name, **json.loads(_record(name).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def stop(name: str, *, patience: float = 20, run: tools.Run = tools.run) -> bool:
    """End what setup started under this name and forget it. Returns whether there was something to end."""
    daemon = recall(name)
    alive = daemon is not None and daemon.alive
    if daemon is not None and daemon.unit is not None:
        run([*privilege(), "systemctl", "stop", daemon.unit], timeout=120)
    elif daemon is not None and daemon.pid is not None:
        end(daemon.pid, daemon.started, patience=patience, run=run)
    _record(name).unlink(missing_ok=True)  # last: when it could not be ended, it can be tried again
    return alive


def end(pid: int, started: int | None, *, patience: float = 20, run: tools.Run = tools.run) -> None:
    """Ask a process to stop, then make it. Does nothing when it is gone, or its id belongs to another by now."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if started is None or started_at(pid) != started:
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        except PermissionError:
            run([*privilege(), "kill", f"-{number.value}", str(pid)], timeout=10)
        wait_until(lambda: started_at(pid) != started, patience)


def started_at(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when it is gone or only waits to be reaped."""
    try:
        after_name = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return None
    return None if after_name[0] in "ZX" else int(after_name[19])


def parent(pid: int) -> int | None:
    """The id of a process's parent, or None when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[1])


def named(program: str) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Every live process of this program on this machine, containers left out: its id and its arguments."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            if (folder / "comm").read_text(encoding="utf-8").strip() != program[:15]:  # the kernel keeps 15 bytes
                continue
            arguments = (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:  # it ended while we looked
            continue
        if _elsewhere(folder):
            continue
        if started_at(int(folder.name)) is not None:
            found.append((int(folder.name), tuple(arguments)))
    return tuple(found)


def _elsewhere(process: Path) -> bool:
    """Whether a process lives in another pid namespace: an engine inside a container is not this machine's."""
    try:
        return not (process / "ns/pid").samefile("/proc/self/ns/pid")
    except OSError:  # only root may look at other users' processes
        return False


def privilege() -> tuple[str, ...]:
    """What to put before a command that only root may run: nothing for root, else sudo that never asks."""
    return () if os.geteuid() == 0 else ("sudo", "-n")


def may_be_root(run: tools.Run = tools.run) -> bool:
    """Whether we are root, or sudo lets us be it without a question that nobody would see."""
    try:
        run([*privilege(), "true"], timeout=10)
    except (ToolFailed, ToolMissing):
        return False
    return True


def wait_until(done: Callable[[], bool], patience: float) -> bool:
    """Ask again and again, for at most `patience` seconds; return whether it came true."""
    deadline = time.monotonic() + patience
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def last_lines(log_file: Path, count: int = 12) -> str:
    """The end of a log, indented for a message."""
    try:
        lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
    except OSError as error:
        return f"  (no log: {error})"
    return "\n".join(f"  {line}" for line in lines)


def folder(name: str) -> Path:
    """Where a daemon keeps its log and configuration."""
    place = settings.state() / name
    place.mkdir(parents=True, exist_ok=True)
    return place


def _record(name: str) -> Path:
    return folder(name) / "started.json"
