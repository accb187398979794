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


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("relase",), "did you mean `release`?"),
        (("release", "--frsh"), "did you mean `--fresh`?"),
        (("xyzzy",), "--list"),
    ],
)
def test_a_wrong_word_is_told_with_the_nearest_one(words, hint):
    ended = seatrial(*words)
    assert ended.returncode == 1
    assert hint in ended.stderr


@pytest.mark.parametrize(
    "words", [("release", "--format", "yaml"), ("lint", "--fail-on", "fatal"), ("release", "--wait", "soon")]
)
def test_a_wrong_value_is_told_before_anything_is_done(words, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    ended = seatrial(*words, cwd=tmp_path, SEATRIAL_ROOT=str(tmp_path))
    assert ended.returncode == 3
    assert (ended.stdout, "Traceback" in ended.stderr) == ("", False)
    assert words[1] in ended.stderr


def test_a_lint_that_looked_at_nothing_does_not_pass(tmp_path):
    ended = seatrial("lint", ".", cwd=tmp_path)
    assert (ended.returncode, "no Dockerfile in there" in ended.stderr) == (3, True)


def test_a_typo_in_the_name_of_a_tree_image_is_told_as_one(tmp_path):
    for name, base in (("debian-base", "scratch"), ("hello", "debian-bas")):
        folder = tmp_path / "dockerfiles" / name
        folder.mkdir(parents=True)
        (folder / "Dockerfile").write_text(f"FROM {base}\nUSER 1\n")
        (folder / "image.yaml").write_text(f"name: {name}\nrepository: team/{name}\n")
    ended = seatrial("lint", cwd=tmp_path)
    assert "did you mean this tree's `debian-base`?" in ended.stdout


def test_output_that_goes_to_a_file_is_neither_wrapped_nor_padded():
    lines = seatrial("rules").stdout.splitlines()
    assert lines == [line.rstrip() for line in lines]
