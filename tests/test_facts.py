"""What is known about images, drivers, GPUs and wheels, asked as the rules ask it."""

import json
import subprocess  # what a plain lint loads is asked of a fresh Python
import sys
from datetime import date

import pytest
from packaging.version import Version

from pipeline import facts
from pipeline.facts import tables
from pipeline.refresh import text_of

GATE_12_9 = facts.nvidia_require_cuda(Version("12.9.1"))


@pytest.mark.parametrize("name", tables.NAMES)
def test_every_table_says_where_it_comes_from_and_when(name):
    table = tables.table(name)
    assert len(table["source"]) > 40
    assert date.fromisoformat(table["gathered"]) >= date(2026, 1, 1)
    assert facts.gathered() <= table["gathered"]


@pytest.mark.parametrize("name", tables.NAMES)
def test_a_table_lies_in_its_file_as_refresh_would_write_it(name):
    text = (tables.FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert text == text_of(name, json.loads(text))


def test_a_dockerfile_without_a_gpu_reads_no_table():
    code = (
        "from pipeline import facts\nfrom pipeline.facts import tables\n"
        "assert facts.gpu_base('debian:12') is None and facts.cuda_tag('python:3.12-slim') is None\n"
        "print(tables.table.cache_info().currsize)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "0"


def test_every_known_tag_fits_the_grammar_and_exists():
    known = tables.table("cuda_tags")
    count = 0
    for section in ("supported", "end_of_life"):
        for version, systems in known[section].items():
            for system, variants in systems.items():
                for variant in variants.split():
                    tag = facts.cuda_tag(f"nvidia/cuda:{version}-{variant}-{system}")
                    assert tag.well_formed and facts.exists(tag), tag
                    assert facts.is_end_of_life(tag) is (section == "end_of_life"), tag
                    count += 1
    assert count > 1000


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("nvidia/cuda:12.4.1-cudnn-devel-ubuntu22.04",
         {"name": "nvidia/cuda", "cuda": "12.4.1", "cudnn": 9, "flavour": "devel", "os": "ubuntu22.04"}),
        ("host:5000/hub/nvidia/cuda:12.1.1-cudnn8-runtime-rockylinux9",
         {"name": "nvidia/cuda", "cuda": "12.1.1", "cudnn": 8, "flavour": "runtime", "os": "rockylinux9"}),
        ("pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel",
         {"framework": "pytorch", "framework_version": "2.7.1", "cuda": "12.6", "cudnn": 9, "flavour": "devel"}),
        ("nvcr.io/nvidia/cuda-dl-base:25.06-cuda12.9-devel-ubuntu24.04",
         {"name": "nvidia/cuda-dl-base", "cuda": "12.9", "flavour": "devel", "release": "25.06"}),
        ("nvcr.io/nvidia/pytorch:25.06-py3",
         {"framework": "pytorch", "framework_version": None, "release": "25.06", "python": None, "cuda": None}),
        ("nvcr.io/nvidia/tritonserver:24.01-py3", {"framework": "triton", "release": "24.01"}),
        ("tensorflow/tensorflow:2.15.0-gpu", {"framework": "tensorflow", "framework_version": "2.15.0"}),
        ("vllm/vllm-openai:v0.8.5.post1", {"framework": "vllm", "framework_version": "0.8.5.post1", "cuda": None}),
        ("ghcr.io/huggingface/text-generation-inference:3.0.1", {"framework": "tgi", "framework_version": "3.0.1"}),
        ("lmsysorg/sglang:v0.4.6.post1-cu124", {"framework": "sglang", "cuda": "12.4"}),
        ("rocm/pytorch:rocm6.0.2_ubuntu22.04_py3.10_pytorch_2.1.2",
         {"vendor": "amd", "rocm": "6.0.2", "framework_version": "2.1.2", "os": "ubuntu22.04", "python": "3.10"}),
        ("rocm/dev-ubuntu-22.04:6.2-complete", {"vendor": "amd", "rocm": "6.2", "os": "ubuntu22.04"}),
        ("vllm/vllm-openai:v0.9.2-rocm", {"vendor": "amd", "cuda": None}),
        ("runpod/pytorch:2.1.0-py3.10-cuda11.8.0-devel-ubuntu22.04",
         {"cuda": "11.8.0", "flavour": "devel", "python": "3.10", "os": "ubuntu22.04"}),
        ("763.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.3.0-gpu-py311-cu121-ubuntu20.04-ec2",
         {"framework": "pytorch", "cuda": "12.1", "python": "3.11", "os": "ubuntu20.04"}),
    ],
)  # fmt: skip
def test_a_gpu_image_is_read_from_its_reference(image, expected):
    found = facts.gpu_base(image)
    assert found is not None
    for key, value in expected.items():
        have = getattr(found, key)
        assert (str(have) if isinstance(have, Version) else have) == value, key
    assert found.vendor == expected.get("vendor", "nvidia")


