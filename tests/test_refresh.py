"""`refresh-facts`: tags from a registry, wheels from a package index, tables written whole or not at all."""

import hashlib
import http.server
import io
import json
import shutil
import socket
import subprocess  # a real registry on loopback
import threading
import time
import urllib.request
import zipfile
from contextlib import contextmanager
from datetime import date
from urllib.parse import parse_qs, urlsplit

import pytest
from packaging.version import Version

from pipeline import facts, refresh
from pipeline.errors import BadFile, RegistryFailed
from pipeline.facts import tables
from pipeline.refresh import tags
from pipeline.refresh.web import Client, NoAnswer
from tests.conftest import seatrial

TODAY = date(2027, 2, 3)
NOBODY = "127.0.0.1:9"  # the discard port: nothing listens there
METADATA = (
    "Metadata-Version: 2.1\nName: torch\nVersion: 9.1.0\nRequires-Python: >=3.11\n"
    'Requires-Dist: cuda-toolkit[cublas,cudart]==13.4.1 ; platform_system == "Linux"\n'
    'Requires-Dist: nvidia-cudnn-cu13==9.30.0.1 ; platform_system == "Linux"\n'
    'Requires-Dist: nvidia-cuda-runtime-cu12==12.8.90 ; platform_system == "Windows"\n'
)


def no_settings(argv, **_):
    return ""  # pip is configured with nothing


@pytest.fixture
def folder(tmp_path):
    return refresh.folder_for(str(tmp_path / "tables"))


def refreshed(folder, **more):
    return refresh.refresh(folder=folder, today=TODAY, run=no_settings, **more)


def table(folder, name):
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


@contextmanager
def server(answer):
    """A web server on loopback; `answer(path, query, headers)` gives status, headers and body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            status, headers, body = answer(parts.path, parse_qs(parts.query), self.headers)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{running.server_port}"
        running.shutdown()


# --- tags ---


@pytest.fixture
def registry(tmp_path):
    """Debian's registry, empty, on a free port."""
    program = shutil.which("docker-registry") or shutil.which("registry")
    if program is None:
        pytest.skip("docker-registry is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    (tmp_path / "config.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {tmp_path / 'blobs'}}}}}\n"
        f"http: {{addr: '{address}'}}\n"
    )
    with subprocess.Popen(
        [program, "serve", str(tmp_path / "config.yml")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://{address}/v2/", timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield address
        running.terminate()


def push(address, repository, names):
    """Empty images, by hand: one blob that is the configuration, one manifest for all tags."""
    config = b"{}"
    digest = "sha256:" + hashlib.sha256(config).hexdigest()
    root = f"http://{address}/v2/{repository}"
    with urllib.request.urlopen(urllib.request.Request(f"{root}/blobs/uploads/", method="POST")) as answer:
        place = answer.headers["Location"]
    place += f"{'&' if '?' in place else '?'}digest={digest}"
    octets = {"Content-Type": "application/octet-stream"}
    urllib.request.urlopen(urllib.request.Request(place, config, octets, method="PUT")).close()
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    blob = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config), "digest": digest}
    manifest = {"schemaVersion": 2, "mediaType": kind, "layers": [], "config": blob}
    for name in names:
        request = urllib.request.Request(f"{root}/manifests/{name}", json.dumps(manifest).encode(),
                                         {"Content-Type": kind}, method="PUT")  # fmt: skip
        urllib.request.urlopen(request).close()


NEW = ("13.4.0-base-ubuntu24.04", "13.4.0-cudnn-devel-ubuntu24.04", "13.1.1-runtime-ubuntu24.04", "latest", "junk")


def test_new_tags_of_a_real_registry_reach_the_table(registry, folder):
    push(registry, "hub/nvidia/cuda", NEW)
    found = refreshed(folder, registry=f"{registry}/hub", index=f"http://{NOBODY}/simple")
    after = table(folder, "cuda_tags")
    assert after["supported"]["13.4.0"] == {"ubuntu24.04": "base cudnn-devel"}
    assert after["gathered"] == "2027-02-03"
    assert "nvidia/cuda 13.4.0: new, 2 tags" in found.changes
    assert found.written == (str(folder / "cuda_tags.json"),)
    assert [line.partition(":")[0] for line in found.silent] == ["package index"]
    assert registry not in (folder / "cuda_tags.json").read_text(encoding="utf-8")


