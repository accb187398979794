"""The name of a table in, the table out. Speaks to: pipeline/data/gpu/*.json.

A Dockerfile without a GPU base reads none of them. `refresh` writes them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from packaging.version import Version

FOLDER = Path(__file__).parents[1] / "data" / "gpu"
NAMES = ("cuda_tags", "drivers", "gpus", "torch_builds", "wheels")


@cache
def table(name: str) -> Mapping[str, Any]:
    """One file of facts, read once; beside its tables it has `source` and `gathered` (YYYY-MM-DD)."""
    import json

    found: Mapping[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def key(version: Version) -> str:
    """A version as the tables and the tags write it: 10.2 stays 10.2, 12.4.1 stays 12.4.1."""
    return ".".join(str(part) for part in version.release)


def gathered() -> str:
    """The day on which the oldest of the tables was gathered, as YYYY-MM-DD."""
    return min(str(table(name)["gathered"]) for name in NAMES)
