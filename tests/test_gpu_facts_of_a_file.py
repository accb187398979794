"""What the GPU rules read out of a Dockerfile: architectures, systems, Pythons, copies; and how a FROM is changed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.analysis.architectures import arch_lists, read_list, runs_on
from pipeline.analysis.compiles import compiles
from pipeline.analysis.copies import taken
from pipeline.analysis.rebase import rebased
from pipeline.analysis.systems import interpreter, system
from pipeline.errors import BadFile
from pipeline.fix import apply
from pipeline.model import Context
from pipeline.parse import parse
from policies import RULES


@pytest.mark.parametrize(
    ("variable", "value", "runs", "does_not_run"),
    [
        ("TORCH_CUDA_ARCH_LIST", "8.0;9.0", [(8, 0), (8, 6), (8, 9), (9, 0)], [(7, 5), (10, 0), (12, 0)]),
        ("TORCH_CUDA_ARCH_LIST", "8.6", [(8, 6), (8, 9)], [(8, 0), (9, 0)]),
        ("TORCH_CUDA_ARCH_LIST", "7.0 8.0+PTX", [(7, 5), (9, 0), (12, 1)], [(6, 1)]),
        ("TORCH_CUDA_ARCH_LIST", "9.0a", [(9, 0)], [(10, 0)]),
        ("TORCH_CUDA_ARCH_LIST", "Ampere", [(8, 0), (8, 6), (9, 0)], [(7, 5)]),
        ("CMAKE_CUDA_ARCHITECTURES", "80", [(8, 0), (8, 9), (9, 0)], [(7, 5)]),
        ("CMAKE_CUDA_ARCHITECTURES", "80-real;120-virtual", [(8, 6), (12, 1)], [(9, 0)]),
        ("FLASH_ATTN_CUDA_ARCHS", "80;90", [(8, 9), (9, 0)], [(10, 0)]),
    ],
)
def test_machine_code_runs_within_its_major_version_and_portable_code_on_all_later(
    variable: str, value: str, runs: list[tuple[int, int]], does_not_run: list[tuple[int, int]]
) -> None:
    found = read_list(variable, value)
    assert found is not None
    assert [one for one in (*runs, *does_not_run) if runs_on(found, one)] == runs


@pytest.mark.parametrize("value", ["native", "all-major", "", "${ARCHS}", "8.0;newest", "8.0;" * 1000])
def test_a_list_that_nobody_can_read_is_not_judged(value: str) -> None:
    assert read_list("TORCH_CUDA_ARCH_LIST", value) is None


def test_a_list_stands_where_the_file_writes_it() -> None:
    text = 'FROM scratch\nENV A=1 \\\n    TORCH_CUDA_ARCH_LIST="8.0;9.0"\n'
    [found] = arch_lists(parse(text))
    assert found.span is not None
    assert text[found.span.start : found.span.end] == "8.0;9.0"


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("ubuntu:22.04", "ubuntu22.04"),
        ("ubuntu:noble-20250101", "ubuntu24.04"),
        ("mirror.example.com:5000/library/debian:bookworm-slim", "debian12"),
        ("python:3.12-slim-trixie", "debian13"),
        ("python:3.12-alpine3.20", "alpine3.20"),
        ("rockylinux:9.4", "rockylinux9"),
        ("nvidia/cuda:12.8.1-devel-ubi9", "ubi9"),
        ("python:3.12-slim", None),
        ("ubuntu", None),
        ("registry.example.com/team/base:2.1", None),
    ],
)
def test_an_image_tells_its_system_or_nothing(image: str, name: str | None) -> None:
    assert system(image) == name


@pytest.mark.parametrize(
    ("lines", "version"),
    [
        ("FROM python:3.12-slim", (3, 12)),
        ("FROM nvidia/cuda:12.8.1-base-ubuntu22.04\nRUN apt-get install -y python3 python3-venv", (3, 10)),
        ("FROM ubuntu:24.04 AS a\nFROM a", (3, 12)),
        ("FROM ubuntu:22.04\nRUN apt-get install -y python3.11", None),
        ("FROM ubuntu:22.04\nRUN uv python install 3.12", None),
        (
            "FROM ubuntu:22.04\nRUN curl -O https://example.com/Miniconda3-latest.sh && bash Miniconda3-latest.sh",
            None,
        ),
        ("FROM ubuntu:22.04\nCOPY --from=python:3.12 /usr/local /usr/local", None),
        ("FROM registry.example.com/team/base:22.04", None),
    ],
)
def test_the_python_of_a_stage_is_told_only_where_it_is_certain(lines: str, version: tuple[int, int] | None) -> None:
    dockerfile = parse(lines + "\n")
    found = interpreter(dockerfile, dockerfile.final)
    assert (found.version if found else None) == version


def test_a_copy_is_followed_to_the_stage_that_made_it() -> None:
    text = """FROM nvidia/cuda:12.8.1-devel-ubuntu24.04 AS build
