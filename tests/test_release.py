"""The example tree for real: every stage, every image, and what anyone can check afterwards."""

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import zstandard

from pipeline import layout, settings
from pipeline.sign import PROVENANCE, RECORD, SBOM
from tests.conftest import ROOT, seatrial

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]
LOCAL = ("debian-base", "cuda-runtime", "fastapi-gpu")


def test_the_three_local_images_pass_in_build_order_and_the_hub_one_says_why_it_was_skipped(released):
    names = list(released)
    assert [names.index(name) for name in LOCAL] == sorted(names.index(name) for name in LOCAL)
    assert {name: released[name]["outcome"] for name in LOCAL} == dict.fromkeys(LOCAL, "passed")
    hub = released["fastapi-gpu-hub"]
    assert hub["outcome"] in ("passed", "skipped")
    if hub["outcome"] == "skipped":
        assert hub["because"].startswith("docker.io does not answer")


def test_each_image_is_built_on_the_digest_of_the_one_before(released):
    for name, base in (("cuda-runtime", "debian-base"), ("fastapi-gpu", "cuda-runtime")):
        build = released[name]["record"]["build"]
        assert build["base"]["digest"] == released[base]["record"]["digest"]
        assert build["labels"]["org.opencontainers.image.base.digest"] == build["base"]["digest"]


def test_every_stage_left_its_facts_in_the_record(released):
    record = released["fastapi-gpu"]["record"]
    assert record["schema"] == "seatrial/record/v1"
    assert all(layer["dockerfile_line"] for layer in record["measure"]["layers"] if layer["origin"] == "own")
    assert record["measure"]["totals"]["compressed_bytes"] < record["measure"]["totals"]["bytes"]
    assert {package["kind"] for package in record["measure"]["packages"]} >= {"deb", "python"}
    assert record["scan"]["scanner"]["sha256"]
    assert record["scan"]["secrets"] == []
    assert {one["outcome"] for one in record["smoke"]["outcomes"]} <= {"passed", "skipped"}
    assert record["smoke"]["ready_after_s"] > 0
    assert record["build"]["provenance"]["buildType"]
    assert record["pushed"]["attestations"] == [SBOM, PROVENANCE, RECORD]


def test_anybody_with_the_public_key_can_verify_from_anywhere(released, tmp_path):
    key = shutil.copy(settings.config() / "cosign.pub", tmp_path / "signer.pub")
    reference = released["fastapi-gpu"]["record"]["pushed"]["reference"]
    ended = seatrial(
        "verify", reference, "--key", str(key), "--format", "json", cwd=tmp_path, SEATRIAL_ROOT=str(tmp_path)
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["digest"] == released["fastapi-gpu"]["record"]["digest"]


def test_an_unchanged_tree_gives_the_same_digests_and_is_not_signed_twice(released):
    ended = seatrial("release", "--format", "json", SEATRIAL_ROOT=str(ROOT))
    assert ended.returncode == 0, ended.stderr
    for again in json.loads(ended.stdout)["releases"]:
        if again["image"] in LOCAL:
            assert again["record"]["digest"] == released[again["image"]]["record"]["digest"]
            assert again["record"]["pushed"]["signatures"] == 1


def canaries():
    """The hosts of this machine's mirrors and indexes, by which a layer would betray it."""
    import configparser
    from urllib.parse import urlsplit

    from pipeline import machine

    found = set()
    scratch = Path(os.environ.get("TMPDIR", "/tmp")) / f"canaries-{os.getpid()}"
    scratch.mkdir()
    try:
        pip = configparser.ConfigParser(interpolation=None)
        pip.read(machine.secret("pip", scratch))
        addresses = [word for section in pip.values() for value in section.values() for word in value.split()]
        addresses += machine.secret("apt", scratch).read_text().split()
        found = {urlsplit(word).netloc for word in addresses if "://" in word}
    finally:
        shutil.rmtree(scratch)
    return {host.encode() for host in found if host}


def test_no_layer_tells_where_this_machine_gets_its_packages(released):
    hosts = canaries()
    assert hosts
    # Debian's packages name their project's hosts in documentation; source lists and configurations are meant.
    told = ("etc/apt/", "etc/pip", "root/.pip", "root/.config", "run/secrets", "var/lib/apt", "etc/ssl/certs/ca-cert")
    for name in LOCAL:
        build = released[name]["record"]["build"]
        with layout.opened(f"{build['image']['repository']}:seatrial", build["image"]["digest"]) as contents:
            for digest, _, _, media_type in contents.layers:
                assert media_type.endswith("zstd")
                plain = zstandard.ZstdDecompressor().stream_reader(contents.blob(digest).open("rb"), closefd=True)
                with plain, tarfile.open(fileobj=plain, mode="r|") as tar:
                    for entry in tar:
                        path = entry.name.removeprefix("./")
                        assert not path.startswith("run/secrets/"), (name, path)
                        if entry.isreg() and path.startswith(told):
                            content = tar.extractfile(entry).read()
                            assert not [host for host in hosts if host in content], (name, path)
            assert not [host for host in hosts if host in json.dumps(contents.config).encode()]


def test_a_reference_and_an_archive_weigh_what_the_image_of_the_tree_weighs(released, tmp_path):
    record = released["debian-base"]["record"]
    archive = tmp_path / "image.tar"
    subprocess.run(
        ["docker", "save", "--output", archive, f"{record['build']['image']['repository']}:seatrial"], check=True
    )
    for target in (record["pushed"]["reference"], str(archive)):
        ended = seatrial("measure", target, "--format", "json", cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
        found = json.loads(ended.stdout)
        assert (found["digest"], found["totals"]) == (record["digest"], record["measure"]["totals"])
    ended = seatrial("scan", record["pushed"]["reference"], "--format", "json", cwd=tmp_path)
    assert json.loads(ended.stdout)["packages"] == record["scan"]["packages"]


@pytest.mark.gpu
def test_on_a_host_with_a_gpu_the_service_computes_on_it(released):
    found = released["fastapi-gpu"]["record"]["smoke"]
    outcomes = {one["probe"]: one for one in found["outcomes"]}
    if outcomes["sees a GPU"]["outcome"] == "skipped":
        pytest.skip(outcomes["sees a GPU"]["because"])
    assert found["gpu"]["visible"] >= 1
    assert not found["gpu"]["simulated"]
    assert "CUDAExecutionProvider" in outcomes["says what computes and with what"]["saw"]