@pytest.mark.parametrize(
    "image",
    [None, "", "debian:12", "python:3.12", "tensorflow/tensorflow:2.15.0", "scratch", "golang:1.23-cudagenic",
     "ghcr.io/huggingface/text-generation-inference:3.0.1-intel", "vllm/vllm-openai:v0.9.2-cpu", "a/nvidia:latest",
     "763.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.3.0-cpu-py311-ubuntu20.04-ec2"],
)  # fmt: skip
def test_other_images_are_no_gpu_images(image):
    assert facts.gpu_base(image) is None


def test_an_end_of_life_tag_has_a_day_and_a_replacement():
    old = facts.cuda_tag("nvidia/cuda:12.1.0-devel-ubuntu22.04")
    assert facts.deletion(old) == date(2026, 6, 15)
    assert facts.replacement(old) == "12.1.1-devel-ubuntu22.04"
    alive = facts.cuda_tag("nvidia/cuda:12.9.1-base-ubuntu24.04")
    assert facts.deletion(alive) is None and facts.replacement(alive) is None


def test_what_a_toolkit_compiles_for_follows_its_release_notes():
    assert facts.compiles_for(Version("11.0"))[-1] == "8.0"
    assert "9.0" in facts.compiles_for(Version("11.8.0")) and "9.0" not in facts.compiles_for(Version("11.7.1"))
    assert "3.7" not in facts.compiles_for(Version("12.0.1"))
    assert "12.0" in facts.compiles_for(Version("12.8.1")) and "12.0" not in facts.compiles_for(Version("12.6.3"))
    assert facts.compiles_for(Version("13.0.2"))[0] == "7.5"
    assert facts.compiles_for(Version("99.0")) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("A100", "8.0"), ("NVIDIA A100-SXM4-80GB", "8.0"), ("H100", "9.0"), ("NVIDIA H100 80GB HBM3", "9.0"),
     ("L4", "8.9"), ("T4", "7.5"), ("Tesla V100-SXM2-16GB", "7.0"), ("B200", "10.0"), ("RTX 4090", "8.9"),
     ("NVIDIA GeForce RTX 5090", "12.0"), ("rtx4090", "8.9"), ("sm_86", "8.6"), ("compute_120", "12.0"),
     ("9.0a", "9.0"), ("8.0", "8.0"), ("RTX A6000", "8.6"), ("NVIDIA RTX 6000 Ada Generation", "8.9")],
)  # fmt: skip
def test_a_gpu_is_known_by_its_name_or_its_capability(text, expected):
    assert facts.capability(text) == Version(expected)


@pytest.mark.parametrize("text", ["", "GPU", "535", "RTX 6000", "Radeon", "sm_", "8", "x" * 10_000])
def test_what_is_no_known_gpu_is_none(text):
    assert facts.capability(text) is None


