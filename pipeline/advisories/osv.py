"""OSV records in, rows of a Trivy database out. Speaks to: nothing.

The record's format: ossf.github.io/osv-schema. The rows' format: aquasecurity/trivy-db, pkg/vulnsrc.
A record says which versions are bad in events (introduced, fixed, last affected) and as a list; a row says it as
constraints. Withdrawn records are left out, and so are ranges of git commits, which name no version.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.advisories import bolt, cvss
from pipeline.errors import BadFile

# OSV's name of an ecosystem → the prefix of Trivy's bucket
ECOSYSTEMS = {
    "PyPI": "pip", "npm": "npm", "Go": "go", "crates.io": "cargo", "RubyGems": "rubygems",
    "Packagist": "composer", "NuGet": "nuget", "Maven": "maven",
}  # fmt: skip
LEVELS = {"LOW": 1, "MODERATE": 2, "MEDIUM": 2, "HIGH": 3, "CRITICAL": 4}
AFFECTED_UNFIXED = {"Status": 2}  # trivy-db's "affected", for distributions

# An invented flaw in an invented package. A scanner that does not report it did not read the database.
CANARY_ID, CANARY_PACKAGE, CANARY_VERSION = "SEATRIAL-CANARY", "seatrial-canary", "1.0.0"
CANARY: Mapping[str, Any] = {
    "id": CANARY_ID,
    "summary": "Not a flaw: proof that the scanner reads this database.",
    "database_specific": {"severity": "LOW"},
    "affected": [{"package": {"ecosystem": "PyPI", "name": CANARY_PACKAGE}, "versions": [CANARY_VERSION]}],
}

HINT = "a file here is one OSV record: id, modified, affected (ossf.github.io/osv-schema)"

Record = Mapping[str, Any]


def read(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield the files that may hold records, below `folder`, in the order of their names."""
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".yaml", ".yml", ".json") and path.is_file():
            yield path, path.read_bytes()


def parse(path: Path, raw: bytes) -> Record | None:
    """Return the record in a file, None when it is withdrawn. Raises BadFile when it is no OSV record."""
    try:
        # The C loader is the safe loader at ten times the speed; a full advisory database is thousands of files.
        record = json.loads(raw) if path.suffix == ".json" else yaml.load(raw, Loader=_loader())
    except (ValueError, yaml.YAMLError) as error:
        raise BadFile(f"cannot be read: {str(error).splitlines()[0]}", file=path, hint=HINT) from None
    if not isinstance(record, dict) or not isinstance(record.get("id"), str):
        raise BadFile("no OSV record: it has no `id`", file=path, hint=HINT)
    return None if record.get("withdrawn") else record


def fingerprint(files: Iterable[tuple[Path, bytes]], root: Path) -> str:
    """Return a sha256 over names and contents: equal records make equal databases."""
    digest = hashlib.sha256(b"seatrial osv 1\0")  # the number changes with the rows that `tree` makes
    for path, raw in files:
        digest.update(f"{path.relative_to(root)}\0{len(raw)}\0".encode() + raw)
    return digest.hexdigest()


def newest(records: Iterable[Record]) -> str:
    """Return when the newest record was changed, RFC 3339 in UTC; the epoch when none says."""
    moments = [_moment(record.get("modified") or record.get("published")) for record in records]
    return max((moment for moment in moments if moment), default="1970-01-01T00:00:00Z")


def tree(records: Iterable[Record], source: str) -> bolt.Tree:
    """Return the database of these records and the canary. Records of one flaw in one package become one row.

    Raises BadFile, naming the record, for one that is not as the format has it.
    """
    rows: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    details: dict[str, dict[str, Any]] = {}
    for record in (*records, CANARY):
        key = _key(record)
        try:
            placed = [
                (bucket, name, _row(affected, bucket))
                for affected in record.get("affected") or ()
                for bucket, name in _buckets(affected.get("package") or {}, source)
            ]
            detail = _detail(record)
        except (AttributeError, TypeError, ValueError) as error:
            raise BadFile(f"not as OSV has it: {error}", file=record["id"], hint=HINT) from None
        for bucket, name, row in placed:
            _merge(rows.setdefault(bucket, {}).setdefault(name, {}), key, row)
        if placed:
            details[key] = _better(details.get(key), detail)
    top: dict[str, Any] = {bucket: packages for bucket, packages in rows.items()}
    top["vulnerability"] = details
    top["data-source"] = {bucket: {"ID": "osv", "Name": source, "URL": ""} for bucket in rows}
    return {name.encode(): _encoded(value, leaf_depth=2 if name in rows else 1) for name, value in top.items()}