RUN make -C /src
FROM alpine:3.20 AS collect
WORKDIR /all
COPY --from=build /src/bin ./bin
FROM nvidia/cuda:12.8.1-base-ubuntu24.04 AS base
COPY --from=collect /all/bin/server /usr/local/bin/
FROM base
RUN --mount=type=bind,from=build,source=/src,target=/mnt/src cp /mnt/src/extra.so /usr/lib/
"""
    found = [(one.source.name if one.source else None, one.path, one.instruction.line) for one in taken(parse(text))]
    assert found == [("build", "/src/bin/server", 7), ("build", "/src/extra.so", 9)]


@pytest.mark.parametrize(
    ("command", "what", "cuda"),
    [
        ("nvcc -o a a.cu", "nvcc", True),
        ("cmake -B build -DGGML_CUDA=ON", "cmake", True),
        ("cmake -B build", "cmake", False),
        ("pip install git+https://github.com/facebookresearch/xformers.git@main#egg=xformers", "xformers", True),
        ("DS_BUILD_OPS=1 pip install deepspeed", "deepspeed", True),
        ("pip wheel --no-build-isolation -w /w gsplat", "gsplat", True),
        ("python3 setup.py bdist_wheel", "setup.py", False),
        ("cargo build --release", "cargo", False),
    ],
)
def test_what_compiles_is_recognised(command: str, what: str, cuda: bool) -> None:
    [found] = compiles(parse(f"FROM scratch\nRUN {command}\n"))
    assert (found.what, found.cuda) == (what, cuda)


@pytest.mark.parametrize(
    "command",
    ["nvcc --version", "cmake --version", "pip install xformers", "pip install ./a-1.0-py3-none-any.whl", "pip list"],
)
def test_what_does_not_compile_is_left_alone(command: str) -> None:
    assert compiles(parse(f"FROM scratch\nRUN {command}\n")) == ()


@pytest.mark.parametrize(
    ("before", "image", "after"),
    [
        ("FROM a/b:1-devel AS x\n", "a/b:1-runtime", "FROM a/b:1-runtime AS x\n"),
        ("FROM a/b\n", "a/b:1", "FROM a/b:1\n"),
        ("ARG V=1.2\nFROM a/b:${V}-devel\n", "a/b:1.2.3-devel", "ARG V=1.2.3\nFROM a/b:${V}-devel\n"),
        ("ARG V=1.2\nFROM a/b:$V-devel\n", "a/b:1.2-base", "ARG V=1.2\nFROM a/b:$V-base\n"),
        (
            "ARG V='1'\r\nARG T=\"${V}-devel\"\r\nFROM --platform=linux/amd64 \\\r\n  a/b:${T}\r\n",
            "a/b:1-base",
            "ARG V='1'\r\nARG T=\"${V}-base\"\r\nFROM --platform=linux/amd64 \\\r\n  a/b:${T}\r\n",
        ),
    ],
)
def test_a_base_is_changed_where_the_file_decides_it(before: str, image: str, after: str) -> None:
    dockerfile = parse(before)
    edit = rebased(dockerfile, dockerfile.final, image)
    assert edit is not None
    assert apply(before, [edit]) == after


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("ARG V\nFROM a/b:${V:-1}\n", False),  # a default of its own: two places decide
        ("ARG V=1\nARG W=2\nFROM a/b:$V$W\n", False),  # the changed part comes out of two ARGs
        ("ARG V=1\nFROM a/b:$V AS x\nFROM a/b:$V\n", True),  # another stage uses it
    ],
)
def test_a_base_is_left_alone_where_more_than_one_place_decides_it(text: str, alone: bool) -> None:
    dockerfile = parse(text)
    assert rebased(dockerfile, dockerfile.stages[0], "a/b:3", alone=alone) is None


WORDS = (
    "nvidia/cuda:12.4.1-devel-ubuntu22.04", "pytorch/pytorch:2.4-cuda12.1.1-cudnn9-devel", "rocm/pytorch", "${V}",
    "V=1.2", 'V="a b"', "TORCH_CUDA_ARCH_LIST=8.0;9.0+PTX", "CMAKE_CUDA_ARCHITECTURES=80", "/opt/venv", "/opt/",
    "/usr/local/cuda/lib64/libcublas.so.12", "/usr/lib/libcudnn*.so.9", "pip", "install", "torch==2.6.0+cu118",
    "$V", ".", "git+https://x/detectron2", "nvcc", "a.cu", "-gencode", "arch=compute_80,code=[sm_80,compute_90]",
    "-arch", "cmake", "-DGGML_CUDA=ON", "python3", "-m", "venv", "apt-get", "-y", "libcudnn9-cuda-12",
    "cuda-toolkit-12-4", "/x/y.whl", "&&", "|", "\\", "#", "é", "\t", '""', "'", "[", "]", "export",
    "DS_BUILD_OPS=1", "deepspeed", "tensorflow==2.*", "onnxruntime-gpu==1.17", "faster-whisper", "-r",
    "--index-url", "https://x/whl/rocm6", "virtualenv", "uv",
)  # fmt: skip
STARTS = ("RUN", "RUN", "RUN --mount=type=bind,from=a,target=/x", "COPY --from=a", "COPY --from=0 /opt /opt", "COPY",
          "ENV", "ARG", "WORKDIR", "HEALTHCHECK CMD", "CMD", "USER", "LABEL", "FROM a AS b\nRUN")  # fmt: skip
LINE = st.tuples(st.sampled_from(STARTS), st.lists(st.sampled_from(WORDS), min_size=1, max_size=8)).map(
    lambda parts: f"{parts[0]} {' '.join(parts[1])}"
)


@settings(max_examples=150, deadline=None)
@given(st.lists(LINE, max_size=7).map("\n".join))
def test_no_rule_breaks_off_whatever_the_file_says(text: str) -> None:
    try:
        dockerfile = parse(f"FROM nvidia/cuda:12.8.1-devel-ubuntu24.04 AS a\nRUN make\nFROM ubuntu:22.04\n{text}\n")
    except BadFile:
        return
    for rule in RULES:
        if rule.id != "shellcheck-remark" and not rule.of_service:  # starts a program; looks at a compose file
            for problem in rule.look(dockerfile, Context()):
                assert 1 <= problem.line <= dockerfile.text.count("\n") + 1
