"""Evidence that was tampered with: verify says no, online and offline, and names what does not hold."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import sign
from tests.faults.drill import DOCKERFILE, Drill, squeezed

pytestmark = pytest.mark.real


@pytest.fixture
def released(drill: Drill, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drill]:
    """A drill with one released image; the library works with the same key as its runs."""
    for name in ("CACHE", "STATE", "CONFIG"):
        monkeypatch.setenv(f"SEATRIAL_{name}", drill.environment[f"SEATRIAL_{name}"])
    drill.image()
    ended = drill.run("release")
    assert ended.code == 0, ended.said
    yield drill


def record_file(drill: Drill) -> Path:
    (file,) = drill.reports.glob("tiny/*/record.json")
    return file


def pinned(drill: Drill) -> str:
    return f"{drill.reference()}@{drill.record()['digest']}"


def denied(drill: Drill, *words: str, said: str) -> None:
    ended = drill.run("verify", *words)
    assert ended.code == 10, ended.said
    assert squeezed(said) in squeezed(ended.err), ended.err
    assert "\n  try: " in ended.err
    assert ended.out == ""


def test_a_record_that_was_edited_by_hand_does_not_hold(released: Drill) -> None:
    assert released.run("verify", pinned(released)).code == 0
    assert released.run("verify", "--offline", str(record_file(released))).code == 0
    file = record_file(released)
    text = file.read_text()
    file.write_text(text.replace('"bytes": 6', '"bytes": 5', 1))
    assert file.read_text() != text
    denied(released, "--offline", str(file), said="record.json:")
    denied(released, pinned(released), said="is not what was attested: it differs at record.measure.")


def test_a_record_without_the_signature_beside_it_does_not_hold(released: Drill) -> None:
    file = record_file(released)
    file.with_name("record.json.sigstore.json").unlink()
    denied(released, "--offline", str(file), said="has no signature beside it")


def test_a_record_that_is_no_json_any_more_does_not_hold(released: Drill) -> None:
    file, reference = record_file(released), pinned(released)
    file.write_text(file.read_text()[:-100])
    denied(released, "--offline", str(file), said="is not readable JSON")
    denied(released, reference, said="is not readable JSON")


@pytest.mark.parametrize("name", ["sbom.cdx.json", "provenance.json"])
def test_evidence_beside_the_record_that_was_edited_does_not_hold(released: Drill, name: str) -> None:
    file = record_file(released).with_name(name)
    file.write_text(file.read_text().replace("a", "b", 1))
    denied(released, "--offline", str(record_file(released)), said="is not the file that the record names")
    denied(released, pinned(released), said="is not the file that the record names")


def test_a_no_that_was_edited_into_a_yes_is_neither_pushed_nor_signed(
    drill: Drill, pushed: Callable[[str], set[str]]
) -> None:
    drill.image(smoke='  command: ["/probe", "sleep"]\n  probes: [{name: nope, exec: {command: ["/nothing"]}}]\n')
    assert drill.run("release").code == 10
    file = record_file(drill)
    record = drill.record()
    record["verdict"]["outcome"] = "passed"
    file.write_text(json.dumps(record))
    assert drill.record()["verdict"]["outcome"] == "passed"
    for word in ("push", "sign"):
        ended = drill.run(word, "tiny")
        assert (ended.code, "Traceback" in ended.said) == (10, False), ended.said
    assert not pushed(f"{drill.prefix}/tiny")


def test_what_was_proven_without_publishing_can_be_pushed_and_signed_later(drill: Drill) -> None:
    drill.image()
    assert drill.run("release", "--no-publish").code == 0
    assert drill.record()["pushed"] is None
    for word in ("push", "sign"):
        ended = drill.run(word, "tiny")
        assert ended.code == 0, ended.said
    assert drill.record()["pushed"]["signatures"] == 1
    assert drill.run("verify", "tiny").code == 0
    assert drill.run("verify", "--offline", str(drill.reports / "tiny")).code == 0


def test_another_key_proves_nothing(released: Drill, tmp_path: Path) -> None:
    other = other_key(tmp_path)
    denied(released, pinned(released), "--key", str(other.public), said="carries no signature by")
    denied(released, "--offline", str(record_file(released)), "--key", str(other.public), said="record.json:")


def test_what_another_key_signed_proves_nothing_to_ours(released: Drill, tmp_path: Path) -> None:
    """Everything is there, and right, and signed: by somebody else."""
    other = other_key(tmp_path)
    ended = released.run("release", SEATRIAL_KEY=other.private, SEATRIAL_CONFIG=str(tmp_path / "config"))
    assert ended.code == 0, ended.said
    fresh = DOCKERFILE + "LABEL version=2\n"
    released.image(dockerfile=fresh)
    shutil.rmtree(released.reports)
    assert released.run("release", SEATRIAL_KEY=other.private).code == 0
    denied(released, pinned(released), said="carries no signature by")


def test_evidence_of_one_digest_proves_nothing_about_another(released: Drill) -> None:
    """Signature and attestations of a good image are hung on another one, as a registry's owner could."""
    good = released.record()["digest"]
    released.image(dockerfile=DOCKERFILE + "LABEL version=evil\n", more="tags: [evil]\n")
    shutil.rmtree(released.reports)
    assert released.run("release", SEATRIAL_PUSH_TIMEOUT="60").code == 0
    evil = released.record()["digest"]
    shutil.rmtree(released.reports)
    host, _, repository = released.reference().partition("/")
    index = json.loads(fetched(host, repository, good.replace(":", "-")))
    for entry in index["manifests"]:
        manifest = json.loads(fetched(host, repository, entry["digest"]))
        manifest["subject"]["digest"] = evil
        raw = json.dumps(manifest).encode()
        entry["digest"], entry["size"] = put(host, repository, None, raw, manifest["mediaType"]), len(raw)
    put(host, repository, evil.replace(":", "-"), json.dumps(index).encode(), index["mediaType"])
    denied(released, f"{released.reference()}@{evil}", said="carries no signature by")
    assert released.run("verify", f"{released.reference()}@{good}").code == 0


