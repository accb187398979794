"""Engines that are not there, die in the middle, or are full: told as what they are, and nothing is pushed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline import tools
from tests.faults.drill import DOCKERFILE, POLICY, SMOKE, Drill, containers, squeezed
from tests.faults.network import Wire
from tests.namespaces import own_network

pytestmark = pytest.mark.real


@dataclass
class Engine:
    """A dockerd of this test's own, its data on a small tmpfs.

    It has a network namespace of its own: with `--bridge none` a dockerd deletes the docker0 that it finds, and that
    would be the one of the machine's own engine.
    """

    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/docker.sock"


@pytest.fixture
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        pytest.skip("an engine of the test's own needs root and dockerd")
    store = f"containerd-snapshotter={getattr(request, 'param', 'true')}"
    folder = Path("/tmp") / f"drill-engine-{os.getpid()}"  # a socket's path is short
    data = folder / "data"
    data.mkdir(parents=True)
    (folder / "daemon.json").write_text("{}")  # not the machine's own settings
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "drill", str(data)], check=True)
    with (folder / "log").open("wb") as log, own_network():
        process = subprocess.Popen(
            ["dockerd", "--data-root", str(data), "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid",
             "--host", f"unix://{folder}/docker.sock", "--bridge", "none", "--iptables=false", "--config-file",
             f"{folder}/daemon.json", "--feature", store], stdout=log, stderr=log,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while subprocess.run(["docker", "--host", f"unix://{folder}/docker.sock", "version"], capture_output=True,
                             check=False).returncode:  # fmt: skip
            assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
        yield Engine(folder, process)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _clear(folder)


def _clear(folder: Path) -> None:
    """End what a killed engine left running in its containers, undo its mounts, remove its folder."""
    ours = Path("/proc/self/ns/mnt").readlink()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                inside = f"{folder}/data" in (entry / "mountinfo").read_text()
                if inside and (entry / "ns/mnt").readlink() != ours:
                    os.kill(int(entry.name), signal.SIGKILL)
    table = Path("/proc/self/mountinfo").read_text().splitlines()
    for mount in sorted((line.split()[4] for line in table if str(folder) in line.split()[4]), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=True)
    shutil.rmtree(folder)


@pytest.mark.parametrize("words", [("release",), ("build", "tiny"), ("smoke", "tiny")], ids=lambda words: words[0])
def test_without_an_engine_nothing_is_started(
    drill: Drill, pushed: Callable[[str], set[str]], words: tuple[str, ...]
) -> None:
    drill.image()
    host = f"unix://{drill.root}/docker.sock"
    ended = drill.run(*words, DOCKER_HOST=host)
    assert ended.code == 3
    assert ended.err.splitlines()[-2].startswith("seatrial: ") or "seatrial: " in ended.err
    assert "engine" in ended.err and "try: " in ended.err
    if words == ("release",):
        assert f"the engine at {host} does not answer" in ended.err
        assert "unset DOCKER_HOST" in ended.err
    assert ended.out == ""
    assert not drill.reports.exists()
    assert not pushed(f"{drill.prefix}/tiny")


def test_an_engine_that_dies_while_it_builds_is_told_as_such(
    drill: Drill, engine: Engine, pushed: Callable[[str], set[str]]
) -> None:
    step = 'RUN --network=none ["/probe", "sleep"]'
    drill.image(dockerfile=f"{DOCKERFILE}{step}\n")
    running = drill.start("release", DOCKER_HOST=engine.host)
    running.wait_for(step)
    engine.process.kill()
    ended = running.end()
    assert ended.code == 3, ended.said
    assert squeezed("Dockerfile: the container engine went away during the build") in ended.told
    assert "`doctor`" in ended.out
    assert not drill.reports.exists()
    assert not pushed(f"{drill.prefix}/tiny")


def test_an_engine_that_goes_away_during_the_smoke_test_is_told_as_such(
    drill: Drill, pushed: Callable[[str], set[str]]
) -> None:
    """The way to the machine's own engine is cut. What it kept running, the next run removes."""
    drill.image(smoke='  command: ["/probe", "sleep"]\n' + SMOKE)
    path = Path("/tmp") / f"drill-wire-{os.getpid()}.sock"
    try:
        with closing(Wire(tools.run(["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"])
                          .strip().removeprefix("unix://"), path=str(path))) as wire:  # fmt: skip
            running = drill.start("release", DOCKER_HOST=f"unix://{path}")
            running.wait_for("waiting until it is ready")
            wire.close()
            ended = running.end()
    finally:
        path.unlink()
    assert ended.code == 3, ended.said
    assert squeezed("the container engine went away") in ended.told
    assert not drill.reports.exists()
    assert len(containers(running.pid)) == 1
    drill.image()
    assert drill.run("release").code == 0
    assert containers(running.pid) == []


