"""What the commands of a Dockerfile install, and which wheels its requirement and lock files bring."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.analysis import locks
from pipeline.analysis.installs import (
    all_pip_installs,
    conda_installs,
    pip_installs,
    project_installs,
    system_installs,
)
from pipeline.analysis.installs.conda import Environment, conda_cuda, environment
from pipeline.analysis.wheels import shipped_wheels
from pipeline.model import Context
from pipeline.parse import parse


def packages(run: str) -> list[str]:
    """What the packages of one RUN read as."""
    (install,) = system_installs(parse(f"FROM x\n{run}\n"))
    return list(install.packages)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("RUN apt-get update && apt-get install -y --no-install-recommends a b", ["a", "b"]),
        ("RUN apt-get -qq install -t bookworm a=1.2-* b:arm64", ["a", "b"]),
        ("RUN apt-get install -y a b && apt-get purge -y 'b*'", ["a"]),
        ("RUN sudo apt install \\\n   a \\\n # b\n   c", ["a", "c"]),
        ("RUN <<EOF\napt-get install -y a\nEOF", ["a"]),
        ("RUN bash -c 'apt-get install -y a'", ["a"]),
        ("RUN if true; then apt-get install -y a; fi", ["a"]),
        ("RUN dnf install -y --enablerepo epel a-1.0", ["a-1.0"]),
        ("RUN microdnf install a", ["a"]),
        ("RUN apt-get -y install --target-release=sid -o X=y -qqt sid a", ["a"]),
        ("RUN zypper --non-interactive install a", ["a"]),
        ("RUN apk add --no-cache --virtual .build a~=1.2 b", ["a", "b"]),
        ("RUN V=1.2 && apt-get install -y a=$V", ["a"]),
        ("RUN export P='a b' && apt-get install -y $P", ["a", "b"]),
        ('RUN P=(a "b") && apt-get install -y "${P[@]}"', ["a", "b"]),
        ("ARG V=3\nRUN apt-get install -y a-$V", ["a-3"]),
        ("ARG V=3\nRUN V=4 && apt-get install -y a-$V", ["a-4"]),
        ("ARG V=3\nRUN if x; then V=4; fi; apt-get install -y a-$V", ["a-$V"]),
        ("RUN V=1 && V=2 && apt-get install -y a-$V", ["a-$V"]),
        ("RUN V=$(cat /v) && apt-get install -y a-${V}", ["a-${V}"]),
    ],
)
def test_packages_of_the_system_are_read_without_versions_and_with_variables(run: str, expected: list[str]) -> None:
    assert packages(run) == expected


@pytest.mark.parametrize(
    "run", ["RUN <<EOF\npip install torch\nEOF", "RUN uv add torch", "RUN python -m pip install torch"]
)
def test_pip_installs_of_all_needed_stages_are_found_in_here_documents_too(run: str) -> None:
    dockerfile = parse(f"FROM x AS b\n{run}\nFROM x\nCOPY --from=b / /\n")
    assert [(one.install.requirements, one.ran.stage.name) for one in all_pip_installs(dockerfile)] == [
        (("torch",), "b")
    ]


def test_installs_of_build_stages_do_not_count() -> None:
    dockerfile = parse("FROM x AS b\nRUN apt-get install a\nFROM x\nCOPY --from=b / /\nRUN apt-get install c\n")
    assert [one.packages for one in system_installs(dockerfile)] == [("c",)]


@pytest.mark.parametrize(
    ("run", "requirements"),
    [
        ("pip install a==1 'b>=2'", ("a==1", "b>=2")),
        ("python3.11 -m pip --quiet install --user a", ("a",)),
        ("V=2.4.0 && pip install torch==$V", ("torch==2.4.0",)),
        ("conda run -n e pip install a", ("a",)),
        ("uv pip install --system a", ("a",)),
        ("uv add --extra x a", ("a",)),
        ("uv tool install a", ("a",)),
        ("pipx install a", ("a",)),
        ("pip install -r r.txt", ()),
    ],
)
def test_python_packages_are_read_whatever_installs_them(run: str, requirements: tuple[str, ...]) -> None:
    dockerfile = parse(f"FROM x\nRUN {run}\n")
    (found,) = pip_installs(dockerfile, dockerfile.final)
    assert found.install.requirements == requirements


@pytest.mark.parametrize("run", ["pip freeze", "uv run a", "pip uninstall -y a", "poetry add a", "pip", "uv"])
def test_other_commands_install_nothing_by_pip(run: str) -> None:
    dockerfile = parse(f"FROM x\nRUN {run}\n")
    assert pip_installs(dockerfile, dockerfile.final) == ()


def test_installs_by_a_lock_file_are_told_from_others() -> None:
    runs = [
        "uv sync --frozen --extra gpu --project /app", "poetry -C /app install --only main", "pdm sync",
        "pipenv install --deploy --system", "pipenv install requests", "uv pip sync r.txt", "poetry config x y",
        "uv sync --all-extras",
    ]  # fmt: skip
    dockerfile = parse("FROM x\n" + "".join(f"RUN {run}\n" for run in runs))
    found = project_installs(dockerfile, dockerfile.final)
    assert [(one.tool, one.folder, one.extras and set(one.extras), set(one.only)) for one in found] == [
        ("uv", "/app", {"gpu"}, set()), ("poetry", "/app", frozenset(), {"main"}), ("pdm", None, frozenset(), set()),
        ("pipenv", None, frozenset(), set()), ("uv", None, None, set()),
    ]  # fmt: skip


# --- files of the build context -------------------------------------------------------------------


def wheels(folder: Path, text: str) -> list[tuple[str, str, str | None]]:
    """Name, version and variant of each wheel that ships."""
    found = shipped_wheels(parse(f"FROM python\n{text}"), Context(folder=folder))
    return [(wheel.name, str(wheel.version), wheel.variant) for wheel in found]


TORCH = [("torch", "2.8.0", None)]


@pytest.mark.parametrize(
    "text",
    [
        "COPY requirements.txt .\nRUN pip install -r requirements.txt\n",
        "COPY requirements.txt /tmp/\nRUN pip install -r /tmp/requirements.txt\n",
        "COPY requirements.txt /tmp/r.txt\nRUN pip install -r /tmp/r.txt\n",
        "WORKDIR /app\nCOPY requirements.txt ./\nRUN pip install -r /app/requirements.txt\n",
        "WORKDIR /app\nCOPY . .\nRUN pip install -r requirements.txt\n",
        "COPY . /app\nRUN cd /app && pip install -r requirements.txt\n",
        "COPY app /srv/app\nRUN pip install -r /srv/app/requirements/gpu.txt\n",
        "COPY app/requirements/*.txt /r/\nRUN pip install -r /r/gpu.txt\n",
        "RUN --mount=type=bind,source=requirements.txt,target=/r.txt pip install -r /r.txt\n",
        "RUN --mount=type=bind,target=/src uv pip sync /src/requirements.txt\n",
        "COPY <<EOF /r.txt\ntorch==2.8.0\nEOF\nRUN pip install -r /r.txt\n",
        "COPY nested.txt requirements.txt ./\nRUN pip install -r nested.txt\n",
        "COPY limits.txt .\nRUN pip install torch -c limits.txt\n",
        "COPY limited.txt limits.txt ./\nRUN pip install -r limited.txt\n",
        "COPY requirements.txt .\nRUN F=requirements.txt; pip install -r $F\n",
    ],
)
def test_requirement_files_are_found_where_the_file_puts_them(tmp_path: Path, text: str) -> None:
    (tmp_path / "requirements.txt").write_text("numpy\ntorch==2.8.0 --hash=sha256:00\n")
    (tmp_path / "app" / "requirements").mkdir(parents=True)
    (tmp_path / "app" / "requirements" / "gpu.txt").write_text("torch==2.8.0\n")
    (tmp_path / "nested.txt").write_text("-r requirements.txt\n-r nested.txt\n--requirement=../secret.txt\n")
    (tmp_path / "limits.txt").write_text("torch==2.8.0\njax[cuda12]==0.4.30\n")
    (tmp_path / "limited.txt").write_text("-c limits.txt\ntorch\n")
    assert wheels(tmp_path, text) == TORCH


def test_what_dockerignore_keeps_out_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("torch==2.8.0\n")
    (tmp_path / ".dockerignore").write_text("*.txt\n")
    assert wheels(tmp_path, "COPY . .\nRUN pip install -r requirements.txt\n") == []


UV_LOCK = """version = 1
[[package]]
name = "app"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "torch", version = "2.8.0", source = { registry = "https://index.example/simple" }, marker = "sys_platform == 'darwin'" },
    { name = "torch", version = "2.8.0+cu126", source = { registry = "https://wheels.example.com/whl/cu126" }, marker = "sys_platform == 'linux'" },
]
[package.optional-dependencies]
serve = [{ name = "vllm" }]
[package.dev-dependencies]
dev = [{ name = "onnxruntime-gpu" }]

