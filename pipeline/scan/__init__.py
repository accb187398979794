"""Image in, Scan out: known flaws, secrets, packages, and the bill of materials. Speaks to: trivy, inside bwrap."""

from __future__ import annotations

import dataclasses
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import tools
from pipeline.advisories.facts import DatabaseFiles
from pipeline.errors import BadImage
from pipeline.layout import Layout
from pipeline.model import Image, LayerOrigin, Scan, Scanner, Skipped
from pipeline.scan import answer, canary, sbom
from pipeline.scan.jail import Jail

__all__ = ["rescan", "scan"]

IMAGE_FLAGS = (
    "--input", "/image", "--cache-dir", "/cache", "--format", "json", "--list-all-pkgs",
    "--image-config-scanners", "secret", "--secret-config", "", "--ignorefile", "", "--config", "",
    "--offline-scan", "--skip-db-update", "--skip-java-db-update", "--skip-version-check", "--disable-telemetry",
    "--skip-vex-repo-update", "--exit-code", "0", "--quiet",
    # Package lists of apt: nothing secret in them, and they took a minute of every scan.
    "--skip-dirs", "/var/lib/apt/lists",
)  # fmt: skip


def scan(
    image: Image,
    layout: Layout,
    origins: tuple[LayerOrigin, ...],
    database: DatabaseFiles | Skipped,
    *,
    trivy: Path,
    sha256: str,
    version: str,
    timeout: float = 900,
    run: tools.Run = tools.run,
) -> Scan:
    """Return what the scanner sees in the image of `layout`.

    Without a database `vulnerabilities` says why nobody looked for flaws; packages, secrets and the bill of materials
    are there all the same. `timeout` is seconds for each start of the scanner.

    Raises ToolMissing, ToolUntrusted, BadImage, and ToolFailed when the scanner crashes, answers nonsense or does not
    report what its database holds.
    """
    started = time.monotonic()
    jail = Jail(trivy=trivy, sha256=sha256, timeout=timeout, run=run)
    binds = _image_binds(layout)
    if isinstance(database, DatabaseFiles):
        canary.prove(database, jail, version)
        scanners = "vuln,secret"
        binds.append((database.folder, "/cache/db"))
    else:
        scanners = "secret"
    text = jail(["image", *IMAGE_FLAGS, "--scanners", scanners], read_only=binds)
    said = answer.read(text, version)
    answer.about(said, layout)
    return Scan(
        image=image.name,
        digest=image.digest,
        scanner=Scanner(name="trivy", version=version, sha256=sha256),
        database=answer.database(database, said) if isinstance(database, DatabaseFiles) else None,
        vulnerabilities=None if isinstance(database, DatabaseFiles) else database,
        flaws=answer.flaws(said, origins),
        secrets=answer.secrets(said, origins),
        packages=said.packages,
        sbom=sbom.named(_converted(text, jail), image, layout.config.get("created")),
        seconds=time.monotonic() - started,
    )


def rescan(
    before: Scan,
    origins: tuple[LayerOrigin, ...],
    database: DatabaseFiles | Skipped,
    *,
    trivy: Path,
    sha256: str,
    version: str,
    timeout: float = 300,
    run: tools.Run = tools.run,
) -> Scan:
    """Return `before` judged by another database, from its bill of materials: the image itself is not needed.

    Secrets and packages are as they were: the digest is the same. Raises as `scan` does.
    """
    started = time.monotonic()
    if isinstance(database, Skipped):
        return dataclasses.replace(before, database=None, vulnerabilities=database, flaws=())
    jail = Jail(trivy=trivy, sha256=sha256, timeout=timeout, run=run)
    canary.prove(database, jail, version)
    text = _with_file(jail, ["sbom", *canary.SBOM_FLAGS], json.dumps(before.sbom), [(database.folder, "/cache/db")])
    said = answer.read(text, version)
    return dataclasses.replace(
        before,
        scanner=Scanner(name="trivy", version=version, sha256=sha256),
        database=answer.database(database, said),
        vulnerabilities=None,
        flaws=answer.flaws(said, origins),
        seconds=time.monotonic() - started,
    )


def _converted(text: str, jail: Jail) -> str:
    """The report as CycloneDX. A second scan would give the same and read every layer once more."""
    flags = ["--config", "", "--cache-dir", "/tmp", "--quiet", "--format", "cyclonedx"]
    return _with_file(jail, ["convert", *flags], text)


def _with_file(jail: Jail, arguments: Sequence[str], text: str, read_only: Sequence[tuple[Path, str]] = ()) -> str:
    """Run the scanner on a text that it wants to have in a file."""
    with tempfile.TemporaryDirectory(prefix="seatrial-report-") as scratch:
        file = Path(scratch) / "input.json"
        file.write_text(text, encoding="utf-8")
        return jail([*arguments, "/input.json"], read_only=[*read_only, (file, "/input.json")])


def _image_binds(layout: Layout) -> list[tuple[Path, str]]:
    """This image's files and no others: the engine's store holds every image of the machine."""
    manifest: dict[str, Any] = layout.manifest
    digests = [layout.digest, manifest["config"]["digest"], *(digest for digest, _, _, _ in layout.layers)]
    binds = [(layout.folder / name, f"/image/{name}") for name in ("index.json", "oci-layout")]
    for digest in dict.fromkeys(digests):
        blob = layout.blob(digest)
        if not blob.is_file():
            raise BadImage(f"the engine does not hold {digest} of {layout.digest}", hint="build or pull it again")
        binds.append((blob, "/image/blobs/" + digest.replace(":", "/")))
    return binds