@pytest.mark.parametrize(
    ("built", "gpu", "runs"),
    [(["8.0"], "8.9", True), (["8.6"], "8.0", False), (["8.0"], "9.0", False), (["8.0+PTX"], "12.0", True),
     (["12.0+PTX"], "9.0", False), (["7.5", "9.0"], "9.0", True), ([], "8.0", False)],
)  # fmt: skip
def test_machine_code_runs_within_its_major_version_and_ptx_on_everything_newer(built, gpu, runs):
    assert facts.covers(built, Version(gpu)) is runs


@pytest.mark.parametrize(
    ("os", "glibc"),
    [("ubuntu20.04", (2, 31)), ("ubuntu:22.04", (2, 35)), ("jammy", (2, 35)), ("bookworm-slim", (2, 36)),
     ("debian:12-slim", (2, 36)), ("rockylinux9", (2, 34)), ("ubi8", (2, 28)), ("centos7", (2, 17)),
     ("amzn2023", (2, 34)), ("alpine3.20", None), ("plan9", None), (None, None)],
)  # fmt: skip
def test_a_systems_c_library_is_known(os, glibc):
    assert facts.os_glibc(os) == glibc


def test_alpine_has_another_c_library():
    assert facts.os_musl("alpine:3.20") and not facts.os_musl("ubuntu22.04")


@pytest.mark.parametrize(
    ("name", "version", "variant", "cuda", "cudnn", "driver"),
    [
        ("torch", "2.10.0", None, "12.8", 9, "525.60.13"),
        ("torch", "2.11.0", None, "13.0", 9, "580"),
        ("torch", "2.3.1", None, "12.1", 8, "525.60.13"),
        ("torch", "2.8.0+cu126", None, "12.6", 9, "525.60.13"),
        ("torch", "2.8.0", "cu126", "12.6", 9, "525.60.13"),
        ("tensorflow", "2.19.0", None, "12.5", 9, "525.60.13"),
        ("onnxruntime-gpu", "1.31.1", None, "13", 9, "580"),
        ("vllm", "0.9.2", None, "12.6", 9, "525.60.13"),
    ],
)
def test_a_wheel_brings_a_cuda_and_needs_its_driver(name, version, variant, cuda, cudnn, driver):
    assert facts.wheel_cuda(name, Version(version), variant) == Version(cuda)
    assert facts.wheel_cudnn(name, Version(version)) == cudnn
    assert facts.wheel_driver(name, Version(version), variant) == Version(driver)


def test_what_no_table_has_about_a_wheel_is_none():
    ahead = Version("99.0")
    assert facts.wheel_cuda("torch", ahead) is None and facts.wheel_cudnn("torch", ahead) is None
    assert facts.wheel_pythons("torch", ahead) is None and facts.wheel_capabilities("torch", ahead) is None
    assert facts.wheel_cuda("numpy", Version("1.26")) is None and facts.wheel_driver("torch", None) is None


def test_the_python_versions_of_a_release_are_those_of_its_wheels():
    assert facts.wheel_pythons("torch", Version("2.1.2+cu118")) == ("3.8", "3.9", "3.10", "3.11")
    assert "3.13" not in facts.wheel_pythons("tensorflow", Version("2.19.0"))
    assert facts.wheel_pythons("jax", Version("0.9.2"))[0] == "3.11"


def test_torch_says_which_gpus_it_holds_code_for():
    assert facts.wheel_capabilities("torch", Version("2.8.0"))[0] == "7.0"
    assert facts.wheel_capabilities("torch", Version("2.11.0"))[0] == "7.5"
    assert facts.wheel_capabilities("torch", Version("2.11.0"), "cu126")[0] == "5.0"
    assert facts.wheel_capabilities("vllm", Version("0.9.2")) == facts.wheel_capabilities("torch", Version("2.7.0"))


def test_flash_attentions_own_local_versions_name_a_cuda_major_version():
    version = Version("2.7.4.post1+cu12torch2.6cxx11abiFALSE")
    assert facts.wheel_cuda("flash-attn", version) == Version("12")


# --- NVIDIA_REQUIRE_CUDA ---


