"""An engine's folders in, what a killed one left there out; and away with it. Speaks to: /proc, rm, umount.

Only called when no live dockerd uses the data folder. A process id in a file proves nothing: after a reboot, or in a
container, the number may be somebody else's; dockerd then refuses to start, or waits for a containerd that is none.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline import tools
from pipeline.setup import daemons

SOCKETS = ("containerd.sock", "containerd.sock.ttrpc", "containerd-debug.sock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """Files to remove, processes to end (id, when it started), mounts to undo (the deepest first)."""

    files: tuple[Path, ...]
    processes: tuple[tuple[int, int | None], ...]
    mounts: tuple[Path, ...]


def live(data_root: Path) -> tuple[int, ...]:
    """The ids of the dockerd processes that use this data folder."""
    return tuple(
        pid
        for pid, arguments in daemons.named("dockerd")
        if Path(_option(arguments, "--data-root") or _configured(arguments) or "/var/lib/docker") == data_root
    )


def find(
    data_root: Path, exec_root: Path, socket: Path, pid_files: tuple[Path, ...], *, keep_mounts: bool = False
) -> Leftovers:
    """What is left of an engine that is gone. With `keep_mounts` its containers are still in use (live restore)."""
    engines = {pid for pid, _ in daemons.named("dockerd")}
    containerds = {
        pid for pid, arguments in daemons.named("containerd") if str(exec_root / "containerd") in "".join(arguments)
    }
    if any(daemons.parent(pid) in engines for pid in containerds):
        return Leftovers(files=(), processes=(), mounts=())  # another engine lives in exec_root: nothing is left over
    folder = exec_root / "containerd"
    files = [file for file in pid_files if _there(file, stat.S_ISREG) and _pid(file) not in engines]
    files += [file for file in (folder / "containerd.pid",) if _there(file, stat.S_ISREG)]
    sockets = (socket, exec_root / "metrics.sock", *(folder / name for name in SOCKETS))
    files += [file for file in sockets if _there(file, stat.S_ISSOCK)]
    return Leftovers(
        files=tuple(files),
        processes=tuple((pid, daemons.started_at(pid)) for pid in sorted(containerds)),
        mounts=() if keep_mounts else tuple(_mounts(data_root, exec_root)),
    )


def clear(found: Leftovers, say: Callable[[str], None], *, run: tools.Run = tools.run) -> None:
    """Remove it all. Raises ToolFailed when something resists."""
    for pid, started in found.processes:
        say(f"ending containerd (process {pid}), whose engine is gone")
        daemons.end(pid, started, run=run)
    for mount in found.mounts:
        say(f"unmounting {mount}, left behind by a killed engine")
        run([*daemons.privilege(), "umount", "--lazy", str(mount)], timeout=30)
    if found.files:
        say("removing what a killed engine left behind: " + ", ".join(str(file) for file in found.files))
        run([*daemons.privilege(), "rm", "-f", "--", *(str(file) for file in found.files)], timeout=30)


def _mounts(data_root: Path, exec_root: Path, table: Path = Path("/proc/self/mountinfo")) -> Iterator[Path]:
    """Mounts that only an engine makes: containers' roots and shm, network namespaces. Never a user's volume.

    dockerd also mounts its data folder onto itself and leaves a file that says so; the one after a killed one takes
    the mount for the user's and never undoes it.
    """
    made_root = _there(exec_root / "unmount-on-shutdown", stat.S_ISREG)
    found = []
    for line in table.read_text(encoding="utf-8", errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        source = before.split()[3]  # the folder of its file system that it shows
        target = Path(before.split()[4].encode("latin-1", "replace").decode("unicode_escape"))
        kind = after.split()[0]
        ours = (
            (kind == "overlay" and target.is_relative_to(data_root))
            or (kind == "tmpfs" and target.is_relative_to(data_root / "containers"))
            or (made_root and target == data_root and source != "/")  # a disk of the user's shows its "/"
            or (kind == "nsfs" and target.is_relative_to(exec_root / "netns"))
        )
        if ours:
            found.append(target)
    yield from sorted(found, key=lambda path: len(path.parts), reverse=True)


def _option(arguments: tuple[str, ...], name: str) -> str | None:
    for index, argument in enumerate(arguments):
        if argument == name and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith(name + "="):
            return argument.partition("=")[2]
    return None


def _configured(arguments: tuple[str, ...]) -> str | None:
    """The data folder that the settings file on dockerd's command line names; ours always stands there."""
    try:
        answer = json.loads(Path(_option(arguments, "--config-file") or "/etc/docker/daemon.json").read_bytes())
        return str(answer["data-root"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _pid(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _there(file: Path, kind: Callable[[int], bool]) -> bool:
    """Whether there is a file of this kind. Where only root may look we say yes: root will remove it."""
    try:
        return kind(file.stat().st_mode)
    except PermissionError:
        return True
    except OSError:
        return False