def test_a_newer_point_release_ends_the_life_of_the_older_one(registry, folder):
    push(registry, "nvidia/cuda", NEW)
    found = refreshed(folder, registry=registry, index=f"http://{NOBODY}/simple")
    after = table(folder, "cuda_tags")
    assert "13.1.0" not in after["supported"] and "13.1.1" not in after["also_seen"]
    assert after["end_of_life_since"]["13.1.0"] == "2027-02-03"
    assert "nvidia/cuda 13.1.0: end of life" in found.changes


def test_a_mirror_that_lists_only_what_was_pulled_ends_nothing(folder):
    before = table(folder, "cuda_tags")
    after = tags.with_tags(before, ["12.9.1-base-ubuntu24.04"], "2027-02-03")
    assert {**after, "gathered": before["gathered"]} == before


def test_a_tag_that_a_whole_list_lacks_is_gone(folder):
    before = table(folder, "cuda_tags")
    listed = [name for _, _, _, name in facts.all_supported() if not name.startswith("11.4.3")]
    after = tags.with_tags(before, listed, "2027-02-03")
    assert set(before["supported"]) - set(after["supported"]) == {"11.4.3"}
    assert "ubuntu20.04" in after["end_of_life"]["11.4.3"]


def paged(path, query, headers):
    """A registry that wants a token and gives one page at a time."""
    if path == "/token":
        assert query["scope"] == ["repository:nvidia/cuda:pull"]
        return 200, {}, b'{"token": "t0"}'
    if headers.get("Authorization") != "Bearer t0":
        challenge = f'Bearer realm="http://{headers["Host"]}/token",service="registry"'
        return 401, {"WWW-Authenticate": challenge}, b""
    if "last" in query:
        return 200, {}, b'{"tags": ["13.4.1-base-ubuntu24.04"]}'
    more = '</v2/nvidia/cuda/tags/list?n=1000&last=x>; rel="next"'
    return 200, {"Link": more}, b'{"tags": ["13.4.0-base-ubuntu24.04"]}'


def test_a_registry_with_tokens_and_pages_is_read_to_the_end():
    with server(paged) as address:
        assert tags.list_tags(Client(), address) == ("13.4.0-base-ubuntu24.04", "13.4.1-base-ubuntu24.04")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, {}, b"<html>"), "is not one"),
        ((200, {}, b'{"tags": 7}'), "is not one"),
        ((404, {}, b""), "404"),
        ((401, {"WWW-Authenticate": "Basic"}, b""), "login"),
        ((200, {"Link": '<http://elsewhere.example/x>; rel="next"'}, b'{"tags": []}'), "another host"),
        ((200, {"Link": '</v2/nvidia/cuda/tags/list>; rel="next"'}, b'{"tags": []}'), "pages"),
    ],
)
def test_a_registry_that_answers_nonsense_is_no_answer(answer, said):
    with server(lambda *_: answer) as address, pytest.raises(NoAnswer, match=said):
        tags.list_tags(Client(), address)


def test_plain_http_is_spoken_on_this_machine_only():
    with pytest.raises(NoAnswer, match="only https"):
        Client().get("http://registry.example/v2/")
    with pytest.raises(NoAnswer, match="only https"):
        Client().get("file:///etc/passwd")


# --- wheels ---


