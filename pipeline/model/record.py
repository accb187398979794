"""One verdict, what was pushed, and the record that holds everything known about a digest."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipeline.model.dockerfile import Lint, Severity
from pipeline.model.image import Build, Measurement, Scan, Skipped, Smoke


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing that the verdict rests on. Errors say no; the others are shown."""

    stage: str
    rule: str
    severity: Severity
    message: str
    hint: str
    file: str | None = None
    line: int | None = None
    docs: str | None = None
    waived: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """May this digest ship? Every reason is in it."""

    outcome: str  # passed | failed
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What the registry holds after a release, read back from it."""

    reference: str
    digest: str
    tags: tuple[str, ...]
    signatures: int
    attestations: tuple[str, ...]  # predicate types
    public_key: str  # sha256 of the key that verifies them
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program that took part."""

    name: str
    version: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStamp:
    """Which policy judged."""

    file: str
    digest: str
    profile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The release before this one, which growth is measured against."""

    reference: str  # by digest
    compressed_bytes: int
    source: str  # its record | its registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Everything known about one digest. Stages that have not run yet are None."""

    image: str
    digest: str | None
    started: str
    host: Mapping[str, str]
    tools: tuple[Tool, ...]
    policy: PolicyStamp
    lint: Lint
    build: Build | None = None
    measure: Measurement | None = None
    scan: Scan | Skipped | None = None
    smoke: Smoke | Skipped | None = None
    verdict: Verdict | None = None
    pushed: Pushed | None = None
    released_before: Released | None = None  # None: the policy does not ask, or nobody knows one
    seconds: Mapping[str, float] = field(default_factory=dict)


def document(value: Any, kind: str | None = None) -> Any:
    """Return `value` as plain JSON types; with `kind`, as a document with its schema named first."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain: Any = {f.name: document(getattr(value, f.name)) for f in dataclasses.fields(value)}
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        plain = document(value._asdict())
    elif isinstance(value, Mapping):
        plain = {str(key): document(item) for key, item in value.items()}
    elif isinstance(value, tuple | list):
        plain = [document(item) for item in value]
    elif isinstance(value, StrEnum | Path):
        plain = str(value)
    else:
        plain = value
    return {"schema": f"seatrial/{kind}/v1", **plain} if kind else plain
