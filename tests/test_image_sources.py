"""The same image, read in every way there is, weighs the same; what lies about itself on the way is refused."""

from __future__ import annotations

import base64
import bz2
import dataclasses
import gzip
import hashlib
import http.server
import io
import json
import lzma
import os
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from pipeline import measure, tools
from pipeline.errors import BadImage, RegistryFailed
from pipeline.layout import Layout
from pipeline.measure import cache, engine_source, overlay, registry_source, streamed
from pipeline.measure.entries import LayerIndex
from pipeline.measure.stream import Limits
from pipeline.model import Measurement
from tests.archives import (
    file,
    folder,
    hard_link,
    layout,
    measured,
    opaque,
    other,
    shell_root,
    tar,
    whiteout,
)  # fmt: skip
from tests.faults.test_engine import Engine, engine

__all__ = ["engine"]  # the fixture: a dockerd of a test's own


def hash_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def same(found: Measurement) -> dict[str, Any]:
    """What does not depend on where the image was read from."""
    return {"totals": found.totals, "packages": found.packages,
            "waste": [(row.cause, row.bytes, row.paths) for row in found.waste],
            "layers": [(layer.diff_id, layer.bytes, layer.files) for layer in found.layers]}  # fmt: skip


LAYERS = [
    tar(folder("etc"), file("etc/passwd", b"root"), file("big", 3_000_000), hard_link("again", "big"),
        other("link", tarfile.SYMTYPE, "/etc/shadow"), file("n" * 180, 10)),
    tar(whiteout("big"), file("etc/passwd", b"root:x"), opaque("etc"), file("ümläut", 5)),
    tar(),
]  # fmt: skip


# --- the classic store's folders ------------------------------------------------------------------


@pytest.fixture(params=["overlay2", "vfs"])
def driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The storage driver that an engine started in this test takes."""
    monkeypatch.setenv("DOCKER_DRIVER", request.param)
    return str(request.param)


@pytest.mark.real
@pytest.mark.parametrize("engine", ["false"], indirect=True)
def test_the_classic_stores_folders_are_the_layers_that_docker_save_writes(
    tmp_path: Path, driver: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    (tmp_path / "root.tar").write_bytes(shell_root())
    (tmp_path / "Dockerfile").write_text(
        "FROM scratch\nADD root.tar /\n"
        "RUN mkdir -p /d/e && cp /bin/sh /d/sh && ln /d/sh /d/hard && ln -s /etc/passwd /d/soft "
        "&& echo a > /d/e/gone\n"
        "RUN rm /d/sh && rm -r /d/e && mkdir /d/e && echo b > '/d/e/ü' && chmod 700 /etc/passwd\n"
        "ENV NOTHING=1\n"
    )  # fmt: skip
    subprocess.run(["docker", "build", "--quiet", "--network=none", "--tag", "made:1", str(tmp_path)], check=True,
                   capture_output=True)  # fmt: skip
    identity = engine_source.image_id("made:1")
    assert identity is not None
    with engine_source.opened("made:1", identity, tmp_path / "cache") as found:
        assert found.source == f"{driver} folders"
        here = measured(found, tmp_path / "cache")
    tools.run(["docker", "save", "--output", str(tmp_path / "saved.tar"), "made:1"])
    with measure.opened_path(tmp_path / "saved.tar") as saved:
        there = measured(saved, tmp_path / "other")
        layers = saved.layers
    assert same(here) == same(there)
    assert any(row.cause == "copied-up" and "etc/passwd" in row.paths for row in here.waste)
    for _, diff_id, _, _ in layers:
        assert cache.load(tmp_path / "cache", diff_id) == cache.load(tmp_path / "other", diff_id)
        index = cache.load(tmp_path / "cache", diff_id)
        assert index is not None and index.verified


def split_of(folder: Path, made: bytes) -> Path:
    """What an engine keeps of a layer: its files below `folder` and, beside it, tar-split's lines."""
    folder.mkdir(parents=True)
    entries: list[dict[str, Any]] = []
    with tarfile.open(fileobj=io.BytesIO(made)) as archive:
        at = 0
        for member in archive:
            if member.size:
                entries.append({"type": 2, "payload": b64(made[at : member.offset_data])})
                entries.append({"type": 1, "name": member.name, "size": member.size, "payload": "AAAAAAAAAAA="})
                at = member.offset_data + member.size
                (folder / member.name).parent.mkdir(parents=True, exist_ok=True)
                (folder / member.name).write_bytes(made[member.offset_data : at])
        entries.append({"type": 2, "payload": b64(made[at:])})
    split = folder.with_suffix(".json.gz")
    split.write_bytes(gzip.compress("".join(json.dumps(entry) + "\n" for entry in entries).encode()))
    return split


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def test_headers_and_files_make_the_tar_to_the_byte(tmp_path: Path) -> None:
    made = tar(file("a/b", 100), file("a/c", 2_500_000), whiteout("x"), folder("d"), file("d/e", 1))
    split = split_of(tmp_path / "diff", made)
    assert b"".join(overlay.chunks(split, tmp_path / "diff")) == made


