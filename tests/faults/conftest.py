"""Fixtures of the fault drills. They use the machine's engine; registry, proxies and other engines are their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline import tools
from pipeline.errors import PipelineError
from pipeline.setup import trivy
from tests.faults.drill import Drill

HERE = Path(__file__).parent
KEPT = ("PATH", "HOME", "LANG", "DOCKER_CONFIG", "DOCKER_CONTEXT")


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Compiles one of the C programs here, once; static, so that it runs in an image without anything else."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc: the drills compile the programs inside their images")
    folder = tmp_path_factory.mktemp("programs")

    def program(name: str, *flags: str) -> Path:
        target = folder / "-".join([name, *flags]).replace("=", "")
        if not target.exists():
            argv = ["gcc", "-static", "-Os", "-s", *flags, "-o", str(target), str(HERE / f"{name}.c")]
            subprocess.run(argv, check=True)
        return target

    return program


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    def port() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return port


@pytest.fixture(scope="session")
def registry_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="session")
def registry(registry_data: Path, free_port: Callable[[], int]) -> Iterator[str]:
    """HOST:PORT of a real registry that only this test session uses."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("no docker-registry")
    port = free_port()
    config = registry_data / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {registry_data}/data}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}', secret: drill}}\n"
    )
    with (registry_data / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", str(config)],
            stdout=log,
            stderr=log,
            env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=2).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, (registry_data / "log").read_text()
                time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)
        _remove_images(f"127.0.0.1:{port}")


def _remove_images(host: str) -> None:
    """What the drills built for this registry leaves the engine with it."""
    argv = ["docker", "image", "ls", "--quiet", "--filter", f"reference={host}/*/*"]
    ids = set(subprocess.run(argv, capture_output=True, text=True, check=False).stdout.split())
    if ids:
        subprocess.run(["docker", "image", "rm", "--force", *ids], capture_output=True, check=False)


@pytest.fixture(scope="session")
def pushed(registry_data: Path) -> Callable[[str], set[str]]:
    """The manifests that the registry holds for a repository, by looking at its disk: tags tell too little."""

    def revisions(repository: str) -> set[str]:
        folder = registry_data / "data/docker/registry/v2/repositories" / repository / "_manifests/revisions/sha256"
        return {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()

    return revisions


@pytest.fixture(scope="session")
def scanner() -> dict[str, str]:
    """The environment that names the real scanner of this machine."""
    try:
        program = trivy.path()
    except PipelineError as error:
        pytest.skip(f"no scanner: {error.what}")
    return {"SEATRIAL_TRIVY": str(program), "SEATRIAL_TRIVY_SHA256": tools.sha256_of(program)}


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cache, state and signing key of the whole session: made once, as on a machine that is in use."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def base_environment(home: Path, registry: str, scanner: dict[str, str]) -> dict[str, str]:
    own = {name: os.environ[name] for name in KEPT if name in os.environ}
    folders = {f"SEATRIAL_{name.upper()}": str(home / name) for name in ("cache", "state", "config")}
    own["PYTHONPATH"] = str(HERE.parent.parent)  # the tree that these tests are in, wherever the program came from
    # A drill without a scanner must not wait for a package index that hands it another one.
    return {**own, **folders, **scanner, "SEATRIAL_REGISTRY": registry, "PIP_NO_INDEX": "1", "COLUMNS": "200"}


@pytest.fixture
def new_drill(
    tmp_path: Path, base_environment: dict[str, str], registry: str, programs: Callable[..., Path]
) -> Iterator[Callable[[str], Drill]]:
    """Makes workspaces; when the test is over nothing of their runs may be left."""
    made: list[Drill] = []

    def make(name: str) -> Drill:
        root = tmp_path / name
        environment = {**base_environment, "TMPDIR": str(root / "tmp"), "SEATRIAL_ROOT": str(root / "tree")}
        drill = Drill(root=root, environment=environment, registry=registry, probe=programs("probe"))
        drill.scratch.mkdir(parents=True)
        drill.policy()
        made.append(drill)
        return drill

    yield make
    for drill in made:
        drill.close()


@pytest.fixture
def drill(new_drill: Callable[[str], Drill], tmp_path: Path) -> Drill:
    return new_drill("d" + tmp_path.name[-40:])
