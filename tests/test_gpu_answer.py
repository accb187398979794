"""`gpu`: on which drivers and GPUs an image starts, and which line decides."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from pipeline.errors import BadFile, ToolMissing
from pipeline.gpu import subjects
from pipeline.gpu.brings import Need
from pipeline.gpu.show import starts as shown
from pipeline.gpu.starts import FleetAnswer, Starts
from pipeline.progress import Progress
from pipeline.refresh import Refreshed
from pipeline.session import Session
from tests.conftest import seatrial


def no_engine(argv, **_):
    raise ToolMissing("no docker", hint="none")


def ask(image, *, drivers=(), gpus=(), run=no_engine, root=Path(), **more):
    asked = subjects.Asked(drivers=tuple(drivers), gpus=tuple(gpus), **more)
    return subjects.where_it_starts(str(image), asked, Session(root=root, progress=Progress()), run=run)


def answers(found):
    return {one.on: one.answer for one in found.fleet}


@pytest.fixture
def dockerfile(tmp_path):
    def write(text, **files):
        (tmp_path / "Dockerfile").write_text(text)
        for name, content in files.items():
            (tmp_path / name.replace("_", ".")).write_text(content)
        return tmp_path

    return write


def test_a_published_image_is_judged_by_its_tag():
    found = ask("nvidia/cuda:12.9.1-base-ubuntu24.04", drivers=["525.147.05", "535"], gpus=["V100", "K80"])
    assert list(answers(found).values()) == ["no", "yes", "yes", "no"]
    assert found.driver == "525.60.13" and found.accepted_branches == (535, 550, 560, 565, 570)
    assert (found.lowest, found.highest) == ("5.0", "12.1")


def test_the_environment_of_an_image_in_the_engine_wins_over_its_tag():
    def engine(argv, **_):
        assert argv[:3] == ["docker", "image", "inspect"]
        return json.dumps(["PATH=/bin", "NVIDIA_REQUIRE_CUDA=cuda>=13.0", "odd"])

    found = ask("team/app:1", drivers=["570"], run=engine)
    assert answers(found) == {"driver 570": "no"}


def test_the_base_is_found_through_arguments_stages_and_mirrors(dockerfile):
    folder = dockerfile(
        "ARG CUDA=12.4.1\nFROM host:5000/hub/nvidia/cuda:${CUDA}-runtime-ubuntu22.04 AS base\nFROM base\nRUN true\n"
    )
    assert answers(ask(folder, drivers=["550"])) == {"driver 550": "yes"}
    newer = ask(folder, drivers=["565"], build_args={"CUDA": "13.1.0"})
    assert answers(newer) == {"driver 565": "no"}
    assert newer.fleet[0].line == 2


def test_a_wheel_can_need_a_newer_driver_than_the_base(dockerfile):
    folder = dockerfile("FROM python:3.12-slim\nRUN pip install torch==2.11.0\n")
    found = ask(folder, drivers=["570", "580.65.06"], gpus=["V100", "A100", "B200"])
    assert answers(found) == {
        "driver 570": "no", "driver 580.65.06": "yes", "GPU V100 (7.0)": "no", "GPU A100 (8.0)": "yes",
        "GPU B200 (10.0)": "yes",
    }  # fmt: skip
    assert {one.line for one in found.fleet} == {2}
    assert found.driver == "580" and (found.lowest, found.highest) == ("7.5", "12.0")


def test_the_wheels_decide_about_gpus_where_they_bring_their_own_libraries(dockerfile):
    folder = dockerfile(
        "FROM nvidia/cuda:12.4.1-base-ubuntu22.04\n"
        "RUN pip install torch==2.8.0 --index-url https://download.pytorch.org/whl/cu128\n"
    )
    assert answers(ask(folder, gpus=["RTX 5090"])) == {"GPU RTX 5090 (12.0)": "yes"}


def test_a_requirements_file_in_the_context_counts(dockerfile):
    folder = dockerfile(
        "FROM python:3.12\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\n",
        requirements_txt="torch==2.10.0\n",
    )
    found = ask(folder, drivers=["515"])
    assert answers(found) == {"driver 515": "no"} and found.fleet[0].line == 3


def test_what_conda_brings_counts_and_is_never_a_blind_yes(dockerfile):
    folder = dockerfile("FROM mambaorg/micromamba:2.0\nRUN micromamba install -y pytorch=2.5.1 pytorch-cuda=12.4\n")
    found = ask(folder, drivers=["450", "550"], gpus=["K80"])
    assert list(answers(found).values()) == ["no", "yes", "unknown"]
    assert {one.line for one in found.fleet} == {2}


def test_an_old_branch_that_the_image_lets_in_needs_the_compatibility_package(dockerfile):
    folder = dockerfile("FROM nvidia/cuda:12.4.1-base-ubuntu22.04\n")
    found = ask(folder, drivers=["470.223.02"])
    assert answers(found) == {"driver 470.223.02": "unknown"} and "cuda-compat" in found.fleet[0].because


def test_a_switched_off_check_is_told(dockerfile):
    folder = dockerfile("FROM nvidia/cuda:12.9.1-base-ubuntu24.04\nENV NVIDIA_DISABLE_REQUIRE=1\n")
    found = ask(folder, drivers=["525.147.05"])
    assert found.fleet[0].answer == "yes" and "switches the check off" in found.fleet[0].because


def test_an_image_of_amd_starts_on_no_nvidia_driver():
    found = ask("rocm/pytorch:latest", drivers=["580"], gpus=["H100"])
    assert found.vendor == "amd" and set(answers(found).values()) == {"no"}


def test_what_needs_no_gpu_starts_everywhere():
    found = ask("debian:12", drivers=["390"], gpus=["K80"])
    assert found.vendor is None and set(answers(found).values()) == {"yes"}


def test_what_nobody_can_tell_is_neither_yes_nor_no(dockerfile):
    found = ask(dockerfile("FROM nvcr.io/nvidia/pytorch:25.06-py3\n"), drivers=["550"], gpus=["A100"])
    assert set(answers(found).values()) == {"unknown"}


def test_the_fleet_of_image_yaml_counts_unless_another_is_named(dockerfile):
    folder = dockerfile(
        "FROM nvidia/cuda:12.9.1-base-ubuntu24.04\n",
        image_yaml='name: a\nrepository: a\nfleet: {drivers: ["525.147.05"], compute_capabilities: ["8.0"]}\n',
    )
    assert answers(ask(folder)) == {"driver 525.147.05": "no", "GPU 8.0": "yes"}
    assert answers(ask(folder, drivers=["580"])) == {"driver 580": "yes"}


@pytest.mark.parametrize(
    ("image", "more"),
    [("nosuch", {}), ("debian:12", {"drivers": ["new"]}), ("debian:12", {"gpus": ["Radeon"]}), ("-v:1", {})],
)
def test_what_is_no_image_no_driver_or_no_gpu_is_said(image, more, tmp_path):
    (tmp_path / "dockerfiles" / "a").mkdir(parents=True)
    (tmp_path / "dockerfiles" / "a" / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "dockerfiles" / "a" / "image.yaml").write_text("name: a\nrepository: a\n")
    with pytest.raises(BadFile):
        ask(image, root=tmp_path, **more)


def test_a_folder_without_a_dockerfile_is_said(tmp_path):
    with pytest.raises(BadFile, match="no Dockerfile"):
        ask(tmp_path)


def test_markup_and_control_characters_of_a_file_stay_text(dockerfile):
    found = ask(dockerfile("FROM nvidia/cuda:12.9.1-[red]x\n"), drivers=["550"])
    assert shown(found) is not None


@pytest.mark.parametrize(
    ("image", "decides"),
    [
        ("fastapi-gpu", "dockerfiles/cuda-runtime/Dockerfile"),
        ("fastapi-gpu-hub", "dockerfiles/fastapi-gpu-hub/Dockerfile"),
    ],
)
def test_the_example_images_start_on_all_of_their_fleet(image, decides):
    ended = seatrial("gpu", image, "--format", "json")
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    assert document["schema"] == "seatrial/gpu/v1" and document["vendor"] == "nvidia"
    assert [one["answer"] for one in document["fleet"]] == ["yes"] * 9
    assert {one["file"] for one in document["fleet"]} == {decides}
    assert document["gathered"] >= "2026-11-23"


def test_a_driver_that_is_too_old_is_exit_ten_and_names_the_line():
    ended = seatrial("gpu", "fastapi-gpu-hub", "--driver", "525.147.05")
    assert ended.returncode == 10, ended.stderr
    assert "NVIDIA_REQUIRE_CUDA asks for cuda>=12.9" in ended.stdout
    assert "dockerfiles/fastapi-gpu-hub/Dockerfile:" in ended.stdout and "facts gathered" in ended.stdout


@pytest.mark.parametrize(
    ("title", "kind"), [("gpu", Starts), ("Need", Need), ("FleetAnswer", FleetAnswer), ("refresh", Refreshed)]
)
def test_every_key_of_the_documents_is_described_and_no_other(title, kind):
    text = (Path(__file__).parents[1] / "docs" / "json.md").read_text(encoding="utf-8")
    body = re.split(r"^##+ ", text.partition(f"\n{'#' * (2 if title.islower() else 3)} {title}\n")[2], flags=re.M)[0]
    assert set(re.findall(r"^\| `(\w+)` \|", body, re.M)) == {field.name for field in dataclasses.fields(kind)}
