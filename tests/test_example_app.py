"""The example tree: its files say what they must, and the service answers as its page says.

The image itself is what is asked, under the limits that production sets. It is built by `release`, once a session.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import recipe

TREE = Path(__file__).parents[1] / "dockerfiles"
IMAGES = [TREE / name for name in ("debian-base", "cuda-runtime", "fastapi-gpu", "fastapi-gpu-hub")]
FOLDER = TREE / "fastapi-gpu"
KEY = "made-up-for-this-test"
HARDENED = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--memory=2g",
            "--pids-limit=512"]  # fmt: skip


def docker(*argv: str) -> str:
    return subprocess.run(["docker", *argv], capture_output=True, text=True, check=True).stdout.strip()


# --- the files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", IMAGES, ids=lambda folder: folder.name)
def test_an_image_is_named_like_its_folder_and_smoke_tested(folder: Path) -> None:
    found = recipe.read(folder)
    assert found.name == folder.name
    assert found.smoke.probes
    assert found.budget.bytes and found.budget.compressed_bytes


@pytest.mark.parametrize("folder", IMAGES, ids=lambda folder: folder.name)
def test_a_dockerfile_opens_with_why_and_pulls_no_frontend(folder: Path) -> None:
    text = (folder / "Dockerfile").read_text()
    assert text.startswith("# ")
    assert "syntax=" not in text


@pytest.mark.parametrize("folder", IMAGES, ids=lambda folder: folder.name)
def test_a_context_is_a_list_of_what_is_let_in(folder: Path) -> None:
    lines = (folder / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert all(rule.startswith("!") for rule in rules[1:])


@pytest.mark.parametrize("folder", IMAGES, ids=lambda folder: folder.name)
def test_whatever_fetches_does_so_with_the_machine_s_secrets_and_nothing_else(folder: Path) -> None:
    """pip and apt need this machine's addresses and certificates, and those may only ever be mounts."""
    text = (folder / "Dockerfile").read_text().replace("\\\n", " ")
    declared = {secret.id for secret in recipe.read(folder).secrets}
    for line in text.splitlines():
        if " install " in line and "pip" in line.split(" install ")[0]:
            assert "id=ca" in line and "id=pip" in line and "--require-hashes" in line, line
            assert {"ca", "pip"} <= declared
        if "id=apt" in line:
            assert "apt" in declared