def test_a_symbolic_link_in_the_stores_folder_is_not_followed(tmp_path: Path) -> None:
    split = split_of(tmp_path / "diff", tar(file("a/b", 100), file("c", 100)))
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "b").write_bytes(bytes(100))
    (tmp_path / "diff" / "a" / "b").unlink()
    (tmp_path / "diff" / "a").rmdir()
    (tmp_path / "diff" / "a").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError):
        list(overlay.chunks(split, tmp_path / "diff"))
    (tmp_path / "diff" / "a").unlink()
    (tmp_path / "diff" / "a").mkdir()
    (tmp_path / "diff" / "a" / "b").symlink_to(tmp_path / "secret" / "b")
    with pytest.raises(OSError):
        list(overlay.chunks(split, tmp_path / "diff"))


@pytest.mark.parametrize(
    "lines",
    [b"{", b"[]\n", b'{"type": 3}\n', b'{"type": 2, "payload": "!"}\n', b'{"type": 1, "name": "../x", "size": 3}\n',
     b'{"type": 1, "name": "", "size": 3}\n', b'{"type": 1, "name": "a", "size": "x"}\n', b"[" * 100_000],
    ids=lambda lines: lines[:40].decode(),
)  # fmt: skip
def test_a_damaged_tar_split_is_an_os_error_and_nothing_else(tmp_path: Path, lines: bytes) -> None:
    (tmp_path / "diff").mkdir()
    (tmp_path / "x").write_bytes(b"abc")
    (tmp_path / "split").write_bytes(gzip.compress(lines))
    with pytest.raises(OSError):
        list(overlay.chunks(tmp_path / "split", tmp_path / "diff"))


@pytest.mark.parametrize("change", ["content", "size", "gone"])
def test_a_file_that_was_changed_in_the_store_is_refused(tmp_path: Path, change: str) -> None:
    made = tar(file("a", 100))
    split = split_of(tmp_path / "diff", made)
    changed = tmp_path / "diff" / "a"
    if change == "gone":
        changed.unlink()
    else:
        changed.write_bytes(bytes(100 if change == "content" else 99))
    with pytest.raises(BadImage, match=r"what came is|cannot be read"):
        index_of(overlay.chunks(split, tmp_path / "diff"), made)


def index_of(chunks: streamed.Chunks, made: bytes, *, size: int | None = None) -> LayerIndex:
    return streamed.read(chunks, hash_of(made), len(made) if size is None else size, hash_of(made), Limits(),
                         threading.Event())  # fmt: skip


# --- a registry -----------------------------------------------------------------------------------


class Registry(http.server.ThreadingHTTPServer):
    """A registry of one repository `a/b`: what it answers by path, and what it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.held: dict[str, bytes] = {}
        self.redirected: dict[str, str] = {}
        self.asked: list[str] = []
        self.token = ""

    @property
    def repository(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}/a/b"

    def put(self, found: Layout, index: bytes | None = None) -> str:
        """Hold an image's manifest and blobs; return its reference."""
        for blob in sorted((found.folder / "blobs" / "sha256").iterdir()):
            self.held[f"/v2/a/b/blobs/sha256:{blob.name}"] = blob.read_bytes()
        return self.manifest(found.blob(found.digest).read_bytes())

    def manifest(self, raw: bytes) -> str:
        self.held[f"/v2/a/b/manifests/{hash_of(raw)}"] = raw
        return f"{self.repository}@{hash_of(raw)}"

    def layers_asked(self, found: Layout) -> list[int]:
        """How often each layer was asked for."""
        return [self.asked.count(f"GET /v2/a/b/blobs/{digest}") for digest, _, _, _ in found.layers]


