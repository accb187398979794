"""A plain lint is answered without Invoke, and says what Invoke's task says: to the letter and the exit code."""

import json
import os
import subprocess
import sys

import pytest

from pipeline.lint.formats import FORMATS
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
        *([f"--format={name}"] for name in FORMATS),
        *([f"--format={name}", "--output", "out"] for name in FORMATS),
        ["--output", "nowhere/out"],
        ["--write-baseline", "out"],
        ["--write-baseline", "nowhere/out"],
        ["--write-baseline", "out", "--format", "json", "--fail-on", "nothing"],
        ["--baseline", "known.json"],
        ["--baseline", "known.json", "--format", "sarif", "--fail-on=info"],
        ["--baseline", "old.json", "--format", "json"],
        ["--baseline", "nowhere.json"],
        ["--baseline", "Dockerfile", "--format", "json"],
        ["nowhere"],
        ["broken", "--format", "json"],
        ["broken", "--write-baseline", "out"],
        ["broken", "--baseline", "known.json", "--fail-on", "info"],
    ],
    ids=" ".join,
)
def test_the_quick_way_and_invokes_way_say_the_same(file, words):
    (file.parent / "broken").mkdir()
    (file.parent / "broken" / "Dockerfile").write_text("FROM\n")
    known = seatrial("lint", "Dockerfile", "--write-baseline", "known.json", cwd=file.parent)
    assert (known.returncode, known.stdout) == (0, "")
    (file.parent / "old.json").write_text((file.parent / "known.json").read_text().replace("runs-as-root", "gone"))
    quick = seatrial("lint", "Dockerfile", *words, cwd=file.parent)
    written = _taken(file.parent / "out")
    code = "import sys; from pipeline import program; program.main('seatrial')"
    slow = subprocess.run([sys.executable, "-c", code, "lint", "Dockerfile", *words], capture_output=True, text=True,
                          check=False, cwd=file.parent)  # fmt: skip
    assert (quick.returncode, quick.stdout, quick.stderr) == (slow.returncode, slow.stdout, slow.stderr)
    assert written == _taken(file.parent / "out")
    assert (written is not None) == ("out" in words and quick.returncode != 3)


def _taken(place):
    """What was written there; it is gone afterwards."""
    if not place.exists():
        return None
    text = place.read_text()
    place.unlink()
    return text


EXITS = {
    "nothing found": ("FROM scratch\nUSER 1000\n", 0),
    "an error": (SLOPPY.replace("${BASE}", "a"), 10),
    "a file that cannot be read": ("FROM\n", 3),
}


@pytest.mark.parametrize("one", EXITS)
@pytest.mark.parametrize("other", EXITS)
def test_the_worst_of_several_files_is_the_exit_code(tmp_path, one, other):
    wanted = 3 if 3 in (EXITS[one][1], EXITS[other][1]) else max(EXITS[one][1], EXITS[other][1])
    for name, kind in (("a", one), ("b", other)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(EXITS[kind][0])
    assert seatrial("lint", "a", "b", cwd=tmp_path).returncode == wanted
    assert seatrial("lint", ".", "--format", "json", cwd=tmp_path).returncode == wanted


@pytest.mark.parametrize(
    ("closed", "code", "words"),
    [
        (">&-", 10, ""),
        ("<&- >&- 2>&-", 10, ""),
        ("2>&-", 10, ""),
        (">/dev/full", 3, "seatrial: stdout: the result cannot be written: No space left on device"),
        (">/dev/full 2>&1", 3, ""),
    ],
)
@pytest.mark.parametrize("task", ["lint Dockerfile", "lint Dockerfile --format json"])
def test_an_output_that_takes_nothing_is_no_reason_to_break(file, task, closed, code, words):
    ended = subprocess.run(["sh", "-c", f"{PROGRAM} {task} {closed}"], cwd=file.parent, capture_output=True,
                           text=True, check=False)  # fmt: skip
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr
    assert ended.stderr.startswith(words)


def test_other_tasks_say_so_too_when_the_disk_is_full():
    ended = subprocess.run(["sh", "-c", f"{PROGRAM} rules >/dev/full"], capture_output=True, text=True, check=False)
    assert ended.returncode == 3
    assert ended.stderr.startswith("seatrial: ")
    assert "No space left on device" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_same_bytes_come_out_whatever_the_hash_seed_and_the_cores(file):
    for number in range(60):
        (file.parent / f"Dockerfile.{number}").write_text(f"{SLOPPY}RUN pip install torch=={number}\n")
    for name in FORMATS:
        outs = {
            subprocess.run(["taskset", "-c", cores, str(PROGRAM), "lint", ".", "--format", name], cwd=file.parent,
                           capture_output=True, check=False, env={**os.environ, "PYTHONHASHSEED": seed}).stdout
            for cores, seed in (("0", "1"), ("0,1", "2"))
        }  # fmt: skip
        assert len(outs) == 1, name


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