def wheel():
    """A wheel with METADATA behind enough bytes that its end is a piece of its own."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("torch-9.1.0.dist-info/METADATA", METADATA)
        archive.writestr("torch/lib.so", b"\0" * 200_000)
    return file.getvalue()


WHEELS = ("torch-9.1.0-cp311-cp311-manylinux_2_28_x86_64.whl", "torch-9.1.0-cp312-cp312-manylinux_2_28_x86_64.whl",
          "torch-9.1.0-cp313-cp313-win_amd64.whl", "torch-9.2.0rc1-cp311-cp311-manylinux_2_28_x86_64.whl",
          "torch-0.4.1-cp36-cp36m-manylinux1_x86_64.whl")  # fmt: skip


def index(*, as_json, metadata):
    """A package index with torch only; a wheel's metadata beside it, or only in the wheel."""

    def answer(path, query, headers):
        if path == "/simple/torch/":
            if as_json:
                files = [{"filename": name, "url": f"/files/{name}", "yanked": False} for name in WHEELS]
                return (
                    200,
                    {"Content-Type": "application/vnd.pypi.simple.v1+json"},
                    json.dumps({"files": files}).encode(),
                )
            links = "".join(f'<a href="/files/{name}#sha256=0">{name}</a>' for name in WHEELS)
            gone = '<a data-yanked="" href="/files/torch-9.3.0-cp311-cp311-manylinux_2_28_x86_64.whl">x</a>'
            return 200, {"Content-Type": "text/html"}, f"<!doctype html>{links}{gone}".encode()
        if path.endswith(".metadata") and metadata:
            return 200, {}, METADATA.encode()
        if path.endswith(".whl"):
            body = wheel()
            start, _, end = headers["Range"].removeprefix("bytes=").partition("-")
            first = len(body) - int(end) if not start else int(start)
            last = len(body) - 1 if not start else min(int(end), len(body) - 1)
            return 206, {"Content-Range": f"bytes {first}-{last}/{len(body)}"}, body[first : last + 1]
        return 404, {}, b""

    return answer


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "html"])
@pytest.mark.parametrize("metadata", [True, False], ids=["metadata-beside", "metadata-in-the-wheel"])
def test_a_new_release_is_read_from_the_index(folder, as_json, metadata):
    before = table(folder, "wheels")["releases"]
    with server(index(as_json=as_json, metadata=metadata)) as address:
        found = refreshed(folder, registry=NOBODY, index=f"http://{address}/simple")
    after = table(folder, "wheels")["releases"]
    assert after["torch"].pop("9.1.0") == {"cuda": "13.4", "cudnn": "9.30.0.1", "pythons": "3.11 3.12"}
    assert after == before
    assert found.changes == ("torch 9.1.0: cuda 13.4, cudnn 9.30.0.1, pythons 3.11 3.12",)
    assert (folder / "wheels.json").read_text(encoding="utf-8").count("\n   ") > 250  # a release a line


def test_a_second_refresh_changes_nothing_but_the_day(folder):
    with server(index(as_json=True, metadata=True)) as address:
        refreshed(folder, registry=NOBODY, index=f"http://{address}/simple")
        kept = (folder / "wheels.json").read_bytes()
        assert refreshed(folder, registry=NOBODY, index=f"http://{address}/simple").changes == ()
    assert (folder / "wheels.json").read_bytes() == kept


def test_a_wheel_that_is_no_wheel_is_left_out(folder):
    def answer(path, query, headers):
        status, more, body = index(as_json=True, metadata=False)(path, query, headers)
        return (status, more, b"\0" * len(body)) if path.endswith(".whl") else (status, more, body)

    with server(answer) as address:
        assert refreshed(folder, registry=NOBODY, index=f"http://{address}/simple").changes == ()


# --- whole or not at all ---


def test_offline_the_facts_stay_and_their_age_is_told(folder):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(RegistryFailed, match=f"gathered {facts.gathered()}"):
        refreshed(folder, registry=NOBODY, index=f"http://{NOBODY}/simple")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_disk_that_takes_no_more_leaves_the_old_tables(folder, monkeypatch):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with server(index(as_json=True, metadata=True)) as address, pytest.raises(OSError, match="No space"):
        refreshed(folder, registry=NOBODY, index=f"http://{address}/simple")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_tables_that_are_none_are_said(folder):
    (folder / "wheels.json").write_text("{")
    with pytest.raises(BadFile, match="not a table"):
        refreshed(folder, registry=NOBODY)


def test_the_command_says_that_nothing_answered():
    ended = seatrial("refresh-facts", "--registry", NOBODY, "--index", f"http://{NOBODY}/simple")
    assert ended.returncode == 3
    assert "nothing answered" in ended.stderr and facts.gathered() in ended.stderr


def test_the_command_writes_into_a_folder_of_your_own(tmp_path):
    place = tmp_path / "new"
    with server(index(as_json=True, metadata=True)) as address:
        ended = seatrial("refresh-facts", "--registry", NOBODY, "--index", f"http://{address}/simple", "--into",
                         str(place), "--format", "json")  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    assert document["schema"] == "seatrial/refresh/v1" and len(document["changes"]) == 1
    assert "9.1.0" in table(place, "wheels")["releases"]["torch"]
    assert sorted(file.stem for file in place.iterdir()) == sorted(tables.NAMES)


def test_what_ships_is_what_the_rules_were_tried_with():
    assert Version("2.15.0") in map(Version, tables.table("wheels")["releases"]["torch"])