class Answers(http.server.BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        body = self.server.held.get(self.path)
        if self.server.token and self.headers.get("Authorization") != self.server.token:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            body = b"{}"
        elif self.path in self.server.redirected:
            self.send_response(307)
            self.send_header("Location", self.server.redirected[self.path])
            body = b""
        else:
            self.send_response(200 if body is not None else 404)
        body = b"{}" if body is None else body
        if "/manifests/" in self.path and body.startswith(b"{"):
            kind = json.loads(body).get("mediaType", "application/json")
            self.send_header("Content-Type", kind)
            self.send_header("Docker-Content-Digest", hash_of(body))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served() -> Iterator[Registry]:
    if tools.find("oras") is None:
        pytest.skip("oras is not installed")
    with Registry() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.mark.parametrize("how", ["gzip", "zstd", "plain"])
def test_a_registrys_layers_are_streamed_and_weigh_what_the_layout_weighs(
    tmp_path: Path, served: Registry, how: str
) -> None:
    made = layout(tmp_path / "image", LAYERS, how=how)
    with registry_source.opened(served.put(made), tmp_path / "cache") as found:
        assert found.source == "registry"
        here = measured(found, tmp_path / "cache")
        stored = {path.name for path in found.blobs.rglob("*") if path.is_file()}
    assert here.verified
    assert same(here) == same(measured(made, tmp_path / "other"))
    assert stored == {made.digest.removeprefix("sha256:"), made.manifest["config"]["digest"].removeprefix("sha256:")}
    assert served.layers_asked(made) == [1, 1, 1]


def test_a_base_that_was_read_before_is_not_fetched(tmp_path: Path, served: Registry) -> None:
    base = layout(tmp_path / "base", LAYERS[:1], how="gzip")
    made = layout(tmp_path / "image", LAYERS, how="zstd")
    measured(base, tmp_path / "cache")
    reference = served.put(made)
    for _ in range(2):
        with registry_source.opened(reference, tmp_path / "cache") as found:
            measured(found, tmp_path / "cache")
    assert served.layers_asked(made) == [0, 1, 1]


def test_without_a_cache_that_can_be_written_the_layers_are_stored_for_once(tmp_path: Path, served: Registry) -> None:
    made = layout(tmp_path / "image", LAYERS, how="gzip")
    (tmp_path / "cache").write_bytes(b"a file where a folder must be")
    with registry_source.opened(served.put(made), tmp_path / "cache") as found:
        assert same(measured(found, tmp_path / "cache")) == same(measured(made, tmp_path / "other"))


def test_of_an_index_the_manifest_of_this_machine_is_fetched_and_no_other(tmp_path: Path, served: Registry) -> None:
    made = layout(tmp_path / "image", LAYERS, how="gzip")
    reference = served.put(made)
    entry = {"mediaType": made.manifest["mediaType"], "digest": made.digest, "size": 1}
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    elsewhere = {**entry, "digest": f"sha256:{'0' * 64}"}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
        {**elsewhere, "platform": {"os": "linux", "architecture": "s390x"}},
        {**elsewhere, "platform": {"os": "windows", "architecture": machine}},
        {**elsewhere, "platform": {"os": "unknown", "architecture": "unknown"},
         "annotations": {"vnd.docker.reference.digest": made.digest}},
        {**entry, "platform": {"os": "linux", "architecture": machine}},
    ]}  # fmt: skip
    with registry_source.opened(served.manifest(json.dumps(index).encode()), tmp_path / "cache") as found:
        assert found.digest == reference.rpartition("@")[2]
    assert not any("0" * 64 in path for path in served.asked)


def test_a_layer_that_is_stored_elsewhere_is_fetched_by_its_redirect(tmp_path: Path, served: Registry) -> None:
    made = layout(tmp_path / "image", LAYERS[:1], how="gzip")
    reference = served.put(made)
    path = f"/v2/a/b/blobs/{made.layers[0][0]}"
    served.held["/store"] = served.held.pop(path)
    served.redirected[path] = f"http://{served.repository.partition('/')[0]}/store"
    with registry_source.opened(reference, tmp_path / "cache") as found:
        assert measured(found, tmp_path / "cache").totals.files == 3


