"""A plain lint is answered without Invoke, and says what Invoke's task says: to the letter and the exit code."""

import json
import subprocess
import sys

import pytest

from pipeline.start import _asked
from tests.conftest import PROGRAM, ROOT, seatrial

SLOPPY = "ARG BASE\nFROM ${BASE}\nRUN apt-get install git\nUSER root\n"


@pytest.fixture
def file(tmp_path):
    folder = tmp_path / "tree" / "service"  # not beside what other tests wrote: a neighbour's image.yaml is read too
    folder.mkdir(parents=True)
    file = folder / "Dockerfile"
    file.write_text(SLOPPY)
    return file


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--format", "json"],
        ["--format=json", "--fail-on", "info"],
        ["--build-arg", "BASE=nvidia/cuda:12.4.1-devel-ubuntu22.04"],
        ["--build-arg=BASE=python:3.12", "--build-arg", "OTHER=1", "--target", "0"],
        ["--target", "nowhere"],
        ["--fail-on", "nothing"],
        ["--format", "nothing"],
        ["--policy", "/nowhere/policy.yaml"],
    ],
)
def test_the_quick_way_and_invokes_way_say_the_same(file, words):
    quick = seatrial("lint", str(file), *words)
    code = "import sys; from pipeline import program; program.main('seatrial')"
    slow = subprocess.run([sys.executable, "-c", code, "lint", str(file), *words], capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert (quick.returncode, quick.stdout, quick.stderr) == (slow.returncode, slow.stdout, slow.stderr)


def test_the_quick_way_imports_nothing_heavy(file):
    seatrial("lint", str(file))  # what the policy says is remembered from here on
    code = (
        "import sys\nfrom pipeline import start\n"
        "try:\n    start.main()\nexcept SystemExit:\n    pass\nprint(*sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, "lint", str(file)], capture_output=True, text=True, check=False
    )
    loaded = set(ended.stderr.split())
    assert "pipeline.lint" in loaded
    heavy = {"invoke", "pydantic", "rich", "yaml", "jinja2", "docker", "asyncio", "subprocess", "logging", "pygls",
             "cel", "packaging.requirements"}  # fmt: skip
    assert heavy & loaded == set()


@pytest.mark.parametrize(
    "words", [["--help"], ["-h"], ["nowhere/Dockerfile"], ["--formt", "json"], ["--target"], ["rules"]]
)
def test_what_is_not_plainly_a_lint_is_invokes(words):
    assert _asked(words) is None


def test_inv_takes_the_quick_way_too(file):
    ended = subprocess.run([str(ROOT / "inv"), "lint", str(file), "--format", "json"], capture_output=True, text=True,
                           check=False)  # fmt: skip
    assert json.loads(ended.stdout) == json.loads(seatrial("lint", str(file), "--format", "json").stdout)
    assert str(PROGRAM).endswith("seatrial")