def test_a_record_whose_verdict_is_failed_does_not_hold_whoever_signed_it(released: Drill) -> None:
    file, reference = record_file(released), pinned(released)
    keys = sign.keys()
    failed: dict[str, Any] = copy.deepcopy(json.loads(file.read_text()))
    failed["verdict"]["outcome"] = "failed"
    failed["started"] = "2999-01-01T00:00:00Z"
    file.write_text(json.dumps(failed))
    sign.sign_file(file, keys)
    denied(released, "--offline", str(file), said="the verdict is failed")
    sign.attest(reference, sign.RECORD, {**failed, "pushed": None}, keys)
    denied(released, reference, said="the verdict is failed")


def test_an_attested_record_that_speaks_of_another_digest_does_not_hold(released: Drill) -> None:
    file, reference = record_file(released), pinned(released)
    keys = sign.keys()
    other: dict[str, Any] = json.loads(file.read_text())
    other["digest"] = "sha256:" + "0" * 64
    other["started"] = "2999-01-01T00:00:00Z"
    sign.attest(reference, sign.RECORD, {**other, "pushed": None}, keys)
    denied(released, reference, said="the record speaks of sha256:000")


def test_a_digest_that_was_never_released_has_no_evidence(released: Drill, pushed: Callable[[str], set[str]]) -> None:
    denied(released, f"{released.reference()}@sha256:{'0' * 64}", said="carries no signature by")


def other_key(folder: Path) -> sign.Keys:
    argv = ["cosign", "generate-key-pair", "--output-key-prefix", str(folder / "other")]
    subprocess.run(argv, env={"PATH": "/usr/bin:/bin:/usr/local/bin", "COSIGN_PASSWORD": "", "HOME": str(folder)},
                   check=True, capture_output=True)  # fmt: skip
    return sign.Keys(private=str(folder / "other.key"), public=folder / "other.pub")


def fetched(host: str, repository: str, reference: str) -> bytes:
    kinds = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"
    url = f"http://{host}/v2/{repository}/manifests/{reference}"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": kinds}), timeout=10) as answer:
        return bytes(answer.read())


def put(host: str, repository: str, reference: str | None, raw: bytes, kind: str) -> str:
    import hashlib

    digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    url = f"http://{host}/v2/{repository}/manifests/{reference or digest}"
    request = urllib.request.Request(url, data=raw, method="PUT", headers={"Content-Type": kind})
    urllib.request.urlopen(request, timeout=10).close()
    return digest