def test_the_login_of_docker_is_used_and_without_one_it_is_asked_for(
    tmp_path: Path, served: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = layout(tmp_path / "image", LAYERS[:1], how="gzip")
    reference = served.put(made)
    served.token = f"Basic {b64(b'who:secret')}"
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    with pytest.raises(RegistryFailed, match="asks who you are"):
        registry_source.opened(reference, tmp_path / "cache").__enter__()
    (tmp_path / "docker").mkdir()
    login = {"auths": {served.repository.partition("/")[0]: {"auth": b64(b"who:secret")}}}
    (tmp_path / "docker" / "config.json").write_text(json.dumps(login))
    with registry_source.opened(reference, tmp_path / "cache") as found:
        assert found.digest == made.digest


@pytest.mark.parametrize("lie", ["longer", "shorter", "other", "gone", "empty"])
def test_a_registry_whose_layer_is_another_is_refused_and_nothing_is_kept(
    tmp_path: Path, served: Registry, lie: str
) -> None:
    made = layout(tmp_path / "image", [LAYERS[0]], how="gzip")
    reference = served.put(made)
    path = f"/v2/a/b/blobs/{made.layers[0][0]}"
    raw = served.held.pop(path)
    served.held |= {"longer": {path: raw + b"x"}, "shorter": {path: raw[:-1]}, "empty": {path: b""}, "gone": {},
                    "other": {path: raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:]}}[lie]  # fmt: skip
    with pytest.raises((BadImage, RegistryFailed)):
        registry_source.opened(reference, tmp_path / "cache").__enter__()
    assert not list(tmp_path.glob("cache/layers/*"))


def test_a_manifest_or_config_that_is_another_is_refused(tmp_path: Path, served: Registry) -> None:
    made = layout(tmp_path / "image", [LAYERS[0]])
    reference = served.put(made)
    config = f"/v2/a/b/blobs/{made.manifest['config']['digest']}"
    raw = served.held[config]
    served.held[config] = raw.replace(b"linux", b"xinul")
    with pytest.raises((BadImage, RegistryFailed)):
        registry_source.opened(reference, tmp_path / "cache").__enter__()
    served.held[config] = raw
    served.held[f"/v2/a/b/manifests/{made.digest}"] = made.blob(made.digest).read_bytes() + b" "
    with pytest.raises((BadImage, RegistryFailed)):
        registry_source.opened(reference, tmp_path / "cache").__enter__()
    assert served.layers_asked(made) == [0]


@pytest.mark.parametrize(
    "document",
    [{}, {"config": {}}, {"config": {"digest": "sha256:../../x", "size": 1}}, {"manifests": []}, {"manifests": 3},
     {"config": {"digest": f"sha256:{'0' * 64}", "size": 1 << 40}, "layers": []}],
    ids=json.dumps,
)  # fmt: skip
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, served: Registry, document: dict[str, Any]) -> None:
    raw = json.dumps({"mediaType": "application/vnd.oci.image.manifest.v1+json", **document}).encode()
    with pytest.raises(BadImage):
        registry_source.opened(served.manifest(raw), tmp_path / "cache").__enter__()


def test_a_foreign_layer_is_said_to_lie_elsewhere_and_no_address_is_called(tmp_path: Path, served: Registry) -> None:
    made = layout(tmp_path / "image", LAYERS[:1])
    layer = {**made.manifest["layers"][0], "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
             "urls": [f"http://{served.repository.partition('/')[0]}/elsewhere"]}  # fmt: skip
    served.put(made)
    reference = served.manifest(json.dumps({**made.manifest, "layers": [layer]}).encode())
    with pytest.raises(BadImage, match=r"is foreign and not here: it lies at 127.0.0.1"):
        registry_source.opened(reference, tmp_path / "cache").__enter__()
    assert served.layers_asked(made) == [0] and not any("elsewhere" in path for path in served.asked)
    measured(made, tmp_path / "cache")
    with registry_source.opened(reference, tmp_path / "cache") as found:  # known by its diff ID: no bytes are needed
        assert measured(found, tmp_path / "cache").totals.files == 3


# --- streams --------------------------------------------------------------------------------------


def in_pieces(raw: bytes, size: int) -> streamed.Chunks:
    for at in range(0, len(raw), size):
        yield raw[at : at + size]


