"""An image's records and its registry in, its last release out: what growth is measured against.

Speaks to: the registry, where no record here tells.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline import registry, tools
from pipeline.errors import BadFile, RegistryFailed, ToolFailed, ToolMissing
from pipeline.model import Released
from pipeline.recipe import Recipe
from pipeline.report import files


def last(recipe: Recipe, records: Iterable[Path], *, run: tools.Run = tools.run) -> Released | None:
    """Return the last release of an image: of `records` (the newest first) one that was pushed, else by its first tag.

    None when neither the records nor the registry know one; a registry that does not answer knows none.
    """
    for file in records:
        found = _from_record(file)
        if found is not None:
            return found
    try:
        return _from_registry(f"{recipe.full_repository}:{recipe.tags[0]}", run) if recipe.tags else None
    except (RegistryFailed, ToolFailed, ToolMissing):
        return None


def _from_record(file: Path) -> Released | None:
    try:
        document = files.load(file)
        reference = document["pushed"]["reference"]
        count = document["measure"]["totals"]["compressed_bytes"]
    except (BadFile, KeyError, TypeError):  # not released, of another version, or damaged: the next one may tell
        return None
    if not isinstance(reference, str) or not isinstance(count, int):
        return None
    return Released(reference=reference, compressed_bytes=count, source="its record")


def _from_registry(reference: str, run: tools.Run) -> Released | None:
    digest = registry.digest_of(reference, run=run)
    if digest is None:
        return None
    pinned = f"{reference.rpartition(':')[0]}@{digest}"
    with tempfile.TemporaryDirectory(prefix="seatrial-released-") as scratch:
        file = Path(scratch) / "manifest.json"
        registry.manifest(pinned, file, run=run)
        manifest: Any = json.loads(file.read_bytes())
    layers = manifest.get("layers") if isinstance(manifest, dict) else None
    if not isinstance(layers, list):  # an index: nobody says which of its images this one follows
        return None
    return Released(reference=pinned, compressed_bytes=sum(int(one["size"]) for one in layers), source="its registry")
