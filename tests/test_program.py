"""The command line itself: any number of words, help that teaches, an output that somebody stops reading."""

import subprocess
import sys
from pathlib import Path

import pytest
from invoke import Collection

from pipeline import tasks
from pipeline.program import spread
from tests.conftest import PROGRAM, seatrial

TASKS = Collection.from_module(tasks)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("lint a b", "lint --path a --path b"),
        ("lint --format json a", "lint --format json --path a"),
        ("lint a --build-arg K=V b", "lint --path a --build-arg K=V --path b"),
        ("release one two --fresh", "release --image one --image two --fresh"),
        ("release --wait 3 one", "release --wait 3 --image one"),
        ("measure one", "measure one"),
        ("lint release", "lint release"),
    ],
)
def test_bare_words_belong_to_the_repeatable_argument(words, expected):
    assert list(spread(words.split(), TASKS)) == expected.split()


def test_a_folder_that_is_named_like_a_task_is_still_a_folder(tmp_path, monkeypatch):
    (tmp_path / "build").mkdir()
    monkeypatch.chdir(tmp_path)
    assert list(spread(["lint", "build"], TASKS)) == ["lint", "--path", "build"]


def test_every_task_explains_itself_and_every_option():
    for name in sorted(TASKS.task_names):
        answer = seatrial(name, "--help")
        assert answer.returncode == 0, answer.stderr
        options = [line for line in answer.stdout.splitlines() if line.startswith("  -")]
        assert all(len(line.split("   ")) > 1 for line in options), answer.stdout


def test_a_reader_that_has_seen_enough_gets_no_traceback():
    with subprocess.Popen([PROGRAM, "--list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ended:
        ended.stdout.close()
        assert "Traceback" not in ended.stderr.read()


def test_start_up_does_not_import_what_a_lint_does_not_need():
    code = "import sys, pipeline.program, pipeline.tasks; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"docker", "jinja2", "pydantic", "rich", "zstandard"} & set(loaded) == set()


def test_lint_works_in_a_repository_that_knows_nothing_of_us(tmp_path):
    folder = tmp_path / "service"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM nvidia/cuda:12.9.1-devel-ubuntu24.04\nCMD python app.py\n")
    ended = seatrial("lint", ".", cwd=tmp_path)
    assert ended.returncode == 10
    assert "service/Dockerfile:1:6: error devel-image-shipped" in ended.stdout
    assert "try: " in ended.stdout
    assert not [entry for entry in tmp_path.rglob("*") if entry.name != "Dockerfile" and entry.is_file()]


@pytest.mark.parametrize(("words", "code"), [(("lint", "nowhere"), 3), (("explain", "unpined-base"), 3)])
def test_a_wrong_name_is_told_with_what_to_try(words, code, tmp_path):
    ended = seatrial(*words, cwd=tmp_path)
    assert ended.returncode == code
    assert "try: " in ended.stderr
    assert Path(words[1]).name in ended.stderr