@pytest.mark.parametrize("size", [1, 3, 511, 1 << 20])
def test_a_stream_may_come_in_pieces_of_any_size(size: int) -> None:
    made = tar(file("a", 3000), file("b", 10))
    assert [entry.name for entry in index_of(in_pieces(made, size), made).entries] == [b"a", b"b"]


def test_a_stream_without_an_end_is_refused_at_its_first_byte_too_many() -> None:
    made = tar(file("a", 3000))
    given = 0

    def endless() -> streamed.Chunks:
        nonlocal given
        yield made
        while True:
            given += 1
            yield bytes(1000)

    with pytest.raises(BadImage, match="more than the"):
        index_of(endless(), made)
    assert given <= 1


def test_what_a_stream_comes_from_is_ended_when_its_layer_is_refused() -> None:
    ended = threading.Event()

    def nonsense() -> streamed.Chunks:
        try:
            while True:
                yield b"no tar at all" * 1000
        finally:
            ended.set()

    with pytest.raises(BadImage, match="a number that is none"):
        index_of(nonsense(), tar(file("a", 1)), size=1 << 30)
    assert ended.is_set()


def test_a_program_that_says_nothing_is_ended(tmp_path: Path) -> None:
    with pytest.raises(tools.ToolFailed, match="ran longer than"):
        list(tools.chunks(["sleep", "60"], timeout=60, silence=0.1))
    assert b"".join(tools.chunks(["printf", "ab"], timeout=60)) == b"ab"
    with pytest.raises(tools.ToolFailed, match="exited 1"):
        list(tools.chunks(["false"], timeout=60))


# --- layouts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pack", "how"), [(lzma.compress, "xz"), (bz2.compress, "bzip2")])
def test_a_compression_that_no_engine_reads_is_named(
    tmp_path: Path, pack: Callable[[bytes], bytes], how: str
) -> None:
    made = layout(tmp_path / "image", [LAYERS[0]], blobs=[pack(LAYERS[0])])
    with pytest.raises(BadImage, match=f"is compressed with {how}"):
        measured(made, tmp_path / "cache")


def test_a_tar_whose_first_file_is_named_like_a_compression_is_a_tar(tmp_path: Path) -> None:
    made = layout(tmp_path / "image", [tar(file("BZh91AY", 10))])
    assert measured(made, tmp_path / "cache").totals.bytes == 10


def test_a_layer_whose_media_type_lies_is_read_by_its_bytes(tmp_path: Path) -> None:
    made = layout(tmp_path / "image", LAYERS, how="gzip")
    honest = measured(made, tmp_path / "one")
    for layer in made.manifest["layers"]:
        layer["mediaType"] = "application/vnd.oci.image.layer.v1.tar+zstd"
    assert same(measured(made, tmp_path / "two")) == same(honest)


def test_zstd_chunked_is_zstd_with_frames_that_are_passed_over(tmp_path: Path) -> None:
    packer = zstandard.ZstdCompressor()
    skipped = b"\x50\x2a\x4d\x18" + (8).to_bytes(4, "little") + b"manifest"
    blob = b"".join(packer.compress(LAYERS[0][at : at + 5000]) for at in range(0, len(LAYERS[0]), 5000)) + skipped
    made = layout(tmp_path / "image", LAYERS[:1], blobs=[blob])
    assert measured(made, tmp_path / "cache").totals == dataclasses.replace(
        measured(layout(tmp_path / "plain", LAYERS[:1]), tmp_path / "other").totals, compressed_bytes=len(blob)
    )


def test_empty_layers_weigh_nothing(tmp_path: Path) -> None:
    found = measured(layout(tmp_path / "image", [tar(), bytes(1024), b""], how="gzip"), tmp_path / "cache")
    assert [layer.bytes for layer in found.layers] == [0, 0, 0]


def test_a_foreign_layer_that_is_here_is_read_and_one_that_is_not_is_said_to_be_foreign(tmp_path: Path) -> None:
    made = layout(tmp_path / "image", LAYERS[:1])
    made.manifest["layers"][0]["urls"] = ["https://example.com/layer"]
    assert measured(made, tmp_path / "one").totals.files == 3
    made.blob(made.layers[0][0]).unlink()
    with pytest.raises(BadImage, match=r"is foreign and not here: it lies at example\.com"):
        measured(made, tmp_path / "two")
