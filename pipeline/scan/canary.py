"""A database in, proof that the scanner reads it. Speaks to: trivy.

"No flaws found" is worth nothing from a scanner that did not read its database. So before a database is believed the
scanner must find, in an invented list of packages, a flaw that we know to be in it: the canary that our own databases
carry, or rows that we picked out of somebody else's.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from pipeline import settings
from pipeline.advisories.facts import DatabaseFiles, Probe
from pipeline.errors import ToolFailed
from pipeline.scan import answer
from pipeline.scan.jail import Jail

SBOM_FLAGS = (
    "--cache-dir", "/cache", "--offline-scan", "--skip-db-update", "--skip-java-db-update", "--skip-version-check",
    "--disable-telemetry", "--skip-vex-repo-update", "--exit-code", "0", "--quiet", "--format", "json",
)  # fmt: skip


def prove(database: DatabaseFiles, jail: Jail, version: str) -> None:
    """Raise ToolFailed unless the scanner reports from this database. Asked once for each pair of the two."""
    name = hashlib.sha256(f"{database.digest} {jail.sha256} {database.probes}".encode()).hexdigest()
    proved = settings.cache() / "databases" / "proved" / name
    if proved.is_file():
        return
    if not database.probes:
        raise ToolFailed(
            f"the database {database.source} holds no row that a scan could be asked to find, so nothing shows "
            "that the scanner reads it",
            hint="use a database that covers Python, Debian or Ubuntu packages",
        )
    with tempfile.TemporaryDirectory(prefix="seatrial-canary-") as scratch:
        bill = Path(scratch) / "canary.cdx.json"
        bill.write_text(json.dumps(_bill(database.probes)))
        text = jail(["sbom", *SBOM_FLAGS, "/canary.cdx.json"],
                    read_only=[(database.folder, "/cache/db"), (bill, "/canary.cdx.json")])  # fmt: skip
    found = {flaw.id for flaw in answer.flaws(answer.read(text, version), ())}
    if not found & {probe.flaw for probe in database.probes}:
        raise ToolFailed(
            f"the scanner does not report what its database holds: none of {len(database.probes)} known flaws of "
            f"{database.source} was found again",
            hint="run `setup` again for the pinned scanner, and fetch the database again",
        )
    proved.parent.mkdir(parents=True, exist_ok=True)
    proved.touch()


def _bill(probes: tuple[Probe, ...]) -> dict[str, Any]:
    """A CycloneDX document that lists the packages, as Trivy would have written it."""
    components = []
    system = next((probe for probe in probes if probe.distribution), None)
    if system is not None:
        # Trivy takes one distribution from a document, so only that one's packages are listed.
        probes = tuple(p for p in probes if (p.distribution, p.release) == (system.distribution, system.release))
        components.append({"type": "operating-system", "bom-ref": "os", "name": system.distribution,
                           "version": system.release})  # fmt: skip
    for index, probe in enumerate(probes):
        kind = f"deb/{probe.distribution}" if probe.distribution else "pypi"
        component: dict[str, Any] = {
            "type": "library", "bom-ref": str(index), "name": probe.package, "version": probe.version,
            "purl": f"pkg:{kind}/{probe.package}@{probe.version}",
        }  # fmt: skip
        if probe.distribution:
            component["purl"] += f"?distro={probe.distribution}-{probe.release}"
            component["properties"] = [
                {"name": "aquasecurity:trivy:PkgType", "value": probe.distribution},
                {"name": "aquasecurity:trivy:SrcName", "value": probe.package},
                {"name": "aquasecurity:trivy:SrcVersion", "value": probe.version},
            ]
        components.append(component)
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}
