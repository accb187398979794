"""A Trivy database in, what it knows out. Speaks to: nothing.

Trivy reports "no flaws" with an empty database and with a five-year-old one alike, so we look ourselves: how many
rows, for which ecosystems, how many flaws without a severity, and a few rows that a scan must be able to find again.
"""

from __future__ import annotations

import datetime
import functools
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from pipeline import settings, tools
from pipeline.advisories import bolt, osv
from pipeline.errors import BadFile

NOT_ADVISORIES = ("vulnerability", "data-source", "Red Hat CPE")
PROBES = 20  # rows to try: one that Trivy reads otherwise than we do must not condemn a whole database


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A package that the database calls flawed. `release` is the distribution's, None for Python packages."""

    package: str
    version: str
    flaw: str
    distribution: str | None = None
    release: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFiles:
    """A database on disk: `folder` holds trivy.db and metadata.json.

    `ecosystems` are the scanner's own names: pip, npm, "debian 12". `unrated` counts flaws without a severity.
    `limits` says in words what the source does not claim to know.
    """

    folder: Path
    source: str
    digest: str  # sha256:… of trivy.db
    built: str
    next_update: str
    advisories: int
    unrated: int
    ecosystems: tuple[str, ...]
    probes: tuple[Probe, ...]
    limits: tuple[str, ...] = ()


def describe(folder: Path, source: str, limits: tuple[str, ...] = ()) -> DatabaseFiles:
    """Return what the database in `folder` knows. Raises BadFile when it is broken, empty, or of another version."""
    file, hint = folder / "trivy.db", "fetch the database again, or name another one"
    try:
        metadata = json.loads((folder / "metadata.json").read_bytes())
        version, built, next_update = metadata["Version"], metadata["UpdatedAt"], metadata["NextUpdate"]
        moment(built), moment(next_update)
        seen = file.stat()
        digest = _sha256(file, seen.st_ino, seen.st_size, seen.st_mtime_ns)
        known = _remembered(digest) or _counted(file, digest)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise BadFile(f"no usable vulnerability database: {error!r}", file=folder, hint=hint) from None
    if version != 2:
        raise BadFile(f"a vulnerability database of version {version}, not 2", file=folder, hint=hint)
    if not known["advisories"]:
        raise BadFile("the vulnerability database holds no advisories", file=folder, hint=hint)
    return DatabaseFiles(
        folder=folder, source=source, digest=f"sha256:{digest}", built=built, next_update=next_update,
        advisories=known["advisories"], unrated=known["unrated"], ecosystems=tuple(known["ecosystems"]),
        probes=tuple(Probe(**probe) for probe in known["probes"]), limits=limits,
    )  # fmt: skip


def moment(text: str) -> datetime.datetime:
    """Return an RFC 3339 moment; Trivy writes nanoseconds, which Python cuts. Raises ValueError."""
    return datetime.datetime.fromisoformat(text)


def words(ecosystem: str) -> str:
    """An ecosystem as people call it."""
    names = {"pip": "python", "npm": "node", "rubygems": "ruby", "cargo": "rust", "composer": "php", "nuget": ".NET",
             "maven": "java"}  # fmt: skip
    return f"{names.get(ecosystem, ecosystem)} packages"


@functools.lru_cache(maxsize=16)
def _sha256(file: Path, inode: int, size: int, changed: int) -> str:
    """Once per process for an unchanged file: a full database takes a second, and a nightly asks for each image."""
    return tools.sha256_of(file)


def _remembered(digest: str) -> dict[str, Any] | None:
    """Counting a full database takes seconds, and the same bytes always count the same."""
    try:
        known: dict[str, Any] = json.loads(_memory(digest).read_bytes())
        return known if {"advisories", "unrated", "ecosystems", "probes"} <= known.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def _counted(file: Path, digest: str) -> dict[str, Any]:
    advisories, ecosystems, unrated = 0, set(), 0
    probes: list[Probe] = []
    with bolt.opened(file) as root:
        for raw, bucket in root.items():
            name = raw.decode()
            if not isinstance(bucket, bolt.Bucket):
                raise ValueError(f"{name!r} is no bucket")
            if name == "vulnerability":
                # A substring is enough and spares parsing three hundred thousand values.
                unrated = sum(isinstance(v, bytes) and b'"VendorSeverity"' not in v for _, v in bucket.items())
            if name in NOT_ADVISORIES:
                continue
            rows = sum(len(package) for _, package in bucket.items() if isinstance(package, bolt.Bucket))
            if rows:
                advisories += rows
                ecosystems.add(name.partition("::")[0])
                probes += _probes(name, bucket)
    canary = [probe for probe in probes if probe.flaw == osv.CANARY_ID]
    known = {
        "advisories": advisories - len(canary),
        "unrated": unrated,
        "ecosystems": sorted(ecosystems),
        "probes": [asdict(probe) for probe in canary or _spread(probes)],
    }
    path = _memory(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known))
    return known


def _memory(digest: str) -> Path:
    # The layout of what is remembered is part of the name: an older Seatrial's memory is not read.
    shape = "-".join(field.name for field in fields(Probe))
    return settings.cache() / "databases" / "facts" / f"{digest}-{shape}.json"


def _spread(probes: list[Probe]) -> list[Probe]:
    """A few Python rows and a few of a distribution, whichever there are."""
    python = [probe for probe in probes if probe.distribution is None]
    system = [probe for probe in probes if probe.distribution is not None]
    return (python or system)[:PROBES]


def _probes(name: str, bucket: bolt.Bucket) -> list[Probe]:
    """Rows of a bucket that a scan can be asked to find again; the canary's, where there is one, is among them."""
    family, _, release = name.partition(" ")
    if name.startswith("pip::"):
        found = _python_probes(bucket)
    elif family in ("debian", "ubuntu") and release:
        found = _system_probes(bucket, family, release)
    else:
        return []
    return list(found)


def _python_probes(bucket: bolt.Bucket) -> Iterator[Probe]:
    canary, count = osv.CANARY_PACKAGE.encode(), 0
    for package, rows in bucket.items():
        if package != canary and count >= PROBES:
            continue
        for flaw, row in _rows(rows):
            version = _flawed(row.get("VulnerableVersions") or ())
            if version is not None:
                count += 1
                yield Probe(package=package.decode(), version=version, flaw=flaw)
                break


def _system_probes(bucket: bolt.Bucket, family: str, release: str) -> Iterator[Probe]:
    count = 0
    for package, rows in bucket.items():
        for flaw, row in _rows(rows):
            if row.get("FixedVersion"):
                count += 1
                yield Probe(package=package.decode(), version="0", flaw=flaw, distribution=family, release=release)
                break
        if count >= PROBES:
            return


def _rows(rows: bytes | bolt.Bucket) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(rows, bolt.Bucket):
        for flaw, raw in rows.items():
            row = json.loads(raw) if isinstance(raw, bytes) else None
            if isinstance(row, dict):
                yield flaw.decode(), row


def _flawed(constraints: Iterable[str]) -> str | None:
    """A version that surely meets one of the constraints: "=1.0" gives 1.0, "<2.0" gives 0."""
    for constraint in constraints:
        if constraint.startswith("=") and "," not in constraint:
            return constraint.lstrip("= ")
        if constraint.startswith("<") and "," not in constraint:
            return "0"
    return None
