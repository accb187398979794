"""Nothing in, a container engine that answers out. Speaks to: docker (the client), dockerd, systemd where it runs.

An engine that answers is left alone, wherever it is. Where none does and the client looks at this machine's own
socket, one is started: by systemd where that runs, otherwise in the background with its log in the state folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import tools
from pipeline.errors import BadFile, EngineDown, ToolFailed
from pipeline.setup import daemons, leftovers, packages

NAME = "engine"
PATIENCE = 60  # seconds; a start takes 2 to 8, more when many containers are restored
LABEL = "seatrial.smoke"  # what smoke puts on its containers; a test holds the two together


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where an engine of this machine lives. `settings` is the whole daemon.json that it will be started with."""

    settings: Mapping[str, Any]
    data_root: Path
    exec_root: Path
    socket: Path
    pid_files: tuple[Path, ...]

    @property
    def host(self) -> str:
        """What DOCKER_HOST would say."""
        return f"unix://{self.socket}"


def site(config: Path = Path("/etc/docker/daemon.json"), overrides: Mapping[str, Any] | None = None) -> Site:
    """Where this machine's engine lives, by its own daemon.json with `overrides` on top.

    The user's settings all hold; the containerd image store is added where nothing speaks against it.
    Raises BadFile when daemon.json cannot be read.
    """
    try:
        own = json.loads(config.read_bytes()) if config.exists() else {}
        if not isinstance(own, dict):
            raise ValueError("not a JSON object")
    except (OSError, ValueError) as error:
        raise BadFile(f"the engine's settings cannot be read: {error}", file=config, hint="mend it first") from None
    ours = daemons.folder(NAME)
    chosen = {**own, **(overrides or {})}
    chosen["pidfile"] = str(ours / "dockerd.pid")
    data_root = Path(chosen.get("data-root", "/var/lib/docker"))
    exec_root = Path(chosen.get("exec-root", "/var/run/docker"))
    if "storage-driver" not in chosen and not _keeps_classic_store(data_root, ours / "daemon.json"):
        chosen["features"] = {"containerd-snapshotter": True, **chosen.get("features", {})}
    sockets = [host.removeprefix("unix://") for host in chosen.get("hosts", ()) if host.startswith("unix://")]
    return Site(
        settings=chosen,
        data_root=data_root,
        exec_root=exec_root,
        socket=Path(sockets[0] if sockets else "/var/run/docker.sock"),
        pid_files=(ours / "dockerd.pid", exec_root.with_suffix(".pid")),
    )


def version(host: str | None = None, *, timeout: float = 10, run: tools.Run = tools.run) -> str:
    """Return the version of the engine that the docker client talks to, or of the one at `host`.

    Raises EngineDown when none answers or we may not ask it, ToolMissing when there is no client.
    """
    where = ["--host", host] if host else []
    try:
        answer = run(["docker", *where, "version", "--format", "{{.Server.Version}}"], timeout=timeout).strip()
    except ToolFailed as error:
        if "permission denied" in error.stderr.lower():
            raise EngineDown(
                "the engine's socket belongs to a group that you are not in",
                hint="run `sudo usermod -aG docker $USER` and log in again; whoever is in it has root's power here",
            ) from None
        reason = error.stderr.strip().splitlines()[-1:] or [error.what]
        raise EngineDown(f"no container engine answers: {reason[0]}", hint="run `setup`") from None
    if not answer:
        raise EngineDown("the engine told no version", hint="run `docker version`")
    return answer


def start(say: Callable[[str], None], at: Site | None = None, *, run: tools.Run = tools.run) -> str:
    """Start this machine's engine, wait until it answers, and return its version.

    Raises EngineDown with the last lines of its log, ToolMissing when dockerd is not installed.
    """
    target = at or site()
    if at is None:
        _must_be_local(run)
    dockerd = tools.need("dockerd")
    host = target.host if at else None
    running = leftovers.live(target.data_root)
    if running:
        say(f"dockerd (process {running[0]}) is there and does not answer yet; waiting for it")
        return _wait(host, None, run, f"dockerd (process {running[0]}) runs but does not answer")
    if not daemons.may_be_root(run):
        raise EngineDown(
            "the engine does not run, and only root can start it (sudo is missing or wants a password)",
            hint="as root: systemctl start docker, or where systemd does not run: dockerd &",
        )
    if at is None and packages.systemd():
        return _by_systemd(say, run)
    leftovers.clear(leftovers.find(target.data_root, target.exec_root, target.socket, target.pid_files,
                                   keep_mounts=bool(target.settings.get("live-restore"))), say, run=run)  # fmt: skip
    ours = daemons.folder(NAME)
    config, log = ours / "daemon.json", ours / "dockerd.log"
    config.write_text(json.dumps(target.settings, indent=2), encoding="utf-8")
    say(f"starting dockerd (log: {log})")
    path = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"  # it looks for iptables
    argv = [*daemons.privilege(), str(dockerd), "--config-file", str(config)]
    pid = tools.start_daemon(argv, log_file=log, env={"PATH": path})
    daemon = daemons.remember(NAME, pid=pid)
    found = _wait(host, daemon, run, "dockerd did not become ready", log)
    _remove_ours(host, say, run)
    return found


