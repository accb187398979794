"""A name in, its exclusive use out. Speaks to: the file system.

Two releases of one image at once would build, push and attest over each other. The second waits and says for whom;
the operating system drops the lock when its holder dies, so that none is ever left behind.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from pipeline import settings, tools
from pipeline.errors import Busy, Interrupted


@contextmanager
def held(name: str, *, patience: float = 1800, say: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Hold `name` alone on this machine. Raises Busy, naming the holder, after `patience` seconds."""
    folder = settings.state() / "locks"
    folder.mkdir(exist_ok=True)
    file = folder / hashlib.sha256(name.encode()).hexdigest()[:24]
    with file.open("a+", encoding="utf-8") as handle:
        deadline = time.monotonic() + patience
        told = False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                handle.seek(0)
                holder = handle.read().strip() or "another process"
            if not told:
                say(f"{name} is being released by {holder}; waiting")
                told = True
            if tools.stopping():
                raise Interrupted(f"stopped while waiting for {name}", hint="run the command again")
            if time.monotonic() > deadline:
                raise Busy(f"{name} is being released by {holder}",
                           hint=f"wait for it, or end it; waited {patience:g} s")  # fmt: skip
            time.sleep(0.2)
        now = datetime.now(UTC).strftime("%H:%M:%S UTC")
        handle.truncate(0)
        handle.write(f"process {os.getpid()} of {getpass.getuser()} since {now}")
        handle.flush()
        try:
            yield
        finally:
            handle.truncate(0)
