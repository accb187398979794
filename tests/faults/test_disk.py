"""A disk that is full while reports are written: exit 3, no half-written file, nothing pushed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.drill import Drill, squeezed

pytestmark = pytest.mark.real


@contextmanager
def small(folder: Path, size: str) -> Iterator[Path]:
    """A file system that holds next to nothing."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "drill", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("size", ["4k", "16k", "32k"])
def test_reports_without_room_end_the_release_before_anything_is_pushed(
    drill: Drill, pushed: Callable[[str], set[str]], size: str
) -> None:
    drill.image()
    with small(drill.reports, size) as reports:
        ended = drill.run("release")
        assert ended.code == 3, ended.said
        assert squeezed("no room left to write") in ended.told
        assert squeezed("try: free some space on the disk of") in ended.told
        assert not [path for path in reports.rglob("*") if path.is_file() and path.name.startswith(".record")]
        assert not pushed(f"{drill.prefix}/tiny")
    assert drill.run("release").code == 0


def test_a_cache_without_room_is_told_as_such(drill: Drill, pushed: Callable[[str], set[str]]) -> None:
    drill.image()
    with small(drill.root / "cache", "4k") as cache:
        ended = drill.run("release", SEATRIAL_CACHE=str(cache))
        assert ended.code == 3, ended.said
        assert squeezed("no space left on device") in ended.told or squeezed("no room left") in ended.told
        assert "try: " in ended.said
        assert not pushed(f"{drill.prefix}/tiny")