def test_a_container_that_somebody_removes_during_its_test_does_not_ship(
    drill: Drill, pushed: Callable[[str], set[str]]
) -> None:
    """Seen while it is killed it has failed; seen when it is gone, nobody can say any more."""
    drill.image(smoke='  command: ["/probe", "sleep"]\n' + SMOKE)
    running = drill.start("release")
    running.wait_for("waiting until it is ready")
    subprocess.run(["docker", "rm", "--force", *containers(running.pid)], check=True, capture_output=True)
    ended = running.end()
    said = {10: "becomes ready: it ended with exit code 137", 3: "somebody removed the container"}
    assert squeezed(said[ended.code]) in ended.told, ended.said
    assert not pushed(f"{drill.prefix}/tiny")


@pytest.mark.parametrize("where", ["in a step", "in a copy"])
def test_an_engine_whose_disk_is_full_is_told_as_such(drill: Drill, engine: Engine, where: str) -> None:
    drill.policy(POLICY)
    folder = drill.image()
    if where == "in a step":
        drill.image(dockerfile=DOCKERFILE + 'RUN --network=none ["/probe", "fill", "100"]\n')
    else:
        (folder / "weights").write_bytes(os.urandom(1 << 20) * 100)
        drill.image(dockerfile=DOCKERFILE + "COPY weights /\n")
    ended = drill.run("release", DOCKER_HOST=engine.host)
    assert ended.code == 3, ended.said
    assert squeezed("the engine's disk is full") in ended.told, ended.said
    assert squeezed("`docker system prune`") in ended.told
    assert "Dockerfile:4" in ended.told or where == "in a copy"
    assert not drill.reports.exists()


@pytest.mark.parametrize("engine", ["false"], indirect=True, ids=["classic image store"])
def test_with_the_classic_image_store_a_base_and_its_child_are_released_and_verified(
    drill: Drill, engine: Engine
) -> None:
    """That store knows no digest before a push, hands its layers out plain, and finds a base by its tag only."""
    drill.image("base")
    drill.image("child", dockerfile='FROM base\nCOPY image.yaml /\nCMD ["/probe", "serve"]\n',
                smoke='  command: ["/probe", "sleep"]\n')  # fmt: skip
    drill.image("base", smoke='  command: ["/probe", "sleep"]\n')
    ended = drill.run("release", "--format", "json", DOCKER_HOST=engine.host)
    assert ended.code == 0, ended.said
    base, child = (one["record"] for one in ended.document()["releases"])
    assert child["build"]["base"]["digest"] == base["digest"]
    assert child["build"]["image"]["engine_id"] not in (None, child["digest"])
    assert child["measure"]["source"] == "docker save"
    assert all(
        layer["compressed_bytes"] < layer["bytes"] for layer in child["measure"]["layers"] if layer["bytes"] > 999
    )
    assert [layer["origin"] for layer in child["measure"]["layers"]] == ["base", "own"]
    assert drill.run("verify", child["pushed"]["reference"]).code == 0
