"""A baseline: what was there when a team began does not fail, what is new does."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from pipeline.check import lint as lint_one
from pipeline.errors import BadFile
from pipeline.lint import baseline
from pipeline.model import Context, Dockerfile, Lint, Problem, Rule, Severity, Unread
from pipeline.parse import parse
from tests.conftest import together

TODAY = date(2026, 11, 23)


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield every ENV and CMD, with its line in the words."""
    for one in dockerfile.instructions:
        if one.keyword in ("ENV", "CMD"):
            yield Problem(one.line, f"a {one.keyword} on line {one.line}")


MADE_UP = [
    Rule(id=name, severity=Severity.ERROR, hint="do otherwise", look=look) for name in ("made-up", "thought-out")
]
TEXT = "FROM debian:12\nENV LD_LIBRARY_PATH=/a\nCMD serve\n"


def judged(folder: Path, text: str, name: str = "Dockerfile") -> tuple[Lint, dict[str, str]]:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return lint_one(parse(text, path=str(file)), MADE_UP, today=TODAY), {str(file): text}


def test_what_was_written_is_known_and_only_that(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    count = baseline.write(*judged(tmp_path, TEXT), file)
    same = baseline.compare(*judged(tmp_path, TEXT), file)
    assert count == len(same.known) > 2 and not same.lint.findings and same.gone == 0
    more = baseline.compare(*judged(tmp_path, TEXT + "CMD other\n"), file)
    assert [finding.line for finding in more.lint.findings] == [4, 4]


def test_moved_lines_are_still_known(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    baseline.write(*judged(tmp_path, TEXT), file)
    moved = "# a comment\n\n" + TEXT.replace("ENV ", "# another\nENV   ")
    assert not baseline.compare(*judged(tmp_path, moved), file).lint.findings


def test_an_instruction_that_changed_is_new_and_its_old_entry_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    baseline.write(*judged(tmp_path, TEXT), file)
    changed = baseline.compare(*judged(tmp_path, TEXT.replace("CMD serve", "CMD serve --now")), file)
    assert [finding.line for finding in changed.lint.findings] == [3, 3] and changed.gone == 2


def test_two_of_the_same_stay_two(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    twice = TEXT + "ENV LD_LIBRARY_PATH=/a\n"
    baseline.write(*judged(tmp_path, twice), file)
    assert json.loads(file.read_text(encoding="utf-8"))["findings"][1]["count"] == 2
    assert not baseline.compare(*judged(tmp_path, twice), file).lint.findings
    thrice = baseline.compare(*judged(tmp_path, twice + "ENV LD_LIBRARY_PATH=/a\n"), file)
    assert [finding.line for finding in thrice.lint.findings] == [5, 5]
    assert baseline.compare(*judged(tmp_path, TEXT), file).gone == 2


def test_a_waived_finding_needs_no_baseline(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    waived = TEXT.replace("CMD", "# policy: allow made-up -- a test\nCMD")
    baseline.write(*judged(tmp_path, waived), file)
    assert 'made-up", "message": "a CMD' not in file.read_text(encoding="utf-8")
    found = baseline.compare(*judged(tmp_path, waived), file)
    assert [(one.rule, one.waived) for one in found.lint.findings] == [("made-up", "a test")]


def test_files_are_named_from_the_baselines_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "baseline.json"
    baseline.write(*judged(tmp_path, TEXT, "a/b/Dockerfile"), file)
    assert {key.file for key in baseline.read(file)} == {"a/b/Dockerfile"}
    monkeypatch.chdir(tmp_path / "a")
    found = lint_one(parse(TEXT, path="b/Dockerfile"), MADE_UP, today=TODAY)
    assert not baseline.compare(found, {"b/Dockerfile": TEXT}, Path("../baseline.json")).lint.findings


def test_files_that_were_not_asked_for_are_not_gone_but_deleted_ones_are(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    one, text = judged(tmp_path, TEXT, "one/Dockerfile")
    two, other = judged(tmp_path, TEXT, "two/Dockerfile")
    baseline.write(together([one, two]), {**text, **other}, file)
    assert baseline.compare(one, text, file).gone == 0
    (tmp_path / "two" / "Dockerfile").unlink()
    assert baseline.compare(one, text, file).gone == len(two.findings)


def test_an_entry_stands_on_a_line_and_the_order_is_always_the_same(tmp_path: Path) -> None:
    one, text = judged(tmp_path, TEXT, "one/Dockerfile")
    two, other = judged(tmp_path, TEXT, "two/Dockerfile")
    file = tmp_path / "baseline.json"
    sources = {**text, **other}
    baseline.write(together([one, two]), sources, file)
    first = file.read_text(encoding="utf-8")
    baseline.write(together([two, one]), sources, file)
    assert file.read_text(encoding="utf-8") == first
    rows = first.splitlines()
    assert len(rows) == 2 + len(json.loads(first)["findings"]) and rows[0].startswith(
        '{"schema": "seatrial/baseline/v1"'
    )


def test_no_finding_makes_an_empty_baseline_that_can_be_read(tmp_path: Path) -> None:
    assert baseline.write(Lint(files=(), findings=()), {}, tmp_path / "baseline.json") == 0
    assert baseline.read(tmp_path / "baseline.json") == {}


def test_nothing_is_written_while_a_file_cannot_be_judged(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    file.write_text("as it was", encoding="utf-8")
    error = Unread(file="b", line=1, message="no", hint="mend it")
    with pytest.raises(BadFile, match="could not be judged"):
        baseline.write(Lint(files=("b",), findings=(), errors=(error,)), {}, file)
    assert file.read_text(encoding="utf-8") == "as it was"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"schema": "other"}', '{"schema": "seatrial/baseline/v1"}', "[" * 100_000, "\udcff",
     '{"schema": "seatrial/baseline/v1", "findings": [1]}',
     '{"schema": "seatrial/baseline/v1", "findings": [{"rule": "a", "file": "b", "message": "c", "text": 1}]}',
     '{"schema": "seatrial/baseline/v1", "findings": [\n<<<<<<< ours\n]}'],
)  # fmt: skip
def test_what_is_no_baseline_is_refused_and_said_so(tmp_path: Path, text: str) -> None:
    file = tmp_path / "baseline.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadFile) as caught:
        baseline.read(file)
    assert str(file) in str(caught.value) and "--write-baseline" in caught.value.hint


def test_a_baseline_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="no such baseline"):
        baseline.read(tmp_path / "none.json")


# --- through the command line ---------------------------------------------------------------------

ROOT = Path(__file__).parents[1]
START = "from pipeline.start import main; main()"
POLICY = "default: a\nprofiles: {a: {rules: {unpinned-base: error, runs-as-root: 'off'}}}\n"


def seatrial(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "policy.yaml").write_text(POLICY, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-c", START, "lint", *words, "--policy", str(folder / "policy.yaml")],
        cwd=folder, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


def test_lint_fails_on_new_findings_only_and_says_what_is_gone(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text('FROM debian:12\nUSER 1\nCMD ["a"]\n', encoding="utf-8")
    assert seatrial(tmp_path, "Dockerfile").returncode == 10
    written = seatrial(tmp_path, "Dockerfile", "--write-baseline", "known.json")
    assert (written.returncode, written.stdout) == (0, "") and "known.json: " in written.stderr
    known = seatrial(tmp_path, "Dockerfile", "--baseline", "known.json")
    assert known.returncode == 0 and known.stdout.endswith(" known\n") and known.stderr == ""
    (tmp_path / "Dockerfile").write_text('FROM debian:13\nUSER 1\nCMD ["a"]\n', encoding="utf-8")
    moved = seatrial(tmp_path, "Dockerfile", "--baseline", "known.json", "--format", "json")
    assert moved.returncode == 10 and "findings are gone; write it again" in moved.stderr
    document = json.loads(moved.stdout)
    assert "unpinned-base" in {finding["rule"] for finding in document["findings"]}
    assert seatrial(tmp_path, "Dockerfile", "--baseline", "nothing.json").returncode == 3


def test_a_file_that_cannot_be_read_still_ends_with_3(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian:12\n", encoding="utf-8")
    seatrial(tmp_path, "Dockerfile", "--write-baseline", "known.json")
    (tmp_path / "Dockerfile.broken").write_text("FRM x\n", encoding="utf-8")
    assert seatrial(tmp_path, ".", "--baseline", "known.json").returncode == 3
    refused = seatrial(tmp_path, ".", "--write-baseline", "other.json")
    assert refused.returncode == 3 and not (tmp_path / "other.json").exists()


def test_every_format_can_be_written_to_a_file(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian:12\n", encoding="utf-8")
    for name in ("text", "json", "sarif", "junit", "github", "gitlab", "markdown"):
        summary = tmp_path / f"{name}.summary"
        done = seatrial(tmp_path, "Dockerfile", "--format", name, "--output", "out", GITHUB_STEP_SUMMARY=str(summary))
        assert (done.returncode, done.stdout) == (10, ""), done.stderr
        assert "unpinned-base" in (tmp_path / "out").read_text(encoding="utf-8")
        assert summary.exists() == (name == "github")
    assert seatrial(tmp_path, "Dockerfile", "--format", "xml").returncode == 3
