"""What `diff` says of two images: exact numbers on layers made by hand, records, real builds, the command line."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rich.console import Console

from pipeline.compare import Known, compare
from pipeline.compare.layers import layers, shared
from pipeline.compare.packages import packages
from pipeline.measure import opened_path, weigh
from pipeline.model import Flaw, Image, Layer, LayerOrigin, Package, document
from pipeline.model.comparison import (
    Comparison,
    FileChange,
    FileCounts,
    Files,
    FlawsChange,
    FolderChange,
    LayerChange,
    PackageChange,
    Shared,
    Side,
    StartUp,
    Sums,
    TotalsChange,
)  # fmt: skip
from pipeline.report import comparison, reading
from tests.archives import built, file, folder, hard_link, layout, need_engine, other, tar, whiteout
from tests.conftest import ROOT, seatrial
from tests.records import DIGEST, FAILED, HIGH_FLAW, PASSED, UNPROVEN

Member = tuple[tarfile.TarInfo, bytes]


def at(time: int, member: Member) -> Member:
    """The same member, last changed at a moment."""
    member[0].mtime = time
    return member


def owned(uid: int, member: Member) -> Member:
    member[0].uid = uid
    return member


def known(place: Path, *image: list[Member], cache: Path, lines: int = 1) -> Known:
    """An image weighed; its layers are made by the lines from `lines` on."""
    found = layout(place, [tar(*layer) for layer in image])
    origins = tuple(
        LayerOrigin(digest=digest, diff_id=diff_id, instruction=f"RUN {line}", dockerfile_line=line, origin="own")
        for line, (digest, diff_id, _, _) in enumerate(found.layers, start=lines)
    )
    name = Image(name=place.name, repository=place.name, digest=found.digest, local=place.name)
    weighed = weigh(name, found, origins, cache=cache)
    return Known(measurement=weighed.measurement, root=weighed.root)


@pytest.fixture
def differ(tmp_path: Path):
    """Compare two images, each given as lists of members."""

    def differ(before: list[list[Member]], after: list[list[Member]], **more: int) -> Comparison:
        cache = tmp_path / "cache"
        first = known(tmp_path / "before", *before, cache=cache)
        return compare(first, known(tmp_path / "after", *after, cache=cache), cache=cache, **more)

    return differ


def files_of(found: Comparison) -> Files:
    assert found.files is not None
    return found.files


def changes(found: Comparison) -> dict[str, str]:
    return {row.path: row.change for row in files_of(found).rows}


def printed(found: Comparison, width: int = 1000) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(comparison.text(found))
    return captured.get()


# --- files ----------------------------------------------------------------------------------------


def test_each_kind_of_change_is_named_counted_and_weighed(differ) -> None:
    found = differ(
        [[file("gone", 700), file("same", 50), file("edited", b"a" * 300), file("mode", 40), file("owner", 30),
          at(1, file("touched", 20)), other("link", tarfile.SYMTYPE, "a"), file("turned", 10)]],
        [[file("new", 900), file("same", 50), file("edited", b"b" * 300), file("mode", 40, mode=0o755),
          owned(7, file("owner", 30)), at(2, file("touched", 20)), other("link", tarfile.SYMTYPE, "b"),
          other("turned", tarfile.SYMTYPE, "new")]],
    )  # fmt: skip
    assert [(row.path, row.change) for row in files_of(found).rows] == [
        ("new", "added"), ("gone", "removed"), ("edited", "content"), ("mode", "attributes"),
        ("owner", "attributes"), ("turned", "kind"), ("link", "link"), ("touched", "times"),
    ]  # fmt: skip
    assert document(files_of(found).counts) == {
        "added": 1, "removed": 1, "content": 1, "attributes": 2, "link": 1, "kind": 1, "times": 1,
    }  # fmt: skip
    by_path = {row.path: row for row in files_of(found).rows}
    assert (by_path["mode"].mode_before, by_path["mode"].mode_after) == ("0644", "0755")
    assert (by_path["owner"].owner_before, by_path["owner"].owner_after) == ("0:0", "7:0")
    assert (by_path["new"].bytes_before, by_path["new"].bytes_after, by_path["new"].line_after) == (None, 900, 1)
    assert (by_path["turned"].bytes_before, by_path["turned"].bytes_after) == (10, None)
    text = printed(found)
    assert "0644 → 0755" in text and "0:0 → 7:0" in text and "times only" in text
    assert (found.totals.before.bytes, found.totals.after.bytes, found.totals.delta.bytes) == (1150, 1340, 190)
    assert (found.totals.before.files, found.totals.after.files, found.totals.delta.files) == (7, 6, -1)


def test_other_content_of_the_same_size_is_seen_where_no_other_file_has_that_size(differ) -> None:
    assert changes(differ([[file("a", b"x" * 1000)]], [[file("a", b"y" * 1000)]])) == {"a": "content"}


def test_the_same_file_from_other_layers_is_no_change(differ) -> None:
    found = differ(
        [[file("a", 10), file("b", 20)]], [[file("b", 20)], [file("gone", 9)], [file("a", 10), whiteout("gone")]]
    )
    assert changes(found) == {}
    assert files_of(found).folders == ()
    assert (found.totals.delta.bytes, found.totals.delta.wasted_bytes) == (9, 9)


def test_what_a_later_layer_took_away_is_removed_and_its_bytes_are_waste(differ) -> None:
    first = [file("d/x", 100), file("d/y", 20)]
    found = differ([first], [first, [whiteout("d")]])
    assert changes(found) == {"d/x": "removed", "d/y": "removed"}
    assert (found.totals.delta.bytes, found.totals.delta.wasted_bytes) == (0, 120)


def test_a_folder_sums_what_lies_below_it_once_for_all_names_of_a_file(differ) -> None:
    found = differ(
        [[file("usr/lib/a", 1000), file("opt/keep", 5)]],
        [[file("usr/lib/a", 1000), hard_link("usr/lib/b", "usr/lib/a"), file("usr/lib/deep/er/c", 300),
          file("opt/keep", 5)]],
        depth=2,
    )  # fmt: skip
    rows = {row.path: row for row in files_of(found).folders}
    assert set(rows) == {"", "usr", "usr/lib"}
    assert (rows["usr/lib"].bytes_before, rows["usr/lib"].bytes_after) == (1000, 1300)
    assert (rows[""].files_before, rows[""].files_after, rows[""].changed) == (2, 3, 2)
    assert changes(found) == {"usr/lib/deep/er/c": "added", "usr/lib/b": "added"}


def test_as_many_files_are_listed_as_asked_for_and_the_others_counted(differ) -> None:
    before, after = [[file("keep", 1)]], [[file("keep", 1), *(file(f"f{n:03}", n + 10) for n in range(200))]]
    found = files_of(differ(before, after, most=3))
    assert [row.path for row in found.rows] == ["f199", "f198", "f197"]
    assert (found.rows_left, found.counts.added) == (197, 200)


def test_without_any_file_listed_all_are_counted(differ) -> None:
    found = files_of(differ([[file("a", 1)]], [[at(9, file("a", 1)), file("b", 2)]], most=0))
    assert (found.rows, found.rows_left, found.counts.added, found.counts.times) == ((), 2, 1, 1)


def test_without_the_layers_indexes_no_time_is_said_to_be_the_same(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = known(tmp_path / "before", [at(1, file("a", 10))], cache=cache)
    second = known(tmp_path / "after", [at(2, file("a", 10))], cache=cache)
    shutil.rmtree(cache)
    found = compare(first, second, cache=cache)
    assert files_of(found).counts.times is None
    assert "times not known" in printed(found)


NAMES = st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a", "e/a"])
TREES = st.dictionaries(NAMES, st.tuples(st.sampled_from([b"", b"x", b"y", b"xyz"]), st.sampled_from([0o644, 0o755])))


@hypothesis_settings(max_examples=40, deadline=None)
@given(before=TREES, after=TREES)
def test_random_trees_differ_as_two_dictionaries_do(before, after, tmp_path_factory) -> None:
    place = tmp_path_factory.mktemp("trees")
    sides = [known(place / name, [file(path, *value) for path, value in tree.items()], cache=place / "cache")
             for name, tree in (("before", before), ("after", after))]  # fmt: skip
    found = compare(*sides, cache=place / "cache", most=100)
    expected = {}
    for path in before.keys() | after.keys():
        old, new = before.get(path), after.get(path)
        if old != new:
            expected[path] = ("added" if old is None else "removed" if new is None
                              else "content" if old[0] != new[0] else "attributes")  # fmt: skip
    assert changes(found) == expected
    roots = [row for row in files_of(found).folders if row.path == ""]
    assert [row.changed for row in roots] == ([len(expected)] if expected else [])
    if roots:
        assert (roots[0].bytes_before, roots[0].bytes_after) == (
            sum(len(content) for content, _ in before.values()), sum(len(content) for content, _ in after.values()),
        )  # fmt: skip


# --- layers ---------------------------------------------------------------------------------------


def layer(name: str, instruction: str, line: int | None, size: int = 100, digest: str = "") -> Layer:
    return Layer(digest=digest or f"sha256:{name}", diff_id=f"sha256:{name}", instruction=instruction,
                 dockerfile_line=line, origin="own", bytes=size, compressed_bytes=size // 2, files=1)  # fmt: skip


def test_layers_belong_together_by_content_then_by_instruction_then_by_line() -> None:
    before = [layer("base", "COPY root", None), layer("pip1", "RUN pip install", 3),
              layer("app1", "COPY app /app", 5), layer("old", "RUN old", 9)]  # fmt: skip
    after = [layer("base", "COPY root", None), layer("apt", "RUN apt-get", 2),
             layer("pip2", "RUN pip install", 4, 70), layer("app2", "COPY src /app", 5, 130)]  # fmt: skip
    rows = [
        (row.instruction, row.change, row.matched_by, row.line_before, row.line_after)
        for row in layers(before, after)
    ]
    assert rows == [
        ("COPY root", "same", "diff_id", None, None),
        ("RUN apt-get", "added", None, None, 2),
        ("RUN pip install", "changed", "instruction", 3, 4),
        ("COPY src /app", "changed", "line", 5, 5),
        ("RUN old", "removed", None, 9, None),
    ]
    assert [(row.bytes_before, row.bytes_after) for row in layers(before, after)] == [
        (100, 100), (None, 100), (100, 70), (100, 130), (100, None),
    ]  # fmt: skip


def test_a_layer_compressed_anew_is_not_shared_and_one_that_comes_twice_travels_once() -> None:
    before = [layer("a", "A", 1), layer("b", "B", 2), layer("c", "C", 3)]
    again = layer("b", "B", 2, digest="sha256:zstd")
    after = [layer("a", "A", 1), again, layer("c", "C", 3), layer("c", "C", 4), layer("d", "D", 5, 30)]
    assert [row.change for row in layers(before, after)] == ["same", "recompressed", "same", "added", "added"]
    found = shared(before, after)
    assert (found.layers, found.bytes, found.compressed_bytes, found.pushed_again) == (2, 200, 100, 65)


def test_layers_of_which_nobody_knows_more_than_their_content_are_added_and_removed() -> None:
    assert [row.change for row in layers([layer("a", "", None)], [layer("b", "", None)])] == ["added", "removed"]


# --- packages -------------------------------------------------------------------------------------


def package(name: str, version: str, size: int | None, kind: str = "python") -> Package:
    return Package(name=name, version=version, kind=kind, bytes=size, layer="sha256:a")


def test_packages_come_go_and_change_their_version_or_size() -> None:
    before = [package("torch", "2.8", 900), package("six", "1", 5), package("same", "1", 7),
              package("grown", "1", 10), package("curl", "8", None, "deb")]  # fmt: skip
    after = [package("torch", "2.9", 700), package("jax", "0.7", 40), package("same", "1", 7),
             package("grown", "1", 11), package("curl", "8", None, "python"),
             package("curl", "8", None, "deb")]  # fmt: skip
    assert [(row.name, row.change, row.version_before, row.version_after, row.bytes_before, row.bytes_after)
            for row in packages(before, after)] == [
        ("torch", "version", "2.8", "2.9", 900, 700),
        ("jax", "added", None, "0.7", None, 40),
        ("six", "removed", "1", None, 5, None),
        ("grown", "bytes", "1", "1", 10, 11),
        ("curl", "added", None, "8", None, None),
    ]  # fmt: skip


def test_of_a_package_installed_twice_equal_versions_belong_together() -> None:
    before = [package("numpy", "1", 10), package("numpy", "2", 20)]
    after = [package("numpy", "2", 20), package("numpy", "3", 30)]
    assert [(row.change, row.version_before, row.version_after) for row in packages(before, after)] == [
        ("version", "1", "3")
    ]


# --- records --------------------------------------------------------------------------------------


def of_record(record) -> Known:
    assert record.measure is not None
    return Known(measurement=record.measure, record=record)


def test_two_records_tell_flaws_gained_and_lost_and_no_file(tmp_path: Path) -> None:
    found = compare(of_record(PASSED), of_record(FAILED), cache=tmp_path)
    assert found.flaws is not None
    assert (found.flaws.gained, found.flaws.lost) == ((HIGH_FLAW,), ())
    assert found.files is None
    assert found.start_up is not None and (found.start_up.before, found.start_up.after) == (2.318, 2.318)
    assert found.shared.pushed_again == 0
    assert (found.before.source, found.before.files_read) == ("its record", False)
    text = printed(found)
    assert "files SKIPPED" in text and "1 gained, 0 lost" in text and HIGH_FLAW.id in text


def test_a_skipped_scan_gains_and_loses_nothing_that_anybody_knows(tmp_path: Path) -> None:
    found = compare(of_record(PASSED), of_record(UNPROVEN), cache=tmp_path)
    assert (found.flaws, found.start_up) == (None, None)


def test_a_flaw_stays_when_its_package_gets_another_version_that_has_it(tmp_path: Path) -> None:
    assert PASSED.scan is not None and not hasattr(PASSED.scan, "because")
    (flaw,) = PASSED.scan.flaws
    assert isinstance(flaw, Flaw)
    newer = dataclasses.replace(PASSED.scan, flaws=(dataclasses.replace(flaw, version="9.9"),))
    found = compare(of_record(PASSED), of_record(dataclasses.replace(PASSED, scan=newer)), cache=tmp_path)
    assert found.flaws is not None and (found.flaws.gained, found.flaws.lost) == ((), ())


# --- what a person sees ---------------------------------------------------------------------------


def test_what_a_file_is_called_never_reaches_the_terminal_raw(differ) -> None:
    text = printed(differ([[file("a", 1)]], [[file("a", 1), file("d/\x1b[2J\u202e[red]x\nY\r", 9)]]))
    assert "\x1b" not in text and "\u202e" not in text and "\r" not in text
    assert "\\x1b[2J\\u202e[red]x Y" in text


def test_changes_have_a_sign_and_the_biggest_one_the_longest_bar(differ) -> None:
    text = printed(differ([[file("old/a", 12_000)]], [[file("new/b", 6_000)]]))
    total, travels = [line for line in text.splitlines() if line.startswith(("bytes", "compressed"))]
    assert ("-6.00 kB" in total, total.count("█")) == (True, 7)  # 6,000 of the 10,240 that travel less
    assert ("-10.2 kB" in travels, travels.count("█")) == (True, 12)
    assert any("/old" in line and "-12.0 kB" in line for line in text.splitlines())
    assert any("/new" in line and "+6.00 kB" in line and "██████ " in line for line in text.splitlines())


# --- the command line -----------------------------------------------------------------------------


def test_two_layouts_are_compared_by_their_paths_as_text_and_as_json(tmp_path: Path) -> None:
    base = tar(folder("etc"), file("etc/os", 400))
    layout(tmp_path / "one", [base, tar(file("app", 100))])
    layout(tmp_path / "two", [base, tar(file("app", b"x" * 90), file("more", 10))])
    place = {"SEATRIAL_CACHE": str(tmp_path / "cache"), "cwd": tmp_path}
    ended = seatrial("diff", "one", "two", "--format", "json", **place)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert next(iter(found)) == "schema" and found["schema"] == "seatrial/diff/v1"
    assert found["totals"]["delta"]["bytes"] == 0
    assert found["shared"] == {"layers": 1, "bytes": 400, "compressed_bytes": len(base), "pushed_again": 10_240}
    assert [row["change"] for row in found["layers"]] == ["same", "added", "removed"]
    assert [(row["path"], row["change"]) for row in found["files"]["rows"]] == [("app", "content"), ("more", "added")]
    ended = seatrial("diff", "one", "two", "--files", "1", **place)
    assert ended.returncode == 0, ended.stderr
    assert "and 1 file more" in ended.stdout and "/app" in ended.stdout


def test_a_record_and_an_archive_can_be_compared(tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    record.write_text(json.dumps(document(PASSED, "record")))
    assert reading.read(json.loads(record.read_text()), "record.json").measure == PASSED.measure
    layout(tmp_path / "image", [tar(file("app", 100))])
    with tarfile.open(tmp_path / "image.tar", "w") as archive:
        for name in ("oci-layout", "index.json", "blobs"):
            archive.add(tmp_path / "image" / name, name)
    ended = seatrial("diff", "record.json", "image.tar", cwd=tmp_path, SEATRIAL_CACHE=str(tmp_path / "cache"))
    assert ended.returncode == 0, ended.stderr
    assert "files SKIPPED" in ended.stdout and "its record" in ended.stdout and "OCI archive" in ended.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("one",), "1 images were named"),
        (("one", "one", "one"), "3 images were named"),
        (("one", "one", "--files", "-1"), "less than nothing"),
        (("one", "./nowhere.tar"), "nowhere.tar"),
        (("one", "broken.tar"), "broken.tar"),
        (("one", "broken.json"), "broken.json"),
    ],
)
def test_what_cannot_be_compared_is_told_and_ends_with_3(words, told, tmp_path: Path) -> None:
    layout(tmp_path / "one", [tar(file("app", 100))])
    (tmp_path / "broken.tar").write_bytes(b"\0" * 100)
    (tmp_path / "broken.json").write_text("[1, 2")
    ended = seatrial("diff", *words, cwd=tmp_path, SEATRIAL_CACHE=str(tmp_path / "cache"))
    assert (ended.returncode, "Traceback" in ended.stderr) == (3, False), ended.stderr
    assert told in ended.stderr and ended.stdout == ""


# --- the real engine ------------------------------------------------------------------------------


@pytest.mark.real
def test_two_real_builds_share_their_base_and_differ_in_one_line(tmp_path: Path) -> None:
    need_engine()
    context = tmp_path / "context"
    context.mkdir()
    (context / "base.bin").write_bytes(b"b" * 50_000)
    for side, size in (("before", 3000), ("after", 5000)):
        (context / "app.bin").write_bytes(side.encode() * size)
        built(context, "FROM scratch\nCOPY base.bin /opt/\nCOPY app.bin /srv/\n", tmp_path / f"{side}.tar")
    ended = seatrial("diff", "before.tar", "after.tar", "--format", "json", cwd=tmp_path,
                     SEATRIAL_CACHE=str(tmp_path / "cache"))  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert [(row["change"], row["matched_by"]) for row in found["layers"]] == [
        ("same", "diff_id"), ("changed", "instruction"),
    ]  # fmt: skip
    assert "COPY app.bin /srv/" in found["layers"][1]["instruction"]
    assert found["totals"]["delta"]["bytes"] == 5 * 5000 - 6 * 3000
    assert [(row["path"], row["bytes_before"], row["bytes_after"]) for row in found["files"]["rows"]] == [
        ("srv/app.bin", 18_000, 25_000)
    ]
    with opened_path(tmp_path / "after.tar") as after:
        assert found["shared"]["compressed_bytes"] == after.layers[0][2]
        assert found["shared"]["pushed_again"] == after.layers[1][2]


def tree(root: Path, reference: str) -> None:
    """A workspace with one image, and the record of its last release."""
    service = root / "dockerfiles" / "app"
    service.mkdir(parents=True)
    (service / "app.bin").write_bytes(b"a" * 3000)
    (service / "Dockerfile").write_text('FROM scratch\nCOPY app.bin /srv/\nUSER 1000\nCMD ["/srv/app.bin"]\n')
    (service / "image.yaml").write_text("name: app\nrepository: 127.0.0.1:1/seatrial-test/compared\n")
    assert PASSED.pushed is not None
    record = dataclasses.replace(PASSED, pushed=dataclasses.replace(PASSED.pushed, reference=reference))
    place = root / "reports" / "app" / DIGEST.removeprefix("sha256:")
    place.mkdir(parents=True)
    (place / "record.json").write_text(json.dumps(document(record, "record")))


@pytest.mark.real
def test_a_release_that_its_registry_does_not_have_any_more_is_known_by_its_record(tmp_path: Path) -> None:
    need_engine()
    tree(tmp_path, f"127.0.0.1:1/seatrial-test/compared@{DIGEST}")
    ended = seatrial("diff", "app", "--released", "--format", "json", cwd=tmp_path, SEATRIAL_ROOT=str(tmp_path),
                     SEATRIAL_CACHE=str(tmp_path / "cache"))  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert (found["before"]["source"], found["before"]["digest"], found["files"]) == ("its record", DIGEST, None)
    assert found["after"]["files_read"]
    assert found["totals"]["after"]["bytes"] == 3000
    assert "taking its record" in ended.stderr
    subprocess.run(["docker", "image", "rm", "127.0.0.1:1/seatrial-test/compared:seatrial"], check=True)


def test_without_an_engine_a_name_of_the_tree_means_its_newest_record(tmp_path: Path) -> None:
    tree(tmp_path, f"127.0.0.1:1/seatrial-test/compared@{DIGEST}")
    layout(tmp_path / "image", [tar(file("srv/app.bin", 100))])
    ended = seatrial("diff", "app", "./image", "--format", "json", cwd=tmp_path, SEATRIAL_ROOT=str(tmp_path),
                     SEATRIAL_CACHE=str(tmp_path / "cache"), DOCKER_HOST="unix:///nowhere.sock")  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert (found["before"]["source"], found["before"]["image"], found["files"]) == (
        "its record",
        "fastapi-gpu",
        None,
    )


def test_an_image_that_was_never_released_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    tree(tmp_path, "x")
    shutil.rmtree(tmp_path / "reports")
    ended = seatrial("diff", "app", "--released", cwd=tmp_path, SEATRIAL_ROOT=str(tmp_path))
    assert (ended.returncode, "no release" in ended.stderr, ended.stdout) == (3, True, "")


# --- the documents --------------------------------------------------------------------------------


def test_every_key_of_the_document_is_described() -> None:
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    section = page.partition("\n## diff\n")[2].partition("\n## ")[0]
    values = (Comparison, Files, FileChange, FileCounts, FlawsChange, FolderChange, LayerChange, PackageChange,
              Shared, Side, StartUp, Sums, TotalsChange)  # fmt: skip
    keys = {field.name for value in values for field in dataclasses.fields(value)}
    assert [key for key in sorted(keys) if f"`{key}`" not in section] == []
