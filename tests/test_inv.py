"""The script in front of everything: it makes .venv once, and then stays out of the way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

INV = Path(__file__).parents[1] / "inv"

PYPROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "tiny"
version = "0.1.0"
dependencies = ["invoke>=3.0.3,<4"]

[project.optional-dependencies]
dev = []

[tool.setuptools]
packages = ["pipeline"]
"""

TASKS = """\
import os

from invoke import Exit, task


@task
def where(c):
    print(os.getcwd())


@task
def refuse(c):
    raise Exit("no", code=10)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small project of its own, in a folder whose name has a space in it."""
    folder = tmp_path / "a tree"
    folder.mkdir()
    shutil.copy(INV, folder / "inv")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "tasks.py").write_text(TASKS)
    (folder / "pipeline").mkdir()
    (folder / "pipeline" / "start.py").write_text("from invoke import Program\n\nProgram(name='inv').run()\n")
    return folder


def call(
    tree: Path, *words: str, cwd: Path | None = None, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **({"PATH": path} if path is not None else {})}
    return subprocess.run([str(tree / "inv"), *words], capture_output=True, text=True, cwd=cwd or tree, env=env)


def programs(folder: Path, *names: str) -> str:
    """A PATH that holds only these programs."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).symlink_to(shutil.which(name) or pytest.skip(f"{name} is not installed"))
    return str(folder)


def script(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


@pytest.mark.real
def test_the_first_call_makes_the_venv_and_later_ones_only_run(tree: Path, tmp_path: Path) -> None:
    first = call(tree, "where")
    assert first.returncode == 0, first.stderr
    assert "making .venv" in first.stderr
    assert first.stdout == f"{tree}\n"  # results alone are on stdout

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    second = call(tree, "where", cwd=elsewhere)
    assert (second.stdout, second.stderr) == (f"{elsewhere}\n", "")

    link = tmp_path / "linked"
    link.symlink_to("a tree/inv")
    assert subprocess.run([str(link), "where"], capture_output=True, text=True, cwd="/").stdout == "/\n"
    assert call(tree, "refuse").returncode == 10

    (tree / "pyproject.toml").write_text(PYPROJECT.replace("0.1.0", "0.2.0"))
    changed = call(tree, "where")
    assert "installing" in changed.stderr and "making" not in changed.stderr
    assert call(tree, "where").stderr == ""

    (tree / ".venv/installed").unlink()  # what a killed install looks like
    (tree / ".venv/rubbish").touch()
    again = call(tree, "where")
    assert again.returncode == 0 and "making .venv" in again.stderr
    assert not (tree / ".venv/rubbish").exists()


@pytest.mark.real
def test_two_first_calls_at_once_both_work(tree: Path) -> None:
    calls = [
        subprocess.Popen([str(tree / "inv"), "where"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [one.communicate() for one in calls]
    assert [one.returncode for one in calls] == [0, 0], answers
    assert sum("making .venv with" in stderr for _, stderr in answers) == 1


@pytest.mark.real
def test_a_first_call_that_was_killed_is_made_good_by_the_next(tree: Path) -> None:
    first = subprocess.Popen([str(tree / "inv"), "where"], stderr=subprocess.DEVNULL, start_new_session=True)
    while not (tree / ".venv/bin").is_dir():
        assert first.poll() is None
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    second = call(tree, "where")
    assert second.returncode == 0, second.stderr
    assert "making .venv" in second.stderr


def test_no_python_that_is_new_enough_is_said_with_what_to_install(tree: Path, tmp_path: Path) -> None:
    path = programs(tmp_path / "bin", "bash", "env", "mkdir", "flock")
    script(tmp_path / "bin", "python3", "#!/bin/sh\nexit 1\n")  # too old, or a shim that points nowhere
    done = call(tree, "where", path=path)
    assert done.returncode == 3
    assert "no Python 3.11 or newer" in done.stderr and "apt-get install" in done.stderr
    assert done.stdout == ""


def test_a_python_without_ensurepip_is_said_by_its_name(tree: Path, tmp_path: Path) -> None:
    path = programs(tmp_path / "bin", "bash", "env", "mkdir", "flock")
    script(tmp_path / "bin", "python3.12", '#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\n')
    done = call(tree, "where", path=path)
    assert done.returncode == 3
    assert "python3.12 cannot make virtual environments" in done.stderr and "python3-venv" in done.stderr


@pytest.mark.real
def test_a_failed_install_shows_the_end_of_pips_log_and_is_tried_again(tree: Path) -> None:
    (tree / "pyproject.toml").write_text(PYPROJECT.replace("invoke>=3.0.3,<4", "invoke==0.0.0.dev999"))
    for _ in range(2):
        done = call(tree, "where")
        assert done.returncode == 3
        assert "No matching distribution found for invoke==0.0.0.dev999" in done.stderr
        assert "install.log" in done.stderr