def stop(*, run: tools.Run = tools.run) -> bool:
    """End the engine if setup started it; return whether there was one to end."""
    return daemons.stop(NAME, patience=30, run=run)


def endpoint(*, run: tools.Run = tools.run) -> str:
    """Where the docker client looks for its engine: DOCKER_HOST, the current context, or this machine's socket."""
    if os.environ.get("DOCKER_HOST"):
        return os.environ["DOCKER_HOST"]
    if tools.find("docker") is None:
        return "unix:///var/run/docker.sock"
    return run(["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"], timeout=10).strip()


def local(*, run: tools.Run = tools.run) -> bool:
    """Whether the docker client looks at this machine's own engine."""
    scheme, _, place = endpoint(run=run).partition("://")
    return scheme == "unix" and Path(place).resolve() == site().socket.resolve()


def _must_be_local(run: tools.Run) -> None:
    """Starting an engine here helps nobody whose client looks elsewhere."""
    if not local(run=run):
        raise EngineDown(
            f"the engine at {endpoint(run=run)} does not answer (DOCKER_HOST or the current docker context names it)",
            hint="start that one, or go back to this machine's own: unset DOCKER_HOST; docker context use default",
        )


def _by_systemd(say: Callable[[str], None], run: tools.Run) -> str:
    say("systemctl start docker")
    try:
        run([*daemons.privilege(), "systemctl", "start", "docker.service"], timeout=120)
    except ToolFailed as error:
        journal = run(
            ["journalctl", "--unit", "docker", "--lines", "12", "--no-pager", "--output", "cat"], timeout=30
        )
        raise EngineDown(f"systemd could not start docker: {error.what}\n{journal}", hint="mend that first") from None
    daemons.remember(NAME, unit="docker.service")
    return _wait(None, None, run, "systemd started docker, but it does not answer")


def _wait(
    host: str | None, daemon: daemons.Daemon | None, run: tools.Run, failed: str, log: Path | None = None
) -> str:
    """Ask until the engine tells its version; give up early when the process that we started is gone."""
    found: list[str] = []
    last: list[EngineDown] = []

    def answered() -> bool:
        try:
            found.append(version(host, run=run))
        except EngineDown as error:
            last[:] = [error]
        return bool(found) or (daemon is not None and not daemon.alive)

    daemons.wait_until(answered, PATIENCE)
    if found:
        return found[0]
    if daemon is not None:
        daemons.stop(NAME, run=run)
    said = f"; the end of {log}:\n{daemons.last_lines(log)}" if log else f": {last[0].what}" if last else ""
    raise EngineDown(failed + said, hint="`doctor` shows what is missing")


def _remove_ours(host: str | None, say: Callable[[str], None], run: tools.Run) -> None:
    """Remove the containers of runs that died with the engine: it has just started, so none of them is in use."""
    where = ["--host", host] if host else []
    ids = run(["docker", *where, "ps", "--all", "--quiet", "--filter", f"label={LABEL}"], timeout=30).split()
    if ids:
        say(f"removing {len(ids)} containers that a killed run left behind")
        run(["docker", *where, "rm", "--force", "--volumes", *ids], timeout=120)


def _keeps_classic_store(data_root: Path, earlier: Path) -> bool:
    """Whether images lie in the classic store, which would disappear from view with the other one.

    Without root the folder cannot be looked into; then it stays as it was, unless we started it so before.
    """
    try:
        before = json.loads(earlier.read_bytes())
        if before.get("features", {}).get("containerd-snapshotter") and before.get(
            "data-root", "/var/lib/docker"
        ) == str(data_root):
            return False
    except (OSError, ValueError):
        pass  # we never started one
    if not data_root.exists():
        return False
    if not os.access(data_root, os.R_OK):
        return True
    return any((data_root / "image").glob("*/imagedb/content/sha256/*"))
