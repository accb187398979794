"""Trivy's CycloneDX in, a bill of materials of one digest out. Speaks to: nothing.

Trivy names the image by the path that it was read from, and draws new identifiers and a new time on each run. Ours
names the digest, and the same image gives the same document. Flaws are left out: they age, the content does not.
"""

from __future__ import annotations

import json
import urllib.parse
import uuid
from collections.abc import Mapping
from typing import Any

from pipeline.errors import ToolFailed
from pipeline.model import Image


def named(text: str, image: Image, created: str | None) -> dict[str, Any]:
    """Return the bill of materials for `image`. `created` is the image's own time.

    Raises ToolFailed when the text is no CycloneDX document.
    """
    try:
        sbom = json.loads(text)
        if sbom["bomFormat"] != "CycloneDX":
            raise ValueError(f"its format is {sbom['bomFormat']!r}")
        subject = sbom["metadata"]["component"]
        components = list(sbom.get("components") or ())
        dependencies = list(sbom.get("dependencies") or ())
        names = _names((subject, *components), image)
        sbom["serialNumber"] = f"urn:uuid:{_uuid(image.digest)}"
        sbom["metadata"].pop("timestamp", None)
        if created:
            sbom["metadata"]["timestamp"] = created
        subject.update(_subject(image))
        for component in (subject, *components):
            component["bom-ref"] = names.get(component["bom-ref"], component["bom-ref"])
        for dependency in dependencies:
            dependency["ref"] = names.get(dependency["ref"], dependency["ref"])
            dependency["dependsOn"] = sorted(names.get(ref, ref) for ref in dependency.get("dependsOn") or ())
        sbom["components"] = sorted(components, key=lambda component: str(component["bom-ref"]))
        sbom["dependencies"] = sorted(dependencies, key=lambda dependency: str(dependency["ref"]))
        subject.setdefault("properties", []).append(
            {"name": "aquasecurity:trivy:RepoDigest", "value": image.reference}
        )
        sbom.pop("vulnerabilities", None)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ToolFailed(f"trivy's bill of materials is not CycloneDX: {error!r}", hint="run `setup` again") from None
    return dict(sbom)


def _subject(image: Image) -> dict[str, Any]:
    name = image.repository.rpartition("/")[2]
    quoted = urllib.parse.quote(image.digest, safe="")
    repository = urllib.parse.quote(image.repository, safe="")
    return {
        "name": image.repository,
        "version": image.digest,
        "purl": f"pkg:oci/{name}@{quoted}?repository_url={repository}",
        "hashes": [{"alg": "SHA-256", "content": image.digest.removeprefix("sha256:")}],
    }


def _names(components: tuple[Mapping[str, Any], ...], image: Image) -> dict[str, str]:
    """A lasting identifier for each random one: made of the image and of what the component says about itself."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for component in components:
        reference = component["bom-ref"]
        if not _is_uuid(reference):
            continue
        itself = json.dumps({key: value for key, value in component.items() if key != "bom-ref"}, sort_keys=True)
        name, copies = _uuid(f"{image.digest} {itself}"), 0
        while name in taken:  # two components that are alike in everything
            copies += 1
            name = _uuid(f"{image.digest} {itself} {copies}")
        taken.add(name)
        names[reference] = name
    return names


def _uuid(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, text))


def _is_uuid(text: object) -> bool:
    try:
        return str(uuid.UUID(str(text))) == text
    except ValueError:
        return False
