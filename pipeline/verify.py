"""A reference or a record and a public key in, the evidence out. Speaks to: cosign, oras.

Anyone with the public key can ask, on any day: was exactly this digest released, and why. Nothing is taken from the
machine that asks, except a record beside it: that one must say the same as what was signed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import registry, sign, tools
from pipeline.errors import BadFile, EvidenceBroken, RegistryFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What holds for a digest. `checked` lists what was looked at, in words."""

    reference: str
    digest: str
    outcome: str
    released: str  # when the newest record was started
    signatures: int
    attestations: Mapping[str, int]  # predicate type → how many
    policy: Mapping[str, Any]
    checked: tuple[str, ...]


def verify(reference: str, public_key: Path, *, record: Path | None = None, run: tools.Run = tools.run) -> Evidence:
    """Check signature, attestations and record of a digest in its registry.

    Raises EvidenceBroken when any of them does not hold, RegistryFailed when the registry cannot be asked.
    """
    reference = pinned(reference, run)
    digest = reference.rpartition("@")[2]
    signatures = sign.signatures(reference, public_key, run=run)
    checked = [f"{signatures} signature{'s' * (signatures != 1)} of this digest by {_key(public_key)}"]
    attested = {
        kind: sign.attested(reference, kind, public_key, run=run)
        for kind in (sign.RECORD, sign.SBOM, sign.PROVENANCE)
    }
    records = attested[sign.RECORD]
    newest = max(records, key=lambda one: str(one.get("started"))) if records else {}
    for kind, found in attested.items():
        if not found and (kind != sign.SBOM or "sbom" in (newest.get("scan") or {})):
            raise EvidenceBroken(f"{reference} has no attestation {kind} by this key",
                                 hint="release it again: an attestation can get lost on a registry")  # fmt: skip
        if found:
            checked.append(f"attestation {kind}")
    _passed(newest, digest, reference)
    checked.append(f"the record speaks of this digest and its verdict is {newest['verdict']['outcome']}")
    if record is not None:
        checked.append(_compared(record, records))
        checked += _beside(record, read_record(record))
    return Evidence(
        reference=reference, digest=digest, outcome="passed", released=str(newest["started"]), signatures=signatures,
        attestations={kind: len(found) for kind, found in attested.items()}, policy=newest["policy"],
        checked=tuple(checked),
    )  # fmt: skip


def verify_offline(record: Path, public_key: Path, *, run: tools.Run = tools.run) -> Evidence:
    """Check a released record.json with the signature beside it: no registry, no network."""
    record = _newest(record) if record.is_dir() else record
    document = read_record(record)
    sign.check_file(record, public_key, run=run)
    digest = str(document.get("digest"))
    _passed(document, digest, str(record))
    pushed = document.get("pushed") or {}
    reference = str(pushed.get("reference") or f"{document['image']}@{digest}")
    published = "the registry was not asked" if pushed else "it says that nothing was published"
    return Evidence(
        reference=reference, digest=digest, outcome="passed", released=str(document["started"]),
        signatures=1, attestations={}, policy=document["policy"],
        checked=(f"{record} carries a signature by {_key(public_key)}", "its verdict is passed",
                 *_beside(record, document), published),
    )  # fmt: skip


def _key(public_key: Path) -> str:
    """The key's file and fingerprint: the same file name can hold anybody's key."""
    return f"{public_key.name} (sha256:{tools.sha256_of(public_key)[:16]}…)"


def _newest(folder: Path) -> Path:
    """The record in a folder, or the newest in those below it."""
    if (folder / "record.json").is_file():
        return folder / "record.json"
    found = sorted(folder.glob("*/record.json"), key=lambda file: file.stat().st_mtime)
    return found[-1] if found else folder / "record.json"


def pinned(reference: str, run: tools.Run = tools.run) -> str:
    """The reference by digest; a tag is looked up once, and what it meant then is what is checked."""
    if "@" in reference:
        return reference
    digest = registry.digest_of(reference, run=run)
    if digest is None:
        raise RegistryFailed(f"the registry has no {reference}", hint="check the name and the tag")
    host, slash, path = reference.rpartition("/")
    return f"{host}{slash}{path.partition(':')[0]}@{digest}"


def read_record(file: Path) -> dict[str, Any]:
    """A record.json. Raises BadFile."""
    try:
        document = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise BadFile("no such record", file=file, hint="`release` writes it below reports/") from None
    except (OSError, ValueError) as error:
        raise EvidenceBroken(f"{file} is not readable JSON: {error}", hint="restore it, or release again") from None
    if not isinstance(document, dict) or document.get("schema") != "seatrial/record/v1":
        raise EvidenceBroken(f"{file} is no seatrial/record/v1 document", hint="restore it, or release again")
    return document


def consistent(document: Mapping[str, Any], where: str) -> None:
    """Raise EvidenceBroken for a verdict "passed" that stands beside an error which nobody waived."""
    verdict = document.get("verdict") or {}
    for reason in verdict.get("reasons") or ():
        if reason.get("severity") == "error" and not reason.get("waived"):
            raise EvidenceBroken(
                f"{where}: the verdict says {verdict.get('outcome')} beside an error: {reason.get('message')}",
                hint="no release writes that: the record was changed; release the image again",
            )


def _passed(document: Mapping[str, Any], digest: str, where: str) -> None:
    if document.get("digest") != digest:
        raise EvidenceBroken(f"{where}: the record speaks of {document.get('digest')}, not of {digest}",
                             hint="evidence of one digest proves nothing about another")  # fmt: skip
    verdict = document.get("verdict") or {}
    if verdict.get("outcome") != "passed":
        raise EvidenceBroken(f"{where}: the verdict is {verdict.get('outcome')}", hint="it must not be used")
    consistent(document, where)


def _beside(record: Path, document: Mapping[str, Any]) -> tuple[str, ...]:
    """What the files beside a record say, that it names with their sha256."""
    said = []
    for stage, key in (("scan", "sbom"), ("build", "provenance")):
        named = (document.get(stage) or {}).get(key) or {}
        if not isinstance(named.get("file"), str):
            continue
        file = record.with_name(Path(named["file"]).name)
        if not file.is_file():
            said.append(f"{file.name} is not here and was not looked at")
        elif tools.sha256_of(file) != named.get("sha256"):
            raise EvidenceBroken(f"{file} is not the file that the record names: its sha256 differs",
                                 hint="it was changed since; the attested one is in the registry")  # fmt: skip
        else:
            said.append(f"{file.name} is the file that the record names")
    return tuple(said)


def _compared(record: Path, attested: tuple[Mapping[str, Any], ...]) -> str:
    """The record must be one of those attested, but for `pushed`, which is written after the attestation."""
    document = read_record(record)
    if document.get("pushed") is None:
        return f"{record} is of a run that published nothing; it claims no release and was not compared"
    document["pushed"] = None
    if document in attested:
        return f"{record} says what was attested"
    nearest = max(attested, key=lambda one: one.get("started") == document.get("started"))
    raise EvidenceBroken(f"{record} is not what was attested: it differs at {difference(nearest, document)}",
                         hint="it was changed after the release; the attested record is in the registry")  # fmt: skip


def difference(one: Any, other: Any, where: str = "record") -> str:
    """The first place where two documents differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in sorted({*one, *other}):
            if one.get(key) != other.get(key):
                return difference(one.get(key), other.get(key), f"{where}.{key}")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            if left != right:
                return difference(left, right, f"{where}[{index}]")
    return where