def constraints(affected: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which versions are bad, as constraints any of which may hold, and which versions mend it."""
    bad: list[str] = []
    mended: list[str] = []
    for span in affected.get("ranges") or ():
        if span.get("type") == "GIT":
            continue
        start: str | None = None
        for event in span.get("events") or ():
            (kind, version), = list(event.items())[:1]  # fmt: skip
            version = str(version)
            if kind == "introduced":
                start = version
            elif kind in ("fixed", "last_affected"):
                end = f"<{version}" if kind == "fixed" else f"<={version}"
                bad.append(end if start in (None, "0") else f">={start}, {end}")
                start = None
                if kind == "fixed":
                    mended.append(version)
        if start is not None:
            bad.append(f">={start}")
    listed = [str(version) for version in affected.get("versions") or ()]
    bad += [f"={version}" for version in listed if not _within(version, bad)]
    return tuple(dict.fromkeys(bad)), tuple(dict.fromkeys(mended))


def _loader() -> Any:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _key(record: Record) -> str:
    """Trivy names a flaw by its CVE where it has one."""
    names = [record["id"], *(record.get("aliases") or ())]
    return next((str(name) for name in names if str(name).startswith("CVE-")), str(record["id"]))


def _buckets(package: Mapping[str, Any], source: str) -> Iterator[tuple[str, str]]:
    ecosystem, name = str(package.get("ecosystem", "")), str(package.get("name", ""))
    if not name:
        return
    family, _, release = ecosystem.partition(":")
    if family in ("Debian", "Ubuntu") and release:
        yield f"{family.lower()} {release.partition(':')[0]}", name
    elif family in ECOSYSTEMS:
        prefix = ECOSYSTEMS[family]
        plain = name.lower().replace("_", "-") if prefix == "pip" else name
        # Trivy looks for a Python name in lower case with `_` as `-`, but leaves dots as the wheel wrote them.
        for spelling in dict.fromkeys((plain, plain.replace(".", "-")) if prefix == "pip" else (plain,)):
            yield f"{prefix}::{source}", spelling


def _row(affected: Mapping[str, Any], bucket: str) -> dict[str, Any]:
    bad, mended = constraints(affected)
    if "::" not in bucket:  # a distribution's row knows one fixed version, compared by the distribution's rules
        return {"FixedVersion": mended[-1]} if mended else dict(AFFECTED_UNFIXED)
    return {"VulnerableVersions": list(bad), "PatchedVersions": list(mended)}


def _merge(packages: dict[str, dict[str, Any]], key: str, row: dict[str, Any]) -> None:
    """Add a row; one that is there already takes the other's versions in."""
    there = packages.get(key)
    if there is None:
        packages[key] = row
        return
    for name, value in row.items():
        if isinstance(value, list):
            there[name] = list(dict.fromkeys((*there.get(name, ()), *value)))
        else:
            there.setdefault(name, value)


def _detail(record: Record) -> dict[str, Any]:
    summary = str(record.get("summary") or record.get("details") or "").strip()
    detail: dict[str, Any] = {"Title": summary.splitlines()[0][:300] if summary else record["id"]}
    level = _level(record)
    if level is not None:
        detail["VendorSeverity"] = {"osv": level}
    return detail


def _better(there: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    """Of two records of one flaw, the one that knows how bad it is, and of two such, the worse."""
    if there is None:
        return new
    return max(there, new, key=lambda detail: detail.get("VendorSeverity", {}).get("osv", 0))


def _level(record: Record) -> int | None:
    """The severity as Trivy's number, 1 low to 4 critical; None when the record gives none."""
    word = str((record.get("database_specific") or {}).get("severity", "")).upper()
    if word in LEVELS:
        return LEVELS[word]
    for severity in record.get("severity") or ():
        score = cvss.base_score(str(severity.get("score", "")))
        if score:
            return 4 if score >= 9 else 3 if score >= 7 else 2 if score >= 4 else 1
    return None


def _within(version: str, spans: list[str]) -> bool:
    """Is this version inside one of the ranges already? Versions that Python cannot order count as outside."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    try:
        return any(SpecifierSet(span, prereleases=True).contains(version) for span in spans)
    except (InvalidSpecifier, InvalidVersion):
        return False


def _moment(value: object) -> str | None:
    """YAML reads an unquoted moment as a datetime, JSON as text."""
    if isinstance(value, datetime.datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
        return aware.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        return _moment(datetime.datetime.fromisoformat(str(value))) if value else None
    except ValueError:
        return None


def _encoded(value: Mapping[str, Any], *, leaf_depth: int) -> bolt.Tree:
    if leaf_depth > 1:
        return {name.encode(): _encoded(below, leaf_depth=leaf_depth - 1) for name, below in value.items()}
    return {name.encode(): json.dumps(row, sort_keys=True).encode() for name, row in value.items()}
