"""Nothing in, a place for a run's temporary files out. Speaks to: the file system.

Every stage removes its own temporary folders. A run that is killed cannot, and what it leaves may be gigabytes of
layers, or a build's secrets: so they all lie in one folder, locked while its run lives, and the next run removes
those that nobody holds.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "seatrial-run-"


@contextmanager
def own() -> Iterator[Path]:
    """Where `tempfile` puts this process's files until the end; then the folder is gone."""
    before = tempfile.gettempdir()
    sweep(Path(before))
    folder, lock = _locked()
    tempfile.tempdir = str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = before
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep(place: Path) -> None:
    """Remove the folders of runs that are gone. The system drops a lock when its holder dies."""
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError):  # it is in use, it has just gone, or it is somebody else's
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(lock).st_uid == os.geteuid():
                    shutil.rmtree(folder)
            finally:
                os.close(lock)


def _locked() -> tuple[Path, int]:
    """A fresh folder and its lock; another run may sweep it away in the moment before it is locked."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder, lock
        os.close(lock)