[[package]]
name = "torch"
version = "2.8.0"
source = { registry = "https://index.example/simple" }

[[package]]
name = "torch"
version = "2.8.0+cu126"
source = { registry = "https://wheels.example.com/whl/cu126" }
dependencies = [{ name = "nvidia-cublas-cu12" }]
sdist = { url = "https://example.com/torch.tar.gz" }
wheels = [
    { url = "https://example.com/torch-2.8.0.whl", hash = "sha256:00" },
]

[[package]]
name = "nvidia-cublas-cu12"
version = "12.6.4.1"
source = { registry = "https://index.example/simple" }

[[package]]
name = "vllm"
version = "0.10.0"
source = { registry = "https://index.example/simple" }

[[package]]
name = "onnxruntime-gpu"
version = "1.22.0"
source = { registry = "https://index.example/simple" }
"""  # noqa: E501


def test_uv_lock_is_followed_from_the_project_on(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text(UV_LOCK)
    locked = [("nvidia-cublas-cu12", "12.6.4.1", None), ("torch", "2.8.0+cu126", "cu126")]
    copy = "WORKDIR /app\nCOPY uv.lock pyproject.toml ./\n"
    assert wheels(tmp_path, f"{copy}RUN uv sync --frozen\n") == locked
    served = [*locked, ("vllm", "0.10.0", None)]
    assert wheels(tmp_path, f"{copy}RUN uv sync --frozen --extra serve\n") == served
    assert wheels(tmp_path, f"{copy}RUN uv sync --frozen --all-extras\n") == served
    assert wheels(tmp_path, f"{copy}RUN uv sync --no-install-package torch\n") == locked[:1]
    assert wheels(tmp_path, f"{copy}RUN uv sync --only-group docs\n") == []
    mount = "RUN --mount=type=bind,source=uv.lock,target=uv.lock uv sync --locked\n"
    assert wheels(tmp_path, f"WORKDIR /app\n{mount}") == locked


def test_the_environment_of_a_locked_project_counts_where_it_is_copied(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text(UV_LOCK)
    build = "WORKDIR /app\nCOPY . .\nRUN uv sync --frozen\nFROM python\n"
    for source, there in {"/app/.venv": True, "/app": True, "/src": False}.items():
        text = f"AS build\n{build}COPY --from=build {source} /x\n"
        found = shipped_wheels(parse(f"FROM python {text}"), Context(folder=tmp_path))
        assert ("torch" in {wheel.name for wheel in found}) is there, source


def test_a_project_without_its_lock_is_read_by_what_it_asks_for(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["torch==2.8.0", "numpy"]\n[project.optional-dependencies]\n'
        'gpu = ["jax[cuda12]"]\n'
        '[tool.uv.sources]\ntorch = [{ index = "t", marker = "sys_platform == \'linux\'" }]\n'
        '[[tool.uv.index]]\nname = "t"\nurl = "https://wheels.example.com/whl/cu126"\n'
    )
    assert wheels(tmp_path, "COPY . /app\nWORKDIR /app\nRUN uv sync\n") == [("torch", "2.8.0", "cu126")]
    assert wheels(tmp_path, "COPY . /app\nRUN pip install /app\n") == TORCH
    both = [("jax", "None", None), *TORCH]
    assert wheels(tmp_path, "WORKDIR /app\nCOPY . .\nRUN pip install -e '.[gpu]'\n") == both


def test_poetry_pdm_and_pipenv_locks_are_read(tmp_path: Path) -> None:
    (tmp_path / "poetry.lock").write_text(
        '[[package]]\nname = "torch"\nversion = "2.8.0+cu126"\noptional = false\ngroups = ["main"]\n'
        'files = [\n    {file = "torch.whl", hash = "sha256:00"},\n]\n'
        '[package.source]\ntype = "legacy"\nurl = "https://wheels.example.com/whl/cu126"\nreference = "t"\n'
        '[[package]]\nname = "vllm"\nversion = "0.10.0"\noptional = false\ngroups = ["dev"]\n'
        '[[package]]\nname = "jax"\nversion = "0.4.30"\noptional = true\n'
    )
    (tmp_path / "pdm.lock").write_text('[[package]]\nname = "torch"\nversion = "2.8.0"\ngroups = ["default"]\n')
    (tmp_path / "Pipfile.lock").write_text(json.dumps({
        "_meta": {"sources": [{"name": "t", "url": "https://wheels.example.com/whl/cu126"}]},
        "default": {"torch": {"version": "==2.8.0", "index": "t"}}, "develop": {"vllm": {"version": "==0.10.0"}},
    }))  # fmt: skip
    assert wheels(tmp_path, "COPY . .\nRUN poetry install --no-root\n") == [("torch", "2.8.0+cu126", "cu126")]
    assert wheels(tmp_path, "COPY . .\nRUN poetry install --only dev\n") == []
    assert wheels(tmp_path, "COPY . .\nRUN pdm sync\n") == TORCH
    assert wheels(tmp_path, "COPY . .\nRUN pipenv install --deploy --system\n") == [("torch", "2.8.0", "cu126")]


def test_a_pyproject_of_poetry_is_read_without_its_lock(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.poetry.dependencies]\npython = "^3.11"\ntorch = { version = "2.8.0", source = "t" }\nvllm = "^0.10"\n'
        '[[tool.poetry.source]]\nname = "t"\nurl = "https://wheels.example.com/whl/cu126"\n'
    )
    expected = [("torch", "2.8.0", "cu126"), ("vllm", "None", None)]
    assert wheels(tmp_path, "COPY . .\nRUN poetry install\n") == expected


ENVIRONMENT = """channels: [conda-forge]
dependencies:
  - python=3.11
  - nvidia::pytorch-cuda=12.1
  - cudatoolkit >=11
  - pip
  - pip:
    - torch==2.8.0
