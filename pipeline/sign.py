"""A digest and documents in, its signature and attestations in the registry out. Speaks to: cosign.

Key-based and offline: an empty signing configuration and trusted root keep cosign away from the public transparency
log. On a registry without the referrers API two writers at once lose attestations without an error, so they are
written one after the other, under the release's lock, and read back.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import lock, registry, settings, tools
from pipeline.errors import BadFile, EvidenceBroken, RegistryFailed, ToolFailed

RECORD = "urn:seatrial:record:v1"
PROVENANCE = "https://slsa.dev/provenance/v0.2"
SBOM = "https://cyclonedx.org/bom"
SIGNATURE = "https://sigstore.dev/cosign/sign/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The key that signs (a file, or a KMS address that cosign knows) and the one that verifies."""

    private: str
    public: Path

    @property
    def fingerprint(self) -> str:
        """sha256 of the public key's file."""
        return f"sha256:{tools.sha256_of(self.public)}"


def keys(*, say: Callable[[str], None] = lambda _: None, run: tools.Run = tools.run) -> Keys:
    """The keys of this machine: SEATRIAL_KEY and SEATRIAL_PUBLIC_KEY, or a pair made here on first use."""
    if "SEATRIAL_KEY" in os.environ:
        public = Path(os.environ.get("SEATRIAL_PUBLIC_KEY", os.environ["SEATRIAL_KEY"].removesuffix(".key") + ".pub"))
        if not public.is_file():
            raise BadFile("SEATRIAL_KEY is set and its public key is not there", file=public,
                          hint="set SEATRIAL_PUBLIC_KEY to the public key's file")  # fmt: skip
        return Keys(private=os.environ["SEATRIAL_KEY"], public=public)
    folder = settings.config()
    private, public = folder / "cosign.key", folder / "cosign.pub"
    if not private.exists() and _made(folder, run):
        say(
            f"made a signing key pair in {folder}. Whoever can read that folder can sign as you: a signature by it "
            "proves that this machine made the release, no more. For a key that proves more, set SEATRIAL_KEY"
        )
    return Keys(private=str(private), public=public)


def _made(folder: Path, run: tools.Run) -> bool:
    """Make the pair unless another release is making it; whole or not at all, so that the two always fit."""
    with lock.held(f"signing key in {folder}"):
        if (folder / "cosign.key").exists():
            return False
        with tempfile.TemporaryDirectory(prefix="new-", dir=folder) as scratch:
            run([str(tools.need("cosign")), "generate-key-pair", "--output-key-prefix", f"{scratch}/cosign"],
                env=_environment(), timeout=60)  # fmt: skip
            (Path(scratch) / "cosign.key").chmod(0o600)
            for name in ("cosign.pub", "cosign.key"):  # the private one last: where it is, both are
                (Path(scratch) / name).replace(folder / name)
    return True


def sign(reference: str, keys: Keys, *, run: tools.Run = tools.run) -> int:
    """Sign the digest unless this key has signed it already; return how many signatures by it there are."""
    signatures = _signatures(reference, keys.public, run)
    if not signatures:
        _cosign(["sign", "--yes", "--key", keys.private, *_private_flags(reference, run)], reference, run)
        signatures = _signatures(reference, keys.public, run)
    if not signatures:
        raise RegistryFailed(f"the registry took the signature of {reference} and does not give it back",
                             hint="another program writes to the same repository; run the command again")  # fmt: skip
    return signatures


def attest(
    reference: str,
    kind: str,
    predicate: Mapping[str, Any],
    keys: Keys,
    *,
    once: bool = False,
    run: tools.Run = tools.run,
) -> None:
    """Attach a document to the digest, signed, unless the same one is attached already; read it back.

    With `once`, any document of the kind that is there already is enough. Raises RegistryFailed.
    """
    there = attested(reference, kind, keys.public, run=run)
    if predicate in there or (once and there):
        return
    with tempfile.TemporaryDirectory(prefix="seatrial-attest-") as scratch:
        file = Path(scratch) / "predicate.json"
        file.write_text(json.dumps(predicate), encoding="utf-8")
        names = {SBOM: "cyclonedx"}
        argv = ["attest", "--yes", "--key", keys.private, "--type", names.get(kind, kind), "--predicate", str(file)]
        _cosign([*argv, *_private_flags(reference, run)], reference, run)
    if predicate not in attested(reference, kind, keys.public, run=run):
        raise RegistryFailed(f"the registry took the attestation {kind} and does not give it back",
                             hint="another program writes to the same repository; run the command again")  # fmt: skip


def attested(
    reference: str, kind: str, public_key: Path, *, run: tools.Run = tools.run
) -> tuple[Mapping[str, Any], ...]:
    """The documents of this kind that the key has attached to this digest, checked by cosign; () when none."""
    names = {SBOM: "cyclonedx"}
    argv = ["verify-attestation", *_public_flags(reference, public_key, run), "--type", names.get(kind, kind)]
    try:
        answer = _cosign(argv, reference, run)
    except EvidenceBroken:
        return ()
    digest = reference.rpartition("sha256:")[2]
    found = []
    for line in answer.splitlines():
        statement = json.loads(base64.b64decode(json.loads(line)["payload"]))
        subjects = {subject["digest"]["sha256"] for subject in statement["subject"]}
        if statement["predicateType"] == kind and digest in subjects:
            found.append(statement["predicate"])
    return tuple(found)