@pytest.mark.parametrize(
    ("driver", "brand", "answer"),
    [
        ("525.147.05", None, "no"),  # fine by the compatibility table, refused by the image
        ("535.104.05", None, "yes"), ("535", None, "yes"), ("545.29", None, "no"), ("570.86.10", "tesla", "yes"),
        ("570.86.10", "geforcertx", "no"), ("575.57.08", "geforcertx", "yes"), ("580", None, "yes"),
        ("615.01", None, "unknown"),
    ],
)  # fmt: skip
def test_cuda_12_9_images_start_on_these_drivers(driver, brand, answer):
    found = facts.requirement_holds({"NVIDIA_REQUIRE_CUDA": GATE_12_9}, Version(driver), brand=brand)
    assert found.answer == answer, found.because


def test_a_refusal_says_what_is_asked_for_and_what_is_there():
    found = facts.requirement_holds({"NVIDIA_REQUIRE_CUDA": GATE_12_9}, Version("525.147.05"))
    assert "cuda>=12.9" in found.because and "525.147.05 (CUDA 12.0)" in found.because


def test_an_older_branch_is_not_for_consumer_cards():
    found = facts.requirement_holds({"NVIDIA_REQUIRE_CUDA": GATE_12_9}, Version("535"))
    assert found.because.endswith("except on GeForce cards")


@pytest.mark.parametrize(
    ("environment", "answer"),
    [
        ({}, "yes"),
        ({"NVIDIA_REQUIRE_CUDA": "cuda>=12.9"}, "no"),
        ({"NVIDIA_REQUIRE_CUDA": "cuda>=12.9", "NVIDIA_DISABLE_REQUIRE": "true"}, "yes"),
        ({"NVIDIA_REQUIRE_CUDA": "cuda>=12.9", "NVIDIA_DISABLE_REQUIRE": "no"}, "no"),
        ({"NVIDIA_REQUIRE_CUDA": "cuda>=12.9 driver>=535"}, "yes"),
        ({"NVIDIA_REQUIRE_CUDA": "cuda>=12.1,driver<500"}, "no"),
        ({"NVIDIA_REQUIRE_CUDA": "cuda>=12.1", "NVIDIA_REQUIRE_DRIVER": "driver>=550"}, "no"),
        ({"NVIDIA_REQUIRE_CUDA": "cuda>=12.1", "NVIDIA_REQUIRE_JETPACK": "csv-mounts=all"}, "yes"),
        ({"NVIDIA_REQUIRE_ARCH": "arch>=8.0"}, "unknown"),
        ({"NVIDIA_REQUIRE_DRIVER": "driver=535"}, "yes"),
        ({"NVIDIA_REQUIRE_DRIVER": "driver!=535"}, "no"),
        ({"NVIDIA_REQUIRE_CUDA": "moon>=full"}, "unknown"),
        ({"NVIDIA_REQUIRE_CUDA": "cuda>=x"}, "unknown"),
        ({"NVIDIA_REQUIRE_CUDA": "cuda>=12 " * 10_000}, "unknown"),
        ({"CUDA_VERSION": "12.8.1"}, "no"),  # an image from before NVIDIA_REQUIRE_CUDA
        ({"CUDA_VERSION": "12.1.0"}, "yes"),
        ({"CUDA_VERSION": "12.8.1", "NVIDIA_REQUIRE_CUDA": "cuda>=12.0"}, "yes"),
    ],
)
def test_the_variables_are_read_as_the_container_toolkit_reads_them(environment, answer):
    assert facts.requirement_holds(environment, Version("535.104.05")).answer == answer


def test_the_gpu_itself_may_be_asked_for():
    environment = {"NVIDIA_REQUIRE_ARCH": "arch>=8.0"}
    assert facts.requirement_holds(environment, Version("535"), Version("9.0")).answer == "yes"
    assert facts.requirement_holds(environment, Version("535"), Version("7.5")).answer == "no"


def test_an_answer_is_no_truth_value():
    with pytest.raises(TypeError, match="three values"):
        bool(facts.requirement_holds({}, Version("535")))