"""


def test_conda_installs_are_read_with_channels_and_files(tmp_path: Path) -> None:
    runs = [
        "conda install -y -c pytorch -c nvidia pytorch::pytorch==2.4.0 pytorch-cuda=12.1 'numpy>=1'",
        "V=11.8 && mamba create -n e cudatoolkit=$V.*", "micromamba install -y -f env.yml", "conda list",
        "conda env create --file=env.yml", "conda run -n e conda install cuda", "conda clean -a",
    ]  # fmt: skip
    dockerfile = parse("FROM x\nCOPY env.yml .\n" + "".join(f"RUN {run}\n" for run in runs))
    found = conda_installs(dockerfile, dockerfile.final)
    assert [[(one.name, one.version) for one in install.specs] for install in found] == [
        [("pytorch", "2.4.0"), ("pytorch-cuda", "12.1"), ("numpy", None)], [("cudatoolkit", "11.8.*")], [], [],
        [("cuda", None)],
    ]  # fmt: skip
    assert found[0].channels == ("pytorch", "nvidia") and found[0].specs[0].channel == "pytorch"
    assert [install.files for install in found[2:4]] == [("env.yml",)] * 2
    (tmp_path / "env.yml").write_text(ENVIRONMENT)
    context = Context(folder=tmp_path)
    named = [(one.line, one.name, str(one.cuda)) for one in conda_cuda(dockerfile, context)]
    commands = [(3, "pytorch-cuda", "12.1"), (4, "cudatoolkit", "11.8"), (8, "cuda", "None")]
    assert [(one.line, one.name, str(one.cuda)) for one in conda_cuda(dockerfile)] == commands
    files = [
        (line, name, cuda) for line in (5, 7) for name, cuda in (("pytorch-cuda", "12.1"), ("cudatoolkit", "None"))
    ]
    assert sorted(named) == sorted([*commands, *files])
    assert wheels(tmp_path, "COPY . .\nRUN conda env update -f env.yml\n") == TORCH


@pytest.mark.parametrize(
    "text", ["", "a: [", "- 1", "dependencies: 3", "dependencies: [{pip: 1}, 2, {}]", "a: &a [*a]"]
)
def test_an_environment_that_is_none_names_nothing(text: str) -> None:
    assert environment(text) == Environment((), ())


LOCK = ("[[package]]", 'name = "torch"', 'name = 3', 'version = "1"', "version = []", 'source = { virtual = "." }',
        'source = "x"', 'dependencies = [{ name = "torch" }]', "dependencies = [1]", 'marker = "x"', "groups = 1",
        'extra = ["a"]', "[package.source]", 'url = 1', "{",
        '{"default": {"a": {"version": 1}}, "_meta": 1}')  # fmt: skip


@given(st.lists(st.sampled_from(LOCK), max_size=8).map("\n".join) | st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_lock_file_can_be_read(text: str) -> None:
    assert isinstance(locks.uv_lock(text, None), tuple)
    assert isinstance(locks.poetry_lock(text), tuple)
    assert isinstance(locks.pipfile_lock(text), tuple)
    assert isinstance(locks.project(text, (), "poetry"), tuple)