def sign_file(file: Path, keys: Keys, *, run: tools.Run = tools.run) -> Path:
    """Sign a file for checks without a registry; return the bundle written beside it, readable like the file."""
    bundle = file.with_name(file.name + ".sigstore.json")
    argv = ["sign-blob", "--yes", "--key", keys.private, "--bundle", str(bundle), *_private_flags("", run)]
    _cosign(argv, str(file), run)
    bundle.chmod(0o644)
    return bundle


def check_file(file: Path, public_key: Path, *, run: tools.Run = tools.run) -> None:
    """Raise EvidenceBroken unless the bundle beside the file holds a signature of these very bytes by this key."""
    bundle = file.with_name(file.name + ".sigstore.json")
    if not bundle.is_file():
        raise EvidenceBroken(f"{file} has no signature beside it",
                             hint=f"{bundle.name} is made with the verdict: `release` the image again")  # fmt: skip
    try:
        _cosign(["verify-blob", "--bundle", str(bundle), *_public_flags("", public_key, run)], str(file), run)
    except (EvidenceBroken, ToolFailed) as error:
        raise EvidenceBroken(
            f"{file} was changed after it was signed, or another key than {public_key} signed it",
            hint=f"cosign says: {error.what.splitlines()[-1].strip()}",
        ) from None


def signatures(reference: str, public_key: Path, *, run: tools.Run = tools.run) -> int:
    """How many signatures of this digest by this key the registry holds. Raises EvidenceBroken when none."""
    count = _signatures(reference, public_key, run)
    if not count:
        raise EvidenceBroken(f"{reference} carries no signature by {public_key}",
                             hint="it was never released, or by somebody else: ask for their public key")  # fmt: skip
    return count


def _signatures(reference: str, public_key: Path, run: tools.Run) -> int:
    """cosign counts attestations as signatures too; only those of the image itself count here."""
    try:
        answer = _cosign(["verify", *_public_flags(reference, public_key, run)], reference, run)
    except EvidenceBroken:
        return 0
    start = answer.find("[")
    claims = json.loads(answer[start:]) if start >= 0 else []
    digest = reference.rpartition("@")[2]
    return sum(
        1 for claim in claims
        if claim["critical"]["type"] == SIGNATURE and claim["critical"]["image"]["docker-manifest-digest"] == digest
    )  # fmt: skip


def _cosign(argv: list[str], subject: str, run: tools.Run) -> str:
    """Run cosign; tell "nothing there or not by this key" from "the registry failed"."""
    try:
        return run([str(tools.need("cosign")), *argv, subject], env=_environment(), timeout=registry.patience(300))
    except ToolFailed as error:
        nothing = ("no signatures found", "no matching", "none of the attestations matched", "no attestations",
                   "failed to verify", "invalid signature", "could not verify", "signature verification failed",
                   "no valid", "failed to find", "MANIFEST_UNKNOWN", "does not match")  # fmt: skip
        if any(words.lower() in error.stderr.lower() for words in nothing):
            last = error.stderr.strip().splitlines()[-1].removeprefix("error during command execution: ")
            raise EvidenceBroken(f"{subject}: {last}", hint="check the digest and the public key") from None
        if argv[0] in ("sign-blob", "verify-blob"):
            raise
        raise registry.explained(error, subject) from None


def _environment() -> dict[str, str]:
    """cosign asks for a password on a terminal unless one is set; a key made here has none."""
    return {"COSIGN_PASSWORD": os.environ.get("COSIGN_PASSWORD", "")}


def _private_flags(reference: str, run: tools.Run) -> list[str]:
    return ["--signing-config", str(_offline("signing-config", run)), *_trust(run), *_plain(reference)]


def _public_flags(reference: str, public_key: Path, run: tools.Run) -> list[str]:
    if not public_key.is_file():
        raise BadFile("no such public key", file=public_key, hint="--key names the file that the signer gave you")
    return ["--key", str(public_key), "--insecure-ignore-tlog=true", *_trust(run), *_plain(reference)]


def _trust(run: tools.Run) -> list[str]:
    return ["--trusted-root", str(_offline("trusted-root", run))]


def _plain(reference: str) -> list[str]:
    return registry.plain_http(reference, "--allow-http-registry") if reference else []


def _offline(kind: str, run: tools.Run) -> Path:
    """An empty configuration: no transparency log, no timestamp authority, no public root."""
    file = settings.cache() / f"cosign-{kind}.json"
    if not file.exists():
        scratch = file.with_suffix(f".{os.getpid()}")
        run([str(tools.need("cosign")), kind, "create", "--out", str(scratch)], timeout=60)
        scratch.replace(file)
    return file
