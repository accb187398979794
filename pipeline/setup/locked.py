"""A program's name in, the version and bytes that we trust out. Speaks to: pipeline/data/tools.lock."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedTool:
    """One entry of tools.lock. Both sha256 are hexadecimal: of the program, and of the download that holds it."""

    name: str
    version: str
    sha256: str
    source: str  # a requirement that pip understands
    source_sha256: str | None = None  # None for a program that did not come from tools.lock


def tool(name: str) -> LockedTool:
    """Return the entry for `name`. A missing or broken entry is a bug of this package: KeyError, TypeError."""
    return LockedTool(name=name, **_entries()[name])


@cache
def _entries() -> dict[str, Any]:
    return tomllib.loads(resources.files("pipeline").joinpath("data/tools.lock").read_text(encoding="utf-8"))
