"""The report: says what the record says and no more; nothing from an image acts in it; files are whole."""

from __future__ import annotations

import base64
import dataclasses
import errno
import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import threading
import types
import typing
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from pipeline import model, settings, verify
from pipeline.errors import BadFile, DiskFull, ToolMissing
from pipeline.fix import FileFixed
from pipeline.model import Record, Skipped, document
from pipeline.report import certificate, failure, files, html, markdown, reading, stages, terminal, words
from pipeline.setup.parts import Part
from tests.records import DIGEST, FAILED, PASSED, RECORDS, UNBUILT, UNPROVEN

GOLDEN = Path(__file__).parent / "golden"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
HOSTILE = (
    '<script>alert(1)</script>" onload="x" \'><img src=//evil.example/x> [red]markup[/red] `a|b\\|c` \x1b[2Jé\u202e'
)


def doc(record: Record) -> dict[str, Any]:
    return typing.cast(dict[str, Any], document(record, "record"))


def on_terminal(renderable: Any, width: int = 100) -> str:
    out = StringIO()
    Console(file=out, width=width, color_system=None, force_terminal=False, legacy_windows=False).print(renderable)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def hostile(value: Any, key: str = "") -> Any:
    """The same document with every free text replaced by one that attacks."""
    fixed = {"schema", "digest", "image", "outcome", "severity", "started", "origin", "reference", "requested"}
    if isinstance(value, dict):
        return {name: hostile(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [hostile(item, key) for item in value]
    return HOSTILE if isinstance(value, str) and key not in fixed else value


class Page(HTMLParser):
    """Elements and attributes of a page, as a browser's parser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def skeleton(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(tag, tuple(name for name, _ in attributes)) for tag, attributes in self.elements]


# --- golden files ---------------------------------------------------------------------------------


def golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN") == "1":
        if settings.in_ci():  # no assert: its explanation would print the environment into the log
            pytest.fail("golden files are not rewritten in CI")
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", RECORDS)
def test_the_markdown_page_reads_as_its_golden_file(name: str) -> None:
    golden(f"report-{name}.md", markdown.page(doc(RECORDS[name])))


@pytest.mark.parametrize("name", RECORDS)
def test_the_terminal_summary_reads_as_its_golden_file(name: str) -> None:
    golden(f"report-{name}.txt", on_terminal(terminal.summary(doc(RECORDS[name]), 100)))


def test_the_terminal_tree_reads_as_its_golden_file() -> None:
    golden("report-tree.txt", on_terminal(terminal.tree([doc(record) for record in RECORDS.values()])))


def test_golden_files_are_not_rewritten_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPDATE_GOLDEN", "1")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="not rewritten in CI"):
        golden("report-passed.md", "nonsense")


# --- what it says ---------------------------------------------------------------------------------


def outcomes(record: Record) -> dict[str, str]:
    return {line.name: line.outcome for line in stages.stage_lines(record)}


def test_a_skipped_scan_never_reads_as_a_pass() -> None:
    for text in (
        on_terminal(terminal.summary(doc(UNPROVEN), 100)), markdown.page(doc(UNPROVEN)),
        Page(html.page(doc(UNPROVEN))).text,
    ):  # fmt: skip
        assert "bubblewrap cannot make namespaces" in text
        assert "no open flaws" not in text and "None that this database knows" not in text
    assert outcomes(UNPROVEN)["scan"] == "skipped"


def test_a_scan_without_a_database_never_reads_as_clean() -> None:
    assert isinstance(PASSED.scan, model.Scan)
    blindfold = dataclasses.replace(
        PASSED.scan, database=None, vulnerabilities=Skipped(because="no database could be had"), flaws=()
    )
    record = dataclasses.replace(PASSED, scan=blindfold)
    assert outcomes(record)["scan"] == "skipped"
    assert "flaws not looked for: no database could be had" in certificate.gaps(record)
    assert "Flaws are unknown, not absent" in html.page(doc(record))
    assert "SKIPPED" in on_terminal(terminal.tree([doc(record)]))


def test_a_skipped_probe_never_reads_as_a_pass() -> None:
    assert isinstance(PASSED.smoke, model.Smoke)
    probe = dataclasses.replace(PASSED.smoke.outcomes[0], outcome="skipped", because="no GPU on this host")
    record = dataclasses.replace(
        PASSED, smoke=dataclasses.replace(PASSED.smoke, outcomes=(probe,), ready_after_s=None)
    )
    assert outcomes(record)["smoke"] == "skipped"
    assert any("no GPU on this host" in gap for gap in certificate.gaps(record))


def test_a_simulated_gpu_is_named_in_every_form() -> None:
    for text in (
        on_terminal(terminal.summary(doc(UNPROVEN), 100)), on_terminal(terminal.tree([doc(UNPROVEN)]), 200),
        markdown.page(doc(UNPROVEN)), Page(html.page(doc(UNPROVEN))).text,
    ):  # fmt: skip
        assert "GPU SIMULATED" in text
    for text in (markdown.page(doc(PASSED)), html.page(doc(PASSED))):
        assert "SIMULATED" not in text


def test_a_record_without_a_verdict_is_not_judged_and_nothing_ships() -> None:
    record = dataclasses.replace(PASSED, verdict=None, pushed=None)
    answer = certificate.standing(record)
    assert (answer.outcome, answer.word) == ("open", "NOT JUDGED")
    assert outcomes(record)["verdict"] == "not run"
    assert [reason.rule for reason in certificate.reasons(record)] == ["unpinned-base"]


def test_evidence_of_another_digest_breaks_the_certificate() -> None:
    assert isinstance(PASSED.smoke, model.Smoke)
    other = dataclasses.replace(PASSED.smoke, digest="sha256:" + "0" * 64)
    record = dataclasses.replace(PASSED, smoke=other)
    assert certificate.standing(record).word == "BROKEN"
    assert 'class="failed"' in html.page(doc(record))


def test_a_passed_verdict_without_a_digest_does_not_pass() -> None:
    record = dataclasses.replace(UNBUILT, verdict=model.Verdict(outcome="passed", reasons=()))
    assert certificate.standing(record).outcome == "open"


def test_a_verdict_of_an_unknown_word_does_not_pass() -> None:
    record = dataclasses.replace(PASSED, verdict=model.Verdict(outcome="Passed", reasons=()))
    assert certificate.standing(record).outcome == "open"


def test_what_says_no_comes_first_and_what_is_waived_last() -> None:
    told = certificate.reasons(FAILED)
    assert [certificate.says_no(reason) for reason in told] == [True, True, True, False, False]
    assert told[-1].waived


def test_a_stage_fails_when_the_verdict_says_no_to_its_facts() -> None:
    assert outcomes(FAILED) == {"lint": "failed", "build": "passed", "measure": "passed", "scan": "failed",
                                "smoke": "failed", "verdict": "failed", "push": "not run"}  # fmt: skip


def test_every_stage_of_an_unbuilt_record_says_that_it_did_not_run() -> None:
    assert set(outcomes(UNBUILT).values()) == {"failed", "not run"}
    assert "Not measured" in markdown.page(doc(UNBUILT))


def test_not_measured_is_a_dash_and_never_zero() -> None:
    assert words.size(None) == words.duration(None) == "–"  # noqa: RUF001
    assert words.size(0) == "0 B"
    assert words.duration(0.0) == "0.00 s"


@pytest.mark.parametrize(("count", "said"), [
    (1, "1 B"), (999, "999 B"), (1000, "1.00 kB"), (9_994, "9.99 kB"), (9_996, "10.0 kB"), (123_456, "123 kB"),
    (999_499, "999 kB"), (999_500, "1.00 MB"), (1_873_405_216, "1.87 GB"), (2 * 10**15, "2,000.00 TB"),
])  # fmt: skip
def test_sizes_are_decimal_with_three_figures(count: int, said: str) -> None:
    assert words.size(count) == said


@pytest.mark.parametrize(("seconds", "said"), [
    (0.0004, "< 1 ms"), (0.0214, "21 ms"), (0.412, "0.41 s"), (38.47, "38.5 s"), (99.96, "1 min 40 s"),
    (192.2, "3 min 12 s"), (float("nan"), "–"), (float("inf"), "–"),  # noqa: RUF001
])  # fmt: skip
def test_durations_read_well_at_every_length(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


def test_the_command_to_verify_is_quoted_for_a_shell() -> None:
    assert PASSED.pushed is not None
    evil = dataclasses.replace(PASSED.pushed, reference="x@sha256:1; rm -rf /")
    record = dataclasses.replace(PASSED, pushed=evil)
    assert any(command.endswith("'x@sha256:1; rm -rf /'") for _, command in certificate.verify_commands(record))
    assert certificate.verify_commands(FAILED) == ()


# --- hostile records ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECORDS)
def test_no_element_and_no_attribute_of_the_page_comes_from_data(name: str) -> None:
    text = html.page(hostile(doc(RECORDS[name])))
    page = Page(text)
    assert "alert(1)" in page.text  # it is shown, as text
    allowed = {"html", "head", "meta", "link", "title", "style", "body", "header", "main", "footer", "section",
               "aside",
               "h1", "h2", "h3", "p", "span", "strong", "code", "pre", "dl", "div", "dt", "dd", "ul", "ol", "li", "a",
               "br", "time", "table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary", "svg",
               "rect"}  # fmt: skip
    assert {tag for tag, _ in page.elements} <= allowed
    names = {name for _, attributes in page.elements for name, _ in attributes}
    assert names <= {"lang", "charset", "http-equiv", "content", "name", "rel", "href", "class", "id", "role",
                     "scope",
                     "data-label", "datetime", "aria-labelledby", "aria-hidden", "viewbox", "width", "height",
                     "preserveaspectratio"}  # fmt: skip
    classes = {value for _, attributes in page.elements for name, value in attributes if name == "class"}
    assert not any("alert" in str(value) for value in classes)


def test_the_page_has_the_same_elements_whatever_the_words_are() -> None:
    # Links of rules are the one place where a value decides about an element: only http(s) becomes one.
    plain = doc(FAILED)
    for reason in plain["verdict"]["reasons"]:
        reason["docs"] = None
    assert Page(html.page(hostile(plain))).skeleton == Page(html.page(plain)).skeleton


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", " https://x", "//evil.example", "HTTPS"]
)
def test_only_http_addresses_become_links(address: str) -> None:
    plain = doc(FAILED)
    for reason in plain["verdict"]["reasons"]:
        reason["docs"] = address
    links = [dict(found).get("href") for tag, found in Page(html.page(plain)).elements if tag == "a"]
    assert address not in links


def test_a_pointer_with_a_foreign_file_name_becomes_no_link() -> None:
    plain = doc(PASSED)
    plain["scan"]["sbom"] = {"file": "javascript:alert(1)", "sha256": "a" * 64}
    assert "javascript" not in html.page(plain)
    assert reading.pointer({"file": "sbom.cdx.json", "sha256": "<b>"}, "sbom.cdx.json") is None


def test_the_page_asks_for_nothing_and_runs_nothing() -> None:
    text = html.page(doc(PASSED))
    assert "<script" not in text and " style=" not in text and "@import" not in text and "url(" not in text
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    sheet = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert policy and sheet
    assert "default-src &#39;none&#39;" in policy[1] and "unsafe" not in policy[1]
    assert base64.b64encode(hashlib.sha256(sheet[1].encode()).digest()).decode() in policy[1].replace("&#43;", "+")


def test_tables_name_their_columns() -> None:
    page = Page(html.page(doc(FAILED)))
    heads = [dict(found) for tag, found in page.elements if tag == "th"]
    assert heads and all(found.get("scope") == "col" for found in heads)
    tables = sum(1 for tag, _ in page.elements if tag == "table")
    assert tables == sum(1 for tag, _ in page.elements if tag == "caption") >= 6


def test_headings_go_down_one_step_at_a_time() -> None:
    levels = [int(tag[1]) for tag, _ in Page(html.page(doc(FAILED))).elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_escape_sequences_do_not_reach_the_terminal_and_markup_is_text() -> None:
    shown = on_terminal(terminal.summary(hostile(doc(FAILED)), 200), 200)
    table = on_terminal(terminal.tree([hostile(doc(FAILED))]), 200)
    for text in (shown, table):
        assert "\x1b" not in text and "\u202e" not in text
    assert "[red]markup[/red]" in shown and r"\x1b[2J" in shown


def test_control_characters_are_spelled_out_in_every_form() -> None:
    plain = hostile(doc(FAILED))
    plain["verdict"]["reasons"][0]["message"] = "half a character \ud800, bell \x07, \u2066bidi"
    for text in (html.page(plain), markdown.page(plain)):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
        text.encode("utf-8")


def rendered(page: str) -> Page:
    """The page as a CommonMark renderer with tables makes it, raw HTML passed on as GitHub does."""
    return Page(str(MarkdownIt("commonmark", {"html": True}).enable("table").render(page)))


def test_words_cannot_become_markdown() -> None:
    plain, attacked = doc(FAILED), hostile(doc(FAILED))
    attacked["host"] = plain["host"] = {"name": "build-7"}
    before, after = rendered(markdown.page(plain)), rendered(markdown.page(attacked))
    assert words.visible(HOSTILE) in after.text
    shape = [element for element in before.skeleton if element[0] != "code"]
    assert [element for element in after.skeleton if element[0] != "code"] == shape
    assert {tag for tag, _ in after.skeleton} <= {"h1", "h2", "h3", "p", "ul", "li", "strong", "code", "pre", "table",
                                                  "thead", "tbody", "tr", "th", "td"}  # fmt: skip


@pytest.mark.parametrize(
    "word", ["a|b", "a\\|b", "`", "``x`", "\\", "a\nb", "<b>", "&lt;", "*a*", "[x](y)", "~~~", "$1$"]
)
def test_words_in_a_cell_of_markdown_come_out_as_they_went_in(word: str) -> None:
    page = "\n\n".join(markdown.table(("a", "b"), [(markdown.code(word), markdown.text(word))], "rows"))
    cells = rendered(page)
    assert [line for line in cells.text.splitlines() if line][2:] == [word.replace("\n", " ")] * 2
    assert [tag for tag, _ in cells.skeleton] == [
        "table",
        "thead",
        "tr",
        "th",
        "th",
        "tbody",
        "tr",
        "td",
        "code",
        "td",
    ]


def test_the_markdown_page_stays_below_one_mebibyte_whatever_is_in_the_record() -> None:
    plain = hostile(doc(FAILED))
    big = "|" * 5000
    for row in (plain["scan"]["flaws"], plain["verdict"]["reasons"], plain["measure"]["layers"],
                plain["measure"]["waste"], plain["smoke"]["outcomes"], plain["scan"]["secrets"]):  # fmt: skip
        for item in row:
            item.update({key: big for key, value in item.items() if isinstance(value, str)
                         and key not in ("severity", "origin", "digest")})  # fmt: skip
        row.extend(row[:1] * 3000)
    plain["host"] = {f"{number} {big}": big for number in range(3000)}
    plain["scan"]["database"]["blind"] = [big] * 3000
    page = markdown.page(plain)
    assert len(page.encode()) < 2**20
    assert page.endswith("The rest does not fit on this page: it is in report.html and record.json.\n")


def test_long_lists_in_markdown_are_cut_and_say_so() -> None:
    plain = doc(FAILED)
    plain["scan"]["flaws"] *= 100
    assert "160 more flaws are in report.html" in markdown.page(plain)


def test_long_tables_fold_and_lose_nothing() -> None:
    assert isinstance(FAILED.scan, model.Scan)
    many = tuple(dataclasses.replace(FAILED.scan.flaws[1], id=f"CVE-2099-{n:04}") for n in range(300))
    page = html.page(doc(dataclasses.replace(FAILED, scan=dataclasses.replace(FAILED.scan, flaws=many))))
    assert all(flaw.id in page for flaw in many)
    assert "288 more flaws" in page


@pytest.mark.parametrize("broken", [
    {}, {"schema": "seatrial/lint/v1"}, {"schema": "seatrial/record/v2"}, {"schema": "seatrial/record/v1"},
    {**document(PASSED, "record"), "measure": 7}, {**document(PASSED, "record"), "lint": None},
    {**document(PASSED, "record"), "scan": {"because": 1}}, {**document(PASSED, "record"), "host": ["x"]},
])  # fmt: skip
def test_a_document_that_is_no_record_is_refused_with_a_reason(broken: dict[str, Any]) -> None:
    for form in (html.page, markdown.page, lambda plain: terminal.summary(plain, 100)):
        with pytest.raises(BadFile) as refused:
            form(broken)
        assert refused.value.hint


def test_reading_a_document_gives_the_record_back() -> None:
    for record in RECORDS.values():
        assert reading.read(json.loads(json.dumps(doc(record)))) == record


# --- files ----------------------------------------------------------------------------------------


def test_a_record_from_before_images_were_looked_into_still_reads() -> None:
    older = document(PASSED, "record")
    for key in ("verified", "shares", "libraries", "wire"):
        del older["measure"][key]
    for row in older["measure"]["waste"]:
        del row["seen"]
    measured = reading.read(older).measure
    assert measured is not None
    assert (measured.verified, measured.libraries, measured.shares.folders) == (True, None, ())
    assert {row.seen for row in measured.waste} == {False}


def test_save_writes_the_reports_and_points_to_the_evidence(tmp_path: Path) -> None:
    record = files.save(doc(PASSED), tmp_path)
    place = tmp_path / "fastapi-gpu" / DIGEST.removeprefix("sha256:")
    assert record == place / "record.json"
    assert {path.name for path in place.iterdir()} == {"record.json", "report.html", "report.md", "sbom.cdx.json",
                                                       "provenance.json"}  # fmt: skip
    saved = json.loads(record.read_bytes())
    assert saved["schema"] == "seatrial/record/v1"
    for pointer, whole in ((saved["scan"]["sbom"], doc(PASSED)["scan"]["sbom"]),
                           (saved["build"]["provenance"], doc(PASSED)["build"]["provenance"])):  # fmt: skip
        body = (place / pointer["file"]).read_bytes()
        assert set(pointer) == {"file", "sha256"}
        assert hashlib.sha256(body).hexdigest() == pointer["sha256"]
        assert json.loads(body) == whole
    assert 'href="sbom.cdx.json"' in (place / "report.html").read_text()
    assert "fastapi-gpu" in (tmp_path / "index.html").read_text()


def test_an_unbuilt_record_goes_to_its_own_folder(tmp_path: Path) -> None:
    assert files.save(doc(UNBUILT), tmp_path) == tmp_path / "fastapi-gpu" / "unbuilt" / "record.json"


def test_a_saved_record_saved_again_is_the_same_to_the_byte(tmp_path: Path) -> None:
    record = files.save(doc(PASSED), tmp_path)
    before = {path.name: path.read_bytes() for path in record.parent.iterdir()}
    files.save(files.load(record), tmp_path)
    assert {path.name: path.read_bytes() for path in record.parent.iterdir()} == before


def test_rendering_again_leaves_the_record_as_it_is(tmp_path: Path) -> None:
    record = files.save(doc(PASSED), tmp_path)
    record.write_text(json.dumps(json.loads(record.read_bytes())))  # other spaces, the same record
    before, page = record.read_bytes(), (record.parent / "report.html").read_bytes()
    (record.parent / "report.html").unlink()
    assert files.render(record.parent).read_bytes() == page
    assert record.read_bytes() == before


def test_the_index_shows_the_newest_record_of_each_image(tmp_path: Path) -> None:
    later = dataclasses.replace(UNBUILT, started="2026-11-24T00:00:00Z")
    files.save(doc(later), tmp_path)
    files.save(doc(PASSED), tmp_path)
    files.save(doc(dataclasses.replace(UNBUILT, image="debian-base")), tmp_path)
    text = (tmp_path / "index.html").read_text()
    assert "2 images" in text and "unbuilt/report.html" in text
    assert DIGEST.removeprefix("sha256:") not in text


def test_a_broken_record_is_shown_in_the_index_and_does_not_hide_the_others(tmp_path: Path) -> None:
    files.save(doc(PASSED), tmp_path)
    for number, content in enumerate(("{", "[]", '{"schema": 1}', "[" * 100_000)):
        place = tmp_path / f"broken-{number}" / "x"
        place.mkdir(parents=True)
        (place / "record.json").write_text(content)
    text = Page(files.write_index(tmp_path).read_text()).text
    assert text.count("UNREADABLE") == 4 and "1 passed, 0 failed, 4 without a verdict" in text


@pytest.mark.parametrize("name", ["../evil", "a/b", "..", "", "A", "/etc", "a\n"])
def test_an_image_name_never_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadFile):
        files.save({**doc(PASSED), "image": name}, tmp_path / "reports")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("digest", ["sha256:../../x", "sha256:", "latest", "sha512:" + "a" * 64])
def test_a_digest_never_leads_out_of_the_folder(tmp_path: Path, digest: str) -> None:
    with pytest.raises(BadFile):
        files.save({**doc(PASSED), "digest": digest}, tmp_path)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.md"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull) as refused:
        files.write_whole(path, "new")
    assert str(path) in refused.value.what
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.real
def test_a_device_that_is_really_full_is_a_full_disk(tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "seatrial-test", str(place)], check=False)
    if mounted.returncode != 0:
        pytest.skip("this user may not mount a tmpfs")
    try:
        files.write_whole(place / "page", "old")
        with pytest.raises(DiskFull):
            files.write_whole(place / "page", "x" * 1_000_000)
        assert [path.name for path in place.iterdir()] == ["page"]
        assert (place / "page").read_text() == "old"
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_folder_that_refuses_is_an_expected_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadFile, match="cannot be written"):
        files.save(doc(PASSED), tmp_path / "file")


def test_readers_see_an_old_or_a_new_file_and_never_half_of_one(tmp_path: Path) -> None:
    path = tmp_path / "page"
    contents = ["a" * 300_000, "b" * 300_000]
    files.write_whole(path, contents[0])
    done = threading.Event()

    def write() -> None:
        for number in range(40):
            files.write_whole(path, contents[number % 2])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while not done.is_set():
            assert path.read_text() in contents
    finally:
        writer.join()


def test_two_saves_at_once_both_reach_the_index(tmp_path: Path) -> None:
    records = [dataclasses.replace(UNBUILT, image=f"image-{number}") for number in range(8)]
    workers = [threading.Thread(target=files.save, args=(doc(record), tmp_path)) for record in records]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    text = (tmp_path / "index.html").read_text()
    assert all(f"image-{number}/unbuilt/report.html" in text for number in range(8))


# --- docs/json.md ---------------------------------------------------------------------------------


def sections() -> dict[str, set[str]]:
    """Object name → the keys that its table in docs/json.md lists."""
    text = (Path(__file__).parents[1] / "docs" / "json.md").read_text(encoding="utf-8")
    parts = re.split(r"^##+ (.+)$", text, flags=re.MULTILINE)
    return {title: set(re.findall(r"^\| `(\w+)` \|", body, re.MULTILINE))
            for title, body in zip(parts[1::2], parts[2::2], strict=True)}  # fmt: skip


def keys(kind: type) -> set[str]:
    """The fields of a dataclass or a NamedTuple; none for anything else."""
    if dataclasses.is_dataclass(kind):
        return {field.name for field in dataclasses.fields(kind)}
    return set(getattr(kind, "_fields", ()))


def reachable(root: Any) -> set[type]:
    """Every class of the model that a document of `root` can hold."""
    found: set[type] = set()

    def visit(hint: Any) -> None:
        if isinstance(hint, type) and keys(hint) and hint not in found:
            found.add(hint)
            for inner in typing.get_type_hints(hint).values():
                visit(inner)
        for inner in typing.get_args(hint) if isinstance(hint, types.UnionType | types.GenericAlias) or (
            typing.get_origin(hint)) else ():  # fmt: skip
            visit(inner)

    visit(root)
    return found


DOCUMENTED = sorted(reachable(Record) | {verify.Evidence, Part, FileFixed}, key=lambda kind: kind.__name__)


def test_the_walk_over_the_model_reaches_every_stage() -> None:
    assert {model.Lint, model.Flaw, model.Outcome, model.Waste, model.Reason, model.Skipped} <= set(DOCUMENTED)


@pytest.mark.parametrize("kind", DOCUMENTED, ids=lambda kind: kind.__name__)
def test_every_key_of_a_document_is_described_and_no_other(kind: Any) -> None:
    assert sections()[kind.__name__] == keys(kind)


def test_the_error_document_is_described() -> None:
    error = BadFile("unknown key", hint="did you mean tags?", file="image.yaml", line=3, column=1)
    plain = failure.document(error)
    assert sections()["error"] == set(plain) - {"schema"}
    assert (plain["kind"], plain["file"], plain["line"], plain["exit_code"]) == ("BadFile", "image.yaml", 3, 3)
    assert failure.document(ToolMissing("no cosign", hint="setup"))["file"] is None


# --- a real browser -------------------------------------------------------------------------------


def browser(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM
    return subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
         "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path / 'profile'}", *arguments],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip


def requested(log: Path) -> set[str]:
    """Every address that a page asked for, from the browser's network log. What nobody's page asked for is left out:
    the address on the command line, and the browser's own calls home (which end at a resolver that knows no name)."""
    events = json.loads(log.read_bytes())["events"]
    params = [event.get("params", {}) for event in events]
    return {one["url"] for one in params if "url" in one and one.get("initiator", "not an origin") != "not an origin"}


@pytest.mark.real
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_shows_the_page_and_asks_the_network_for_nothing(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(html.page(hostile(doc(FAILED))), encoding="utf-8")
    log = tmp_path / "net.json"
    seen = browser(tmp_path, f"--log-net-log={log}", "--dump-dom", page.as_uri()).stdout
    assert "This digest may not ship: 3 errors." in seen
    assert "<script" not in seen and "<img" not in seen
    assert requested(log) == set()


@pytest.mark.real
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_page_with_a_request_in_it_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "leaky.html"
    page.write_text('<img src="http://127.0.0.1:9/evil.example.png">', encoding="utf-8")
    log = tmp_path / "net.json"
    browser(tmp_path, f"--log-net-log={log}", "--dump-dom", page.as_uri())
    assert requested(log) == {"http://127.0.0.1:9/evil.example.png"}


@pytest.mark.real
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("name", ["record", "index"])
def test_nothing_scrolls_sideways_on_a_phone(tmp_path: Path, name: str) -> None:
    plain = hostile(doc(FAILED))
    plain["measure"]["layers"][0]["instruction"] = "RUN " + "x" * 390
    plain["scan"]["flaws"][0]["package"] = plain["build"]["labels"]["k"] = "y" * 300
    text = html.page(plain) if name == "record" else html.index([html.index_row(plain, "a/b/report.html")])
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    # The probe stands around the page, not in it: the page's own policy forbids scripts.
    (tmp_path / "probe.html").write_text(
        '<iframe id="f" src="page.html" style="width:375px;height:900px;border:0"></iframe><p id="out">none</p>'
        "<script>f.onload=()=>{let d=f.contentDocument.documentElement;"
        "out.textContent='widths '+d.scrollWidth+' '+d.clientWidth}</script>", encoding="utf-8",
    )  # fmt: skip
    seen = browser(tmp_path, "--allow-file-access-from-files", "--virtual-time-budget=5000", "--dump-dom",
                   (tmp_path / "probe.html").as_uri()).stdout  # fmt: skip
    assert "widths 375 375" in seen


@pytest.mark.real
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_screenshot_is_more_than_an_empty_sheet(tmp_path: Path) -> None:
    sizes = []
    for number, body in enumerate((html.page(doc(PASSED)), "<!doctype html><title>empty</title>")):
        page, shot = tmp_path / f"{number}.html", tmp_path / f"{number}.png"
        page.write_text(body, encoding="utf-8")
        browser(tmp_path, f"--screenshot={shot}", "--window-size=1280,1600", page.as_uri())
        assert shot.read_bytes().startswith(b"\x89PNG")
        sizes.append(shot.stat().st_size)
    assert sizes[0] > 5 * sizes[1]
