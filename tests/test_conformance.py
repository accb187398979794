"""What BuildKit's own test data says, we say: trees, refusals, line spans, substitutions, words.

The data is BuildKit's (Apache-2.0) and not part of this repository. SEATRIAL_CONFORMANCE names the folder that holds
`buildkit/`; without it, a `shared/conformance` in or beside the checkout is used.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline import parse
from pipeline.errors import BadFile

ROOT = Path(__file__).parents[1]
PLACES = (ROOT / "shared" / "conformance", ROOT.parent / "shared" / "conformance")
HERE = os.environ.get("SEATRIAL_CONFORMANCE")
DATA = next(
    (place / "buildkit" for place in ([Path(HERE)] if HERE else PLACES) if (place / "buildkit").is_dir()), None
)

pytestmark = pytest.mark.skipif(DATA is None, reason="BuildKit's conformance data is absent (SEATRIAL_CONFORMANCE)")


def folders(name: str) -> list[Path]:
    return sorted((DATA / name).iterdir()) if DATA else []


def lines(name: str) -> list[str]:
    text = (DATA / name).read_bytes().decode() if DATA else ""
    return [line for line in text.split("\n") if line.strip() and not line.startswith("#")]


@pytest.mark.parametrize("case", folders("testfiles"), ids=lambda case: case.name)
def test_the_tree_is_buildkits(case):
    text = (case / "Dockerfile").read_bytes().decode()
    assert parse.tree(text) + "\n" == (case / "result").read_bytes().decode()


@pytest.mark.parametrize("case", folders("testfiles-negative"), ids=lambda case: case.name)
def test_what_buildkit_refuses_is_refused_with_a_line(case):
    text = (case / "Dockerfile").read_bytes().decode()
    for reader in (parse.tree, parse.parse):
        with pytest.raises(BadFile) as refused:
            reader(text)
        assert 1 <= (refused.value.line or 0) <= max(1, text.count("\n"))


def test_no_case_is_missing():
    assert len(folders("testfiles")) == 33
    assert len(folders("testfiles-negative")) == 4


def test_line_spans_are_buildkits():
    assert DATA is not None
    dockerfile = parse.read(DATA / "testfile-line" / "Dockerfile")
    assert [(each.line, each.end_line) for each in dockerfile.instructions] == [(5, 5), (11, 12), (17, 31)]


def test_every_substitution_is_buildkits():
    values = {"PWD": "/home", "SHELL": "bash", "KOREAN": "한국어", "NULL": ""}
    wrong, tried = [], 0
    for line in lines("envVarTest"):
        platform, word, expected = (part.strip() for part in line.split("|"))
        if platform == "W":
            continue
        tried += 1
        try:
            got = parse.expand(word, values)
        except parse.BadWord:
            got = "error"
        if got != expected:
            wrong.append((line, got))
    assert wrong == []
    assert tried == 228


def test_every_word_is_buildkits():
    values: dict[str, str] = {}
    wrong, tried = [], 0
    for line in lines("wordsTest"):
        if line.startswith("ENV "):
            name, _, value = line.removeprefix("ENV").lstrip(" ").partition("=")
            values[name] = value
            continue
        text, _, expected = line.partition("|")
        tried += 1
        try:
            got = parse.expand_words(text.strip(), values)
        except parse.BadWord:
            got = ("error",)
        if got != tuple(expected.lstrip(" ").split(",")):
            wrong.append((line, got))
    assert wrong == []
    assert tried == 24
