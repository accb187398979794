"""What BuildKit's own test data says, we say: trees, refusals, line spans, heredocs, substitutions, words.

pytest's summary says how many of each. The heredocs are cases of our own, of the behaviours that BuildKit's parser
tests have.

The data is BuildKit's (Apache-2.0) and not part of this repository. SEATRIAL_CONFORMANCE names the folder that holds
`buildkit/`; without it, a `shared/conformance` in or beside the checkout is used.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline import parse
from pipeline.errors import BadFile
from tests.conftest import count

ROOT = Path(__file__).parents[1]
PLACES = (ROOT / "shared" / "conformance", ROOT.parent / "shared" / "conformance")
HERE = os.environ.get("SEATRIAL_CONFORMANCE")
DATA = next(
    (place / "buildkit" for place in ([Path(HERE)] if HERE else PLACES) if (place / "buildkit").is_dir()), None
)

needs_data = pytest.mark.skipif(DATA is None, reason="BuildKit's conformance data is absent (SEATRIAL_CONFORMANCE)")


def folders(name: str) -> list[Path]:
    return sorted((DATA / name).iterdir()) if DATA else []


def lines(name: str) -> list[str]:
    text = (DATA / name).read_bytes().decode() if DATA else ""
    return [line for line in text.split("\n") if line.strip() and not line.startswith("#")]


@needs_data
@pytest.mark.parametrize("case", folders("testfiles"), ids=lambda case: case.name)
def test_the_tree_is_buildkits(case):
    text = (case / "Dockerfile").read_bytes().decode()
    assert parse.tree(text) + "\n" == (case / "result").read_bytes().decode()
    count("trees", 33)


@needs_data
@pytest.mark.parametrize("case", folders("testfiles-negative"), ids=lambda case: case.name)
def test_what_buildkit_refuses_is_refused_with_a_line(case):
    text = (case / "Dockerfile").read_bytes().decode()
    for reader in (parse.tree, parse.parse):
        with pytest.raises(BadFile) as refused:
            reader(text)
        assert 1 <= (refused.value.line or 0) <= max(1, text.count("\n"))
    count("refusals", 4)


@needs_data
def test_no_case_is_missing():
    assert len(folders("testfiles")) == 33
    assert len(folders("testfiles-negative")) == 4


@needs_data
def test_line_spans_are_buildkits():
    assert DATA is not None
    dockerfile = parse.read(DATA / "testfile-line" / "Dockerfile")
    assert [(each.line, each.end_line) for each in dockerfile.instructions] == [(5, 5), (11, 12), (17, 31)]
    count("line spans", 3, 3)


@needs_data
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
    count("variables", 228, tried)


@needs_data
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
    count("words", 24, tried)


# line that opens it, the lines below, then per heredoc: name, content, expand, chomp, descriptor
HEREDOCS = [
    ("USER <<NO", "", []),
    ("WORKDIR <<NO", "", []),
    ("RUN <<END", "END\n", [("END", "", True, False, 0)]),
    ("RUN 7<<END", "END\n", [("END", "", True, False, 7)]),
    ("RUN '<<END'", "", []),
    ("RUN [\"<<END\"]", "", []),
    ("RUN cat <<<END", "", []),
    ("RUN <<END", "\tone\n\ttwo\nEND\n", [("END", "\tone\n\ttwo\n", True, False, 0)]),
    ("RUN <<-END", "\tone\n\ttwo\nEND\n", [("END", "\tone\n\ttwo\n", True, True, 0)]),
    ("RUN <<-END", "\tone\n\t\tEND\n", [("END", "\tone\n", True, True, 0)]),
    ("RUN <<-END", "\t$HOME\nEND\n", [("END", "\t$HOME\n", True, True, 0)]),
    ("RUN <<-'END'", "\tit's $HOME\nEND\n", [("END", "\tit's $HOME\n", False, True, 0)]),
    ('RUN <<"END"', "$HOME\nEND\n", [("END", "$HOME\n", False, False, 0)]),
    ("RUN <<SHELL", "echo a b\necho c\nSHELL\n", [("SHELL", "echo a b\necho c\n", True, False, 0)]),
    ("RUN <<END", "# inside\n\na # b\nEND\n", [("END", "# inside\n\na # b\n", True, False, 0)]),
    ("RUN --mount=type=cache,target=/c <<END", "a\nEND\n", [("END", "a\n", True, False, 0)]),
    ("COPY <<one <<two /to/", "1\none\n2\ntwo\n", [("one", "1\n", True, False, 0), ("two", "2\n", True, False, 0)]),
    ("COPY <<A <<B /to/", "B\nA\nA\nB\n", [("A", "B\n", True, False, 0), ("B", "A\n", True, False, 0)]),
    ("ADD <<END /quoted", "\"a\"\n'b'\nEND\n", [("END", "\"a\"\n'b'\n", True, False, 0)]),
    ("RUN <<END python3 -u", "print(1)\nEND\n", [("END", "print(1)\n", True, False, 0)]),
    ("COPY <<settings.toml /etc/app/", "a = 1\nsettings.toml\n", [("settings.toml", "a = 1\n", True, False, 0)]),
    ("RUN <<st'op'", "a\nstop\n", [("stop", "a\n", False, False, 0)]),
    ("RUN <<it\\'s", "a\nit's\n", [("it's", "a\n", True, False, 0)]),
    ("RUN <<'i't\\'s", "a\nit's\n", [("it's", "a\n", False, False, 0)]),
    ("RUN <<'two words'", "a\ntwo words\n", [("two words", "a\n", False, False, 0)]),
    ("RUN <<$NAME > out <<  LAST", "$NAME\nb\nLAST\n",
     [("$NAME", "", True, False, 0), ("LAST", "b\n", True, False, 0)]),
]  # fmt: skip


@pytest.mark.parametrize(("opening", "below", "expected"), HEREDOCS)
def test_every_heredoc_is_buildkits(opening, below, expected):
    after = "LABEL after=it"
    dockerfile = parse.parse(f"FROM scratch\n{opening}\n{below}{after}\n")
    _, instruction, last = dockerfile.instructions
    found = [(one.name, one.content, one.expand, one.chomp, one.descriptor) for one in instruction.heredocs]
    assert found == expected
    assert (instruction.line, instruction.end_line) == (2, 2 + below.count("\n"))
    assert (last.original, last.line) == (after, 3 + below.count("\n"))
    count("heredocs", len(HEREDOCS))


def test_there_are_as_many_heredocs_as_buildkit_has():
    assert len(HEREDOCS) == 26