@pytest.mark.parametrize("lock", sorted(TREE.glob("*/*.in")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_requirement_is_locked_with_hashes_and_without_an_address(lock: Path) -> None:
    text = lock.with_suffix(".txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines
    assert all("==" in line and "--hash=sha256:" in line for line in lines)
    assert "://" not in text and "--index" not in text


# --- the root file system -------------------------------------------------------------------------


@pytest.mark.real
def test_the_same_packages_give_the_same_root_byte_for_byte(tmp_path: Path) -> None:
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is not installed")
    digests = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(TREE / "debian-base/prepare", folder)
        subprocess.run(["./prepare"], cwd=folder, check=True, capture_output=True)
        digests.append(hashlib.sha256((folder / ".made/root.tar").read_bytes()).hexdigest())
    assert digests[0] == digests[1]


def test_without_a_tool_prepare_fails_and_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    shutil.copy(TREE / "debian-base/prepare", tmp_path)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "mkdir", "mktemp", "cat", "chmod", "rm"):
        found = shutil.which(name)
        assert found
        (programs / name).symlink_to(found)
    done = subprocess.run(["./prepare"], cwd=tmp_path, env={"PATH": str(programs)}, capture_output=True, text=True)
    assert done.returncode == 127
    assert "neither mmdebstrap nor debootstrap" in done.stderr
    assert not (tmp_path / ".made/root.tar").exists()


# --- the service ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def image(released: dict[str, Any]) -> str:
    """The image that this session's release made."""
    return str(released["fastapi-gpu"]["record"]["digest"])


class Service:
    """One running container of the image and the door to it."""

    def __init__(self, image: str, *options: str, env: dict[str, str]) -> None:
        variables = [f"--env={name}={value}" for name, value in env.items()]
        self.id = docker("run", "--detach", "--publish=127.0.0.1::8000", *HARDENED, *variables, *options, image)
        try:
            self._url = "http://" + docker("port", self.id, "8000/tcp").splitlines()[0]
            self._wait()
        except BaseException:
            self.remove()
            raise

    def ask(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Status and JSON of one answer."""
        request = urllib.request.Request(self._url + path, data=body, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def predict(self, question: Any, key: str | None = KEY) -> tuple[int, Any]:
        """Status and JSON of one /predict; bytes go as they are."""
        body = question if isinstance(question, bytes) else json.dumps(question).encode()
        return self.ask("/predict", body, {"Content-Type": "application/json", **({"X-API-Key": key} if key else {})})

    def remove(self) -> None:
        """Remove the container, whatever its state."""
        docker("rm", "--force", self.id)

    def _wait(self) -> None:
        for _ in range(300):
            try:
                self.ask("/health/live")
                return
            except OSError:
                time.sleep(0.1)
        pytest.fail("the service does not answer: " + docker("logs", self.id))


@pytest.fixture(scope="module")
def service(image: str) -> Iterator[Service]:
    model = FOLDER / ".made/model"
    running = Service(image, f"--volume={model}:/model:ro", env={"API_KEY": KEY})
    yield running
    running.remove()


def known_digits() -> tuple[list[list[int]], list[int]]:
    """The digits of image.yaml's own probe, so that they stand in one place."""
    for probe in recipe.read(FOLDER).smoke.probes:
        if probe.request and probe.request.path == "/predict" and probe.request.expect.status == 200:
            rows = probe.request.json_body["instances"]
            return rows, [answer["digit"] for answer in probe.request.expect.body["predictions"]]
    raise AssertionError("no probe predicts")


@pytest.mark.real
def test_known_digits_are_read_right_alone_and_together(service: Service) -> None:
    rows, digits = known_digits()
    status, answer = service.predict({"instances": rows})
    assert (status, [found["digit"] for found in answer["predictions"]]) == (200, digits)
    status, alone = service.predict({"instances": rows[0]})
    assert (status, alone["predictions"]) == (200, answer["predictions"][:1])


@pytest.mark.real
def test_the_answer_says_what_computed_it(service: Service) -> None:
    _, info = service.ask("/info")
    _, answer = service.predict({"instances": known_digits()[0]})
    assert answer["provider"] == info["provider"]
    # On the CPU there is a reason, on the GPU there is none to give.
    assert (info["because"] is None) == (info["provider"] == "CUDAExecutionProvider")


@pytest.mark.real
def test_info_names_the_very_model_that_is_mounted(service: Service) -> None:
    content = (FOLDER / ".made/model/model.onnx").read_bytes()
    assert service.ask("/info")[1]["model"]["sha256"] == hashlib.sha256(content).hexdigest()


@pytest.mark.real
@pytest.mark.parametrize(
    "key", [None, "", "wrong", KEY + "x", "ÿ"], ids=["none", "empty", "wrong", "longer", "latin"]
)
def test_nobody_gets_in_without_the_key(service: Service, key: str | None) -> None:
    assert service.predict({"instances": known_digits()[0]}, key)[0] == 401


@pytest.mark.real
@pytest.mark.parametrize(
    "question",
    [
        {"instances": []}, {"instances": [1, 2, 3]}, {"instances": [[0] * 63]}, {"instances": [[0] * 64] * 257},
        {"instances": [17.0] * 64}, {"instances": [-1] * 64}, {"instances": ["x"] * 64}, {"instances": None}, {},
        {"instances": [0] * 64, "more": 1}, b'{"instances": [NaN]}', b"not json",
    ],
    ids=lambda question: str(question)[:24],
)  # fmt: skip
def test_a_bad_question_is_refused_with_422_and_not_sent_back(service: Service, question: Any) -> None:
    status, answer = service.predict(question)
    assert status == 422
    assert all(set(problem) == {"where", "what"} for problem in answer["detail"])


@pytest.mark.real
def test_a_body_nested_too_deeply_is_refused_and_the_service_goes_on(service: Service) -> None:
    assert service.predict(b"[" * 100_000)[0] == 400
    assert service.ask("/health/ready")[0] == 200


@pytest.mark.real
def test_a_body_that_is_too_long_is_refused_before_it_is_read(service: Service) -> None:
    assert service.predict(b" " * 1_000_001)[0] == 413


@pytest.mark.real
def test_no_key_and_no_pixels_reach_the_log(service: Service) -> None:
    service.predict({"instances": known_digits()[0]})
    service.predict({"instances": [1]}, "a-wrong-key")
    lines = docker("logs", service.id).splitlines()
    assert lines and all(json.loads(line)["message"] for line in lines)
    assert KEY not in "".join(lines)
    assert "a-wrong-key" not in "".join(lines)
    assert "instances" not in "".join(lines)


@pytest.mark.real
def test_without_a_model_the_service_lives_and_is_not_ready(image: str) -> None:
    service = Service(image, env={"API_KEY": KEY})
    try:
        assert service.ask("/health/live")[0] == 200
        status, answer = service.ask("/health/ready")
        assert status == 503 and "no model in /model" in answer["detail"]
        assert service.predict({"instances": [0] * 64})[0] == 503
    finally:
        service.remove()


@pytest.mark.real
def test_a_model_that_its_metadata_does_not_describe_is_not_served(image: str, tmp_path: Path) -> None:
    model = FOLDER / ".made/model"
    tmp_path.chmod(0o755)
    (tmp_path / "model.onnx").write_bytes((model / "model.onnx").read_bytes() + b"\0")
    shutil.copy(model / "metadata.json", tmp_path)
    for file in tmp_path.iterdir():
        file.chmod(0o644)
    service = Service(image, f"--volume={tmp_path}:/model:ro", env={"API_KEY": KEY})
    try:
        status, answer = service.ask("/health/ready")
        assert status == 503 and "metadata.json" in answer["detail"]
    finally:
        service.remove()


@pytest.mark.real
def test_without_a_key_of_its_own_it_is_not_ready_and_lets_nobody_in(image: str) -> None:
    service = Service(image, f"--volume={FOLDER / '.made/model'}:/model:ro", env={})
    try:
        assert service.ask("/health/ready") == (503, {"detail": "API_KEY is not set"})
        assert service.predict({"instances": [0] * 64}, "")[0] == 503
    finally:
        service.remove()


@pytest.mark.real
def test_where_the_gpu_is_required_the_cpu_is_not_good_enough(image: str) -> None:
    strict = Service(
        image, f"--volume={FOLDER / '.made/model'}:/model:ro", env={"API_KEY": KEY, "REQUIRE_GPU": "true"}
    )
    try:
        status, answer = strict.ask("/health/ready")
        assert (status, answer["detail"].split(":")[0]) == (503, "REQUIRE_GPU is set")
    finally:
        strict.remove()


@pytest.mark.real
def test_sigterm_ends_it_cleanly(image: str) -> None:
    service = Service(image, f"--volume={FOLDER / '.made/model'}:/model:ro", env={"API_KEY": KEY})
    try:
        docker("stop", "--time=20", service.id)
        assert docker("inspect", "--format={{.State.ExitCode}}", service.id) == "0"
        assert '"message": "stopped"' in docker("logs", service.id)
    finally:
        service.remove()


@pytest.mark.real
def test_no_layer_holds_an_address_or_a_bundle_of_this_machine(image: str) -> None:
    """What the build was given is looked for where it would have been left."""
    script = (
        "set -e; cd /; ! find etc/apt/sources.list etc/apt/sources.list.d var/lib/apt/lists run/secrets -type f "
        "2>/dev/null | grep .; ! find . -xdev ( -name direct_url.json -o -name pip.conf -o -name .netrc ) | grep ."
    )
    docker("run", "--rm", "--network=none", "--user=0", "--entrypoint=sh", image, "-c",
           script.replace("(", r"\(").replace(")", r"\)"))  # fmt: skip
