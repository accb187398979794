"""Image in, Scan out, with the Trivy and the databases of this machine; without a Trivy, why nobody looked."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from pipeline.advisories import databases
from pipeline.errors import ToolFailed, ToolMissing
from pipeline.layout import Layout
from pipeline.model import Image, LayerOrigin, Scan, Skipped
from pipeline.scan import scan
from pipeline.scan.jail import Jail
from pipeline.setup import locked, trivy


def scan_here(
    image: Image, contents: Layout, origins: tuple[LayerOrigin, ...], preferences: Sequence[str]
) -> Scan | Skipped:
    """Scan with the pinned Trivy; without one the stage is skipped, and the policy decides."""
    try:
        program = trivy.path()
    except ToolMissing as error:
        return Skipped(because=error.what)
    sha256, version = _scanner(program)
    found, why_not = databases.obtain(preferences)
    database = found or Skipped(because="no database: " + "; ".join(why_not or ("the policy names none",)))
    return scan(image, contents, origins, database, trivy=program, sha256=sha256, version=version)


def _scanner(program: Path) -> tuple[str, str]:
    """The scanner's sha256 and version. One of the user's own is asked, inside the jail."""
    pinned = locked.tool("trivy")
    expected = (
        os.environ.get("SEATRIAL_TRIVY_SHA256", "").lower() if "SEATRIAL_TRIVY" in os.environ else pinned.sha256
    )
    if expected == pinned.sha256:
        return pinned.sha256, pinned.version
    said = Jail(trivy=program, sha256=expected)(["--version"])
    version = re.search(r"Version: (\S+)", said)
    if version is None:
        raise ToolFailed(f"{program} --version told no version: {said[:80]!r}", hint="is it a Trivy?")
    return expected, version[1]
