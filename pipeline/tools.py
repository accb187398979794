"""An argv in, its output out. The only module that starts outside programs.

Nothing here meets a shell. Secrets travel in `env` or in files, never in argv: argv is logged and shown.
Every program runs in its own process group, so that Ctrl-C or a timeout ends its children as well.
"""

from __future__ import annotations

import hashlib
import logging
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

from pipeline.errors import Interrupted, ToolFailed, ToolMissing, ToolUntrusted

log = logging.getLogger("seatrial")

_running: set[subprocess.Popen[str]] = set()
_lock = threading.Lock()
_stopping = threading.Event()
_deferred = threading.Event()  # a signal came then
_starting = threading.Event()  # the main thread is between starting a program and being able to end it
# Seconds after which a wait looks up. When two signals come at once the kernel can hand both to another thread, and
# nothing then wakes the main thread, which alone runs Python's handlers.
GLANCE = 0.5


class Run(Protocol):
    """Start a program and return its stdout. Stages take one, so that tests can replay a recorded answer."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 600,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> str:
        """Return what the program wrote to stdout, or raise ToolMissing or ToolFailed."""


def run(
    argv: Sequence[str],
    *,
    timeout: float = 600,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    fine: Collection[int] = (0,),
) -> str:
    """Run `argv` and return its stdout. `env` is added to this process's environment.

    `fine` are the exit codes of success: a linter's 1 means that it found something.
    """
    deadline = time.monotonic() + timeout
    with _started(argv, env=env, cwd=cwd) as process:
        while True:
            try:
                stdout, stderr = process.communicate(timeout=GLANCE)
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    raise _too_slow(argv, timeout) from None
    if process.returncode not in fine:
        raise failure(argv, process.returncode, stderr)
    return stdout


def stream(
    argv: Sequence[str],
    on_line: Callable[[str], None],
    *,
    timeout: float = 3600,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run `argv` and hand each line of its stderr to `on_line` as it comes (buildx reports there)."""
    last: list[str] = []
    deadline = time.monotonic() + timeout
    need(argv[0])
    with (
        _started([*_leash(), *argv], env=env, cwd=cwd, stdout=subprocess.DEVNULL) as process,
        selectors.DefaultSelector() as ready,
    ):
        assert process.stderr is not None
        ready.register(process.stderr, selectors.EVENT_READ)
        rest = b""
        while True:
            if time.monotonic() > deadline:
                raise _too_slow(argv, timeout)
            if not ready.select(GLANCE):
                continue
            chunk = os.read(process.stderr.fileno(), 1 << 16)
            *lines, rest = (rest + chunk).split(b"\n") if chunk else (rest, b"")
            for line in filter(None, (one.decode("utf-8", "replace") for one in lines)):
                last = [*last[-20:], f"{line}\n"]
                on_line(f"{line}\n")
            if not chunk:
                break
        process.wait()
    if process.returncode != 0:
        raise failure(argv, process.returncode, "".join(last))


def chunks(argv: Sequence[str], *, timeout: float, silence: float = 60) -> Generator[bytes, None, None]:
    """Run `argv` and yield what it writes to stdout, as it comes; a closed generator ends it.

    Raises ToolFailed when it fails, runs longer than `timeout` seconds, or writes nothing for `silence` seconds.
    """
    need(argv[0])
    said = b""
    deadline = time.monotonic() + timeout
    with _started([*_leash(), *argv], env=None, cwd=None) as process, selectors.DefaultSelector() as ready:
        assert process.stdout is not None and process.stderr is not None
        out, err = process.stdout.fileno(), process.stderr.fileno()
        ready.register(out, selectors.EVENT_READ)
        ready.register(err, selectors.EVENT_READ)
        heard = time.monotonic()
        while ready.get_map():
            events = ready.select(GLANCE)
            now = time.monotonic()
            if now > deadline or (not events and now - heard > silence):
                raise _too_slow(argv, min(timeout, silence) if now <= deadline else timeout)
            for key, _ in events:
                chunk = os.read(key.fd, 1 << 18)
                if not chunk:
                    ready.unregister(key.fd)
                elif key.fd == err:
                    said = (said + chunk)[-(1 << 16) :]
                else:
                    yield chunk
                heard = time.monotonic()  # after the caller had its chunk: its time is not the program's
        process.wait()
    if process.returncode != 0:
        raise failure(argv, process.returncode, said.decode("utf-8", "replace"))


def _leash() -> tuple[str, ...]:
    """A prefix by which a program is ended when we are killed and cannot end it; () where util-linux lacks it."""
    setpriv = find("setpriv")
    return (str(setpriv), "--pdeathsig", "TERM", "--") if setpriv else ()


