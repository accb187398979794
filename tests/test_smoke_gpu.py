"""A GPU reaches the container, or the reason why not reaches the reader. The device here is a stand-in."""

import dataclasses
import os
import subprocess
import uuid
from pathlib import Path

import pytest

from pipeline.model import Image
from pipeline.recipe import Recipe
from pipeline.smoke import smoke
from pipeline.smoke.gpu import find_device

KIND = "seatrial.example/gpu"
SMI = '#include <stdio.h>\nint main(void) { puts("570.124.06, Stand-in GPU"); return 0; }\n'
SLEEP = """
#include <signal.h>
#include <unistd.h>
static void end(int number) { (void)number; _exit(0); }
int main(void) { signal(SIGTERM, end); for (;;) pause(); }
"""


def test_a_real_device_is_found_by_its_kind_and_a_stand_in_is_told_apart(monkeypatch):
    monkeypatch.delenv("SEATRIAL_GPU_DEVICE", raising=False)
    assert find_device({}) is None
    assert find_device({"DiscoveredDevices": [{"ID": f"{KIND}=0"}]}) is None
    both = {"DiscoveredDevices": [{"ID": "nvidia.com/gpu=0"}, {"ID": "nvidia.com/gpu=all"}]}
    assert find_device(both).name == "nvidia.com/gpu=all"
    assert not find_device(both).simulated
    assert find_device({"Runtimes": {"nvidia": {}}}).name == "nvidia runtime"
    monkeypatch.setenv("SEATRIAL_GPU_DEVICE", f"{KIND}=0")
    assert find_device(both).simulated


@pytest.fixture
def image(tmp_path):
    for name, source in (("smi", SMI), ("sleep", SLEEP)):
        (tmp_path / f"{name}.c").write_text(source)
        subprocess.run(["gcc", "-static", "-Os", "-o", str(tmp_path / name), str(tmp_path / f"{name}.c")], check=True)
    (tmp_path / "Dockerfile").write_text('FROM scratch\nCOPY sleep /\nENV PATH=/usr/bin\nCMD ["/sleep"]\n')
    local = f"seatrial-test/gpu:{uuid.uuid4().hex[:12]}"
    subprocess.run(["docker", "buildx", "build", "--quiet", "--provenance=false", "--tag", local, str(tmp_path)],
                   check=True, capture_output=True)  # fmt: skip
    digest = subprocess.run(["docker", "image", "inspect", "--format", "{{.Id}}", local], check=True,
                            capture_output=True, text=True).stdout.strip()  # fmt: skip
    yield Image(name="gpu", repository="seatrial-test/gpu", digest=digest, local=local)
    subprocess.run(["docker", "image", "rm", "--force", local], capture_output=True, check=False)


@pytest.fixture
def stand_in(tmp_path, image):
    """A CDI device of our own kind that brings an nvidia-smi."""
    folder = Path("/var/run/cdi")
    if os.geteuid() != 0:
        pytest.skip("a CDI device is written by root")
    folder.mkdir(exist_ok=True)
    name = uuid.uuid4().hex[:12]
    spec = folder / f"seatrial-{name}.yaml"
    spec.write_text(f"""cdiVersion: 0.6.0
kind: {KIND}
devices:
  - name: "{name}"
    containerEdits:
      mounts: [{{hostPath: {tmp_path}/smi, containerPath: /usr/bin/nvidia-smi, options: [ro, bind]}}]
""")
    yield f"{KIND}={name}"
    spec.unlink()


def recipe(tmp_path, gpu):
    made = Recipe.model_validate({"name": "gpu", "repository": "seatrial-test/gpu", "smoke": {"gpu": gpu}})
    made._folder = tmp_path
    return made


def outcome(found, probe):
    return next(one for one in found.outcomes if one.probe == probe)


@pytest.mark.real
def test_a_stand_in_device_reaches_the_container_and_is_labelled_simulated(image, stand_in, tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_GPU_DEVICE", stand_in)
    found = smoke(image, recipe(tmp_path, "required"))
    assert (found.gpu.visible, found.gpu.driver, found.gpu.simulated) == (1, "570.124.06", True)
    assert outcome(found, "sees a GPU").outcome == "passed"
    assert "SIMULATED" in outcome(found, "sees a GPU").saw
    assert outcome(found, "stops on SIGTERM").outcome == "passed"


@pytest.mark.real
def test_a_device_that_does_not_exist_fails_in_plain_words_and_leaves_no_container(image, tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_GPU_DEVICE", f"{KIND}=no-such-device")
    found = smoke(image, recipe(tmp_path, "required"))
    assert outcome(found, "starts").because == "the CDI device does not exist on this host"
    left = subprocess.run(["docker", "ps", "--all", "--quiet", "--filter", f"ancestor={image.digest}"],
                          capture_output=True, text=True, check=True).stdout  # fmt: skip
    assert left == ""


@pytest.mark.real
def test_without_a_gpu_the_probe_is_skipped_with_the_reason(image, tmp_path, monkeypatch):
    monkeypatch.delenv("SEATRIAL_GPU_DEVICE", raising=False)
    monkeypatch.setattr("pipeline.smoke.find_device", lambda info: None)
    found = smoke(image, recipe(tmp_path, "auto"))
    assert outcome(found, "sees a GPU").outcome == "skipped"
    assert found.gpu == dataclasses.replace(found.gpu, visible=None, driver=None, simulated=False)