def attached(argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> int:
    """Run `argv` on our own terminal, its output untouched; return its exit code."""
    try:
        return subprocess.run(list(argv), cwd=cwd, env={**os.environ, **(env or {})}, check=False).returncode
    except FileNotFoundError:
        raise missing(argv[0]) from None


def start_daemon(argv: Sequence[str], *, log_file: Path, env: Mapping[str, str] | None = None) -> int:
    """Start a program that outlives us, its output in `log_file`; return its process id."""
    log.info("$ %s &", shlex.join(argv))
    with log_file.open("ab") as out:
        try:
            return os.posix_spawnp(
                argv[0], list(argv), {**os.environ, **(env or {})}, setsid=True,
                file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                              (os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, out.fileno(), 2)],
            )  # fmt: skip
        except FileNotFoundError:
            raise missing(argv[0]) from None


def find(name: str) -> Path | None:
    """Return where a program is, or None. Looks in the sbin folders too, which a user's PATH may lack."""
    path = os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/local/sbin:/usr/sbin:/sbin"
    found = shutil.which(name, path=path)
    return Path(found) if found else None


def need(name: str) -> Path:
    """Return where a program is, or raise ToolMissing."""
    found = find(name)
    if found is None:
        raise missing(name)
    return found


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def trusted(path: Path, sha256: str, name: str) -> Path:
    """Return `path` when its bytes are the ones we know; raise ToolUntrusted otherwise."""
    actual = sha256_of(path)
    if actual != sha256:
        raise ToolUntrusted(
            f"{name} at {path} has sha256 {actual}, tools.lock says {sha256}; it was not started",
            hint=f"delete {path} and run setup again; if you changed it on purpose, put its sha256 in tools.lock",
        )
    return path


def interrupt() -> bool:
    """Tell everything that runs to end, and start nothing more: for a signal handler, so it waits for nothing.

    Returns whether the handler may raise. It may not while the main thread is just starting a program that nobody
    could end yet; the raise then follows as soon as somebody can.
    """
    _stopping.set()
    for process in tuple(_running):
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
    if _starting.is_set():
        _deferred.set()
    return not _starting.is_set()


def stop_all() -> None:
    """End everything that `run` and `stream` have going, in every thread."""
    _stopping.set()
    with _lock:
        processes = list(_running)
    for process in processes:
        _end(process)


def stopping() -> bool:
    """Whether `stop_all` was called: loops that wait for something else than a program ask it."""
    return _stopping.is_set()


def resume() -> None:
    """Allow programs to be started again after `stop_all`."""
    _stopping.clear()


def missing(name: str) -> ToolMissing:
    """The error for a program that is not installed."""
    return ToolMissing(f"{name} is not installed", hint="`doctor` lists what is missing, `setup` installs it")


def failure(argv: Sequence[str], returncode: int, stderr: str) -> ToolFailed:
    """The error for a program that returned non-zero: its last ten lines and the command to paste."""
    last = "\n  ".join(stderr.strip().splitlines()[-10:])
    return ToolFailed(
        f"{Path(argv[0]).name} exited {returncode}" + (f"\n  {last}" if last else ""),
        hint=f"by hand: {shlex.join(argv)}",
        returncode=returncode,
        stderr=stderr,
    )


def _too_slow(argv: Sequence[str], timeout: float) -> ToolFailed:
    return ToolFailed(f"{Path(argv[0]).name} ran longer than {timeout:.0f} s and was stopped",
                      hint=f"by hand: {shlex.join(argv)}")  # fmt: skip


@contextmanager
def _started(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    stdout: int | IO[str] = subprocess.PIPE,
) -> Iterator[subprocess.Popen[str]]:
    """A running program, in its own process group; whatever happens, it is gone afterwards."""
    if _stopping.is_set():
        raise Interrupted("stopped before it was started: " + Path(argv[0]).name, hint="run the command again")
    log.info("$ %s", shlex.join(argv))
    in_main = threading.current_thread() is threading.main_thread()
    if in_main:
        _starting.set()
    try:
        process = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True,
            encoding="utf-8", errors="replace", start_new_session=True, cwd=cwd,
            env={**os.environ, **(env or {})},
        )  # fmt: skip
    except FileNotFoundError:
        raise missing(argv[0]) from None
    except PermissionError:
        raise ToolMissing(f"{argv[0]} cannot be executed", hint=f"chmod +x {argv[0]}") from None
    finally:
        if in_main and sys.exc_info()[0] is not None:
            _starting.clear()
    with _lock:
        _running.add(process)
    try:
        if in_main:
            _starting.clear()
            if _deferred.is_set():  # a signal came meanwhile, and its handler left the raise to us
                _deferred.clear()
                raise KeyboardInterrupt
        if _stopping.is_set():  # `stop_all` came while it was being started, and did not see it
            raise Interrupted(f"{Path(argv[0]).name} was stopped", hint="run the command again")
        yield process
    finally:
        with _lock:
            _running.discard(process)
        _end(process)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    if _stopping.is_set():
        raise Interrupted(f"{Path(argv[0]).name} was stopped", hint="run the command again")


def _end(process: subprocess.Popen[str], patience: float = 5) -> None:
    """Ask a program and its children to stop, and make them. One that has ended by itself is left alone."""
    if process.poll() is not None:
        return
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal_number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=patience)
            break
    with suppress(ProcessLookupError):  # a child that was started in the background may not have listened
        os.killpg(process.pid, signal.SIGKILL)
