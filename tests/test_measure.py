"""What an image weighs, on archives made by hand, on random ones against a slow reference, and on a real image."""

from __future__ import annotations

import dataclasses
import gc
import gzip
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
import threading
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import measure
from pipeline.errors import BadFile, BadImage, Interrupted
from pipeline.measure import Limits
from pipeline.measure.stream import Blob, Stream
from pipeline.model import Measurement
from tests import archives
from tests.archives import file, folder, hard_link, layout, measured, opaque, other, tar, whiteout


@pytest.fixture
def weigh(tmp_path: Path):
    """Measure layers given as lists of entries."""

    def weigh(*layers: list, how: str = "plain", **more: object) -> Measurement:
        place = Path(tempfile.mkdtemp(dir=tmp_path))
        return measured(layout(place / "image", [tar(*layer) for layer in layers], how=how), place / "cache", **more)

    return weigh


def causes(found: Measurement) -> dict[tuple[str, int | None], int]:
    """Bytes by cause and by the line of the layer that shipped them."""
    return {(row.cause, row.dockerfile_line): row.bytes for row in found.waste}


# --- sums -----------------------------------------------------------------------------------------


def test_bytes_are_the_sizes_of_regular_files_and_empty_files_count_nowhere(weigh) -> None:
    found = weigh([folder("etc"), file("etc/a", 1000), file("etc/none", b""), other("etc/l", tarfile.SYMTYPE, "a")])
    assert (found.layers[0].bytes, found.layers[0].files) == (1000, 1)
    assert (found.totals.bytes, found.totals.files, found.totals.wasted_bytes) == (1000, 1, 0)
    assert found.waste == ()


def test_a_file_that_comes_again_was_overwritten_in_the_layer_that_shipped_it_first(weigh) -> None:
    found = weigh([file("a", 100), file("b", 7)], [file("a", 30)], [file("a", 5)])
    assert causes(found) == {("overwritten", 1): 100, ("overwritten", 2): 30}
    assert found.totals.wasted_bytes == 130
    assert "line 2" in found.waste[0].hint and "line 3" in found.waste[1].hint


def test_a_whiteout_of_a_file_and_of_a_folder_deletes(weigh) -> None:
    found = weigh(
        [file("d/x", 100), file("d/e/y", 20), file("keep", 3)], [file("z", 9)], [whiteout("d"), whiteout("z")]
    )
    assert causes(found) == {("deleted", 1): 120, ("deleted", 2): 9}
    assert found.waste[0].paths == ("d/x", "d/e/y")


def test_an_opaque_folder_hides_what_lower_layers_have_in_it_and_nothing_of_its_own_layer(weigh) -> None:
    below = [file("d/x", 100), file("d/e/y", 20), file("e", 1)]
    for above in ([opaque("d"), file("d/x", 50)], [file("d/x", 50), opaque("d")]):
        found = weigh(below, above)
        assert causes(found) == {("hidden", 1): 120}
        assert found.totals.bytes - found.totals.wasted_bytes == 51


def test_an_opaque_root_hides_everything(weigh) -> None:
    assert causes(weigh([file("a", 4), file("d/b", 5)], [file("a", 1), opaque("")])) == {("hidden", 1): 9}


def test_a_whiteout_beside_a_new_file_of_that_name_acts_on_the_lower_one_only(weigh) -> None:
    for above in ([whiteout("a"), file("a", 50)], [file("a", 50), whiteout("a")]):
        found = weigh([file("a", 100)], above)
        assert causes(found) == {("deleted", 1): 100}


def test_whiteouts_in_any_order_tell_the_same(weigh) -> None:
    below = [file("d/e/f", 8), file("d/g", 4)]
    marks = [whiteout("d"), opaque("d"), opaque("d/e"), whiteout("d/g")]
    assert causes(weigh(below, marks)) == causes(weigh(below, marks[::-1])) == {("deleted", 1): 12}


def test_a_whiteout_of_nothing_costs_nothing(weigh) -> None:
    assert weigh([file("a", 1)], [whiteout("b"), whiteout("a/b"), opaque("c"), opaque("a")]).waste == ()


def test_a_folder_that_replaces_a_file_and_a_file_that_replaces_a_folder_overwrite(weigh) -> None:
    found = weigh([file("a", 10), file("d/x", 20), file("d/y", 30)], [folder("a"), file("d", 5)])
    assert causes(found) == {("overwritten", 1): 60}
    assert causes(weigh([file("a", 10)], [file("a/b", 1)])) == {("overwritten", 1): 10}


def test_a_folder_that_comes_again_replaces_nothing(weigh) -> None:
    assert weigh([file("d/x", 20)], [folder("d"), file("d/y", 30)]).waste == ()


def test_a_file_that_comes_twice_in_one_layer_is_shipped_twice_and_seen_once(weigh) -> None:
    found = weigh([file("a", 10), file("a", 4)])
    assert found.layers[0].bytes == 14
    assert causes(found) == {("overwritten", 1): 10}


def test_a_hard_link_is_nothing_and_keeps_its_file(weigh) -> None:
    below = [file("a", 100), hard_link("b", "a"), hard_link("d/c", "/b")]
    found = weigh(below, [whiteout("a"), opaque("d")])
    assert found.totals.bytes == 100 and found.layers[0].files == 1
    assert found.waste == () and found.totals.duplicate_bytes == 0
    gone = weigh(below, [whiteout("a"), opaque("d")], [file("b", 1)])
    assert causes(gone) == {("overwritten", 1): 100}
    assert gone.waste[0].paths == ("a",)


def test_a_hard_link_to_a_lower_layer_and_to_itself(weigh) -> None:
    found = weigh([file("a", 100)], [hard_link("b", "a"), hard_link("a", "a")], [whiteout("a")])
    assert found.waste == () and found.layers[1].bytes == 0


def test_symbolic_links_to_folders_carry_hard_links(weigh) -> None:
    assert (
        weigh([file("usr/lib/x", 9), other("lib", tarfile.SYMTYPE, "usr/lib"), hard_link("y", "lib/x")]).waste == ()
    )


def test_duplicates_are_all_visible_copies_but_one(weigh) -> None:
    same = b"x" * 500
    below = [file("a", same), file("b", same), file("none", b""), file("none2", b"")]
    found = weigh(below, [file("c", same), hard_link("d", "c")], [file("gone", same)], [whiteout("gone")])
    assert found.totals.duplicate_bytes == 1000
    assert found.totals.wasted_bytes == 500


def test_the_same_layer_twice_is_wasted_once(weigh) -> None:
    found = weigh([file("a", 100)], [file("a", 100)])
    assert causes(found) == {("overwritten", 1): 100}


def test_the_compressed_waste_is_estimated_by_the_layers_own_ratio(weigh) -> None:
    found = weigh([file("a", 600_000), file("b", 200_000)], [whiteout("a")], how="gzip")
    layer, row = found.layers[0], found.waste[0]
    assert 0 < row.compressed_bytes < layer.compressed_bytes
    assert row.compressed_bytes == pytest.approx(layer.compressed_bytes * 0.75, rel=0.02)


def test_paths_are_the_ten_biggest(weigh) -> None:
    found = weigh(
        [file(f"f{number:02}", 1 + number) for number in range(30)], [whiteout(f"f{n:02}") for n in range(30)]
    )
    assert found.waste[0].paths == tuple(f"f{number:02}" for number in range(29, 19, -1))
    assert found.totals.wasted_bytes == sum(range(1, 31))


def test_thousands_of_whiteouts_do_not_multiply(weigh) -> None:
    below = [file(f"d{number % 200}/f{number}", b"x" * (1 + number % 90)) for number in range(20_000)]
    gone = [whiteout(f"d{number % 200}/f{number}") for number in range(1000)]
    found = weigh(below, gone)
    assert found.totals.wasted_bytes == sum(1 + number % 90 for number in range(1000))


# --- archives: every way to write the same ----------------------------------------------------------


def test_zstd_gzip_and_plain_layers_weigh_the_same(weigh) -> None:
    layers = [[file("a", 3_000_000), file("d/b", 10)], [whiteout("a")]]
    results = [weigh(*layers, how=how) for how in ("plain", "gzip", "zstd")]
    plain = [dataclasses.replace(found.totals, compressed_bytes=0) for found in results]
    assert plain[0] == plain[1] == plain[2]
    assert results[0].totals.compressed_bytes > results[1].totals.compressed_bytes


def test_several_gzip_members_and_zstd_frames_are_one_layer(tmp_path: Path) -> None:
    layer = tar(file("a", 100_000))
    half = len(layer) // 2
    frames = [zstandard.ZstdCompressor().compress(part) for part in (layer[:half], layer[half:])]
    skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc"
    for number, blob in enumerate(
        [gzip.compress(layer[:half]) + gzip.compress(layer[half:]), skippable + skippable.join(frames)]
    ):
        found = layout(tmp_path / str(number), [layer], blobs=[blob])
        assert measured(found, tmp_path / f"cache{number}").totals.bytes == 100_000


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_names_that_are_not_utf_8(tmp_path: Path, format: int) -> None:
    long, odd = "d/" + "x" * 180 + "/" + "y" * 120, b"caf\xe9" + b"z" * 120
    layers = [tar(file(long, 10), file(odd, 20), format=format), tar(whiteout(long), format=format)]
    found = measured(layout(tmp_path / "image", layers), tmp_path / "cache")
    assert causes(found) == {("deleted", 1): 10}
    assert found.waste[0].paths == (long,)
    again = measured(layout(tmp_path / "again", [layers[0], tar(file(odd, 1))]), tmp_path / "cache")
    assert again.waste[0].paths == ("caf\\xe9" + "z" * 120,)


def test_a_ustar_prefix_is_part_of_the_name(tmp_path: Path) -> None:
    name = "a" * 90 + "/" + "b" * 90
    layers = [tar(file(name, 10), format=tarfile.USTAR_FORMAT), tar(file(name, 5), format=tarfile.GNU_FORMAT)]
    assert causes(measured(layout(tmp_path / "image", layers), tmp_path / "cache")) == {("overwritten", 1): 10}


def test_a_size_in_base_256_is_read(tmp_path: Path) -> None:
    raw = bytearray(tar(file("a", 1000)))
    raw[124:136] = b"\x80" + (1000).to_bytes(11, "big")
    found = measured(layout(tmp_path / "image", [checksummed(raw)]), tmp_path / "cache")
    assert found.totals.bytes == 1000


def test_a_pax_size_wins_over_the_headers(tmp_path: Path) -> None:
    info, content = file("a", 1000)
    info.pax_headers = {"size": "1000", "comment": "x"}
    raw = bytearray(tar((info, content)))
    raw[1024 + 124 : 1024 + 136] = b"00000000000\0"
    found = measured(layout(tmp_path / "image", [checksummed(raw, 1024)]), tmp_path / "cache")
    assert found.totals.bytes == 1000


def test_absolute_and_dotted_names_mean_the_same_file(weigh) -> None:
    found = weigh([file("a/b", 10)], [file("/a/b", 20)], [file("./a//./b", 30)])
    assert causes(found) == {("overwritten", 1): 10, ("overwritten", 2): 20}


@pytest.mark.parametrize(
    "flavour", ["--format=gnu", "--sparse-version=0.0", "--sparse-version=0.1", "--sparse-version=1.0"]
)
def test_a_sparse_file_has_its_full_size_and_content(tmp_path: Path, flavour: str) -> None:
    if "GNU tar" not in subprocess.run(["tar", "--version"], capture_output=True, text=True).stdout:
        pytest.skip("no GNU tar")
    with (tmp_path / "holes").open("wb") as out:
        for number in range(60):
            out.seek(number * 65_536)
            out.write(b"data" * 1024)
        out.truncate(60 * 65_536 + 5)
    shutil.copy(tmp_path / "holes", tmp_path / "whole")
    format = [flavour] if flavour.startswith("--format") else ["--format=posix", flavour]
    make = ["tar", "-C", str(tmp_path), *format, "--hole-detection=raw", "-c"]
    sparse = subprocess.run([*make, "--sparse", "holes"], capture_output=True, check=True).stdout
    assert len(sparse) < 1_000_000
    whole = tar(file("whole", (tmp_path / "whole").read_bytes()))
    found = measured(layout(tmp_path / "image", [sparse, whole]), tmp_path / "cache")
    assert found.layers[0].bytes == 60 * 65_536 + 5
    assert found.totals.duplicate_bytes == found.layers[0].bytes  # the same content, holes or not


# --- hostile archives ---------------------------------------------------------------------------


def checksummed(raw: bytes | bytearray, at: int = 0) -> bytes:
    """A tar with the checksum of one header made right again."""
    raw = bytearray(raw)
    raw[at + 148 : at + 156] = b" " * 8
    raw[at + 148 : at + 156] = b"%06o\0 " % sum(raw[at : at + 512])
    return bytes(raw)


def with_field(raw: bytes, at: int, value: bytes) -> bytes:
    changed = bytearray(raw)
    changed[at : at + len(value)] = value
    return checksummed(changed)


PLAIN = tar(file("a", 1000))


def pax_record(key: str, value: str) -> bytes:
    info, content = file("a", 10)
    info.pax_headers = {key: value}
    return tar((info, content))


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (tar(file("d/../../etc/passwd", 1)), "leaves the root"),
        (tar(file("a", 1), hard_link("b", "../a")), "leaves the root"),
        (tar(hard_link("b", "nowhere")), "hard link to nowhere"),
        (tar(folder("d"), hard_link("b", "d")), "hard link to d"),
        (pax_record("path", "a\0b"), "NUL"),
        (PLAIN[:700], "too early"),
        (PLAIN[:300], "too early"),
        (with_field(PLAIN, 124, b"77777777777\0"), "too early"),
        (with_field(PLAIN, 124, b"\xff" * 12), "below zero"),
        (with_field(PLAIN, 124, b"00000zzz000\0"), "a number that is none"),
        (with_field(PLAIN, 156, b"Z"), "unknown type b'Z'"),
        (PLAIN[:148] + b"000000\0 " + PLAIN[156:], "no tar header"),
        (b"this is no tar" * 100, "a number that is none"),
        (PLAIN[:1536] + bytes(512) + PLAIN[:1536], "lone block"),
        (tar(file(".wh.a", 5)), "carries 5 bytes"),
        (tar(file("d/.wh.", b"")), "whiteout of nothing"),
        (tar(file("d/.wh...", b"")), "whiteout of nothing"),
        (tar(file("x" * 5000, 1)), "names too long"),
        (pax_record("GNU.sparse.major", "7"), "a number that is none"),
    ],
)
def test_a_hostile_layer_is_refused_by_its_digest(tmp_path: Path, layer: bytes, says: str) -> None:
    found = layout(tmp_path / "image", [tar(file("fine", 1)), layer])
    with pytest.raises(BadImage, match=says) as caught:
        measured(found, tmp_path / "cache")
    assert found.layers[1][0] in caught.value.what and caught.value.hint


def test_a_broken_pax_record_is_refused(tmp_path: Path) -> None:
    raw = pax_record("comment", "abc")
    for number, (before, after) in enumerate([(b"15 comment", b"99 comment"), (b"15 comment", b"xx comment")]):
        assert before in raw
        with pytest.raises(BadImage, match="pax record"):
            measured(layout(tmp_path / str(number), [raw.replace(before, after)]), tmp_path / "cache")


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_damaged_and_truncated_compression_is_refused(tmp_path: Path, how: str) -> None:
    layer = tar(file("a", bytes(range(256)) * 4000))
    blob = archives.compressed(layer, how)
    cut, bent = blob[: len(blob) // 2], blob[:40] + b"\xff\xff\xff" + blob[43:]
    for number, bad in enumerate([cut, bent, blob[:-9], blob + b"trailing"]):
        with pytest.raises(BadImage, match="layer sha256"):
            measured(layout(tmp_path / str(number), [layer], blobs=[bad]), tmp_path / "cache")


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_a_bomb_is_refused_by_ratio_and_by_size(tmp_path: Path, how: str) -> None:
    found = layout(tmp_path / "image", [tar(file("zeros", bytes(8_000_000)))], how=how)
    for limits in (Limits(layer=1_000_000), Limits(ratio=100, ratio_after=1_000_000)):
        with pytest.raises(BadImage, match="bomb"):
            measured(found, tmp_path / "cache", limits=limits)
    assert measured(found, tmp_path / "cache").totals.bytes == 8_000_000


def test_holes_count_against_the_limit(tmp_path: Path) -> None:
    info, content = file("a", b"")
    info.pax_headers = {"GNU.sparse.map": "", "GNU.sparse.size": str(1 << 50)}
    found = layout(tmp_path / "image", [tar((info, content))])
    with pytest.raises(BadImage, match="bomb"):
        measured(found, tmp_path / "cache", limits=Limits(ratio_after=1 << 20))


def test_a_sparse_file_that_lies_is_refused(tmp_path: Path) -> None:
    for number, (parts, size) in enumerate([("0,600", 600), ("10,5,0,5", 100), ("0,5", 3)]):
        info, content = file("a", 10)
        info.pax_headers = {"GNU.sparse.map": parts, "GNU.sparse.size": str(size)}
        with pytest.raises(BadImage, match="sparse"):
            measured(layout(tmp_path / str(number), [tar((info, content))]), tmp_path / "cache")


def test_too_many_entries_names_and_package_databases_are_refused(tmp_path: Path) -> None:
    status = "var/lib/dpkg/status"
    found = layout(tmp_path / "image", [tar(*(file(f"f{n}", 1) for n in range(50)), file(status, 900))])
    for limits, says in [
        (Limits(headers=49), "more than 49 entries"),
        (Limits(names=100), "names too long"),
        (Limits(captured=100), "package databases"),
        (Limits(captured_file=100), f"{status} has 900 bytes"),
    ]:
        with pytest.raises(BadImage, match=says):
            measured(found, tmp_path / "cache", limits=limits)


def test_too_many_folders_are_refused(tmp_path: Path) -> None:
    found = layout(tmp_path / "image", [tar(file("a/b/c/d/e", 1), folder("f"))])
    with pytest.raises(BadImage, match="more folders"):
        measured(found, tmp_path / "cache", limits=Limits(folders=4))
    assert measured(found, tmp_path / "cache", limits=Limits(folders=5)).totals.files == 1


def test_reading_ends_when_it_is_told_to(tmp_path: Path) -> None:
    (tmp_path / "layer").write_bytes(PLAIN)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted), Stream(Blob(tmp_path / "layer", 0, len(PLAIN)), "x", Limits(), stop) as stream:
        stream.read(512)


def test_a_refused_layer_leaves_no_thread_behind(tmp_path: Path) -> None:
    before = threading.active_count()
    with pytest.raises(BadImage):
        measured(layout(tmp_path / "image", [tar(file("../a", 1)), PLAIN[:700]]), tmp_path / "cache")
    gc.disable()
    try:
        with pytest.raises(BadImage):
            measured(layout(tmp_path / "again", [tar(file("../a", 5_000_000))]), tmp_path / "cache")
        assert threading.active_count() == before
    finally:
        gc.enable()


def test_a_layer_with_another_diff_id_is_refused(tmp_path: Path) -> None:
    found = layout(tmp_path / "image", [tar(file("a", 1))], blobs=[tar(file("a", 2))])
    with pytest.raises(BadImage, match="the image's config promises"):
        measured(found, tmp_path / "cache")


def test_a_blob_of_another_size_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    found = layout(tmp_path / "image", [tar(file("a", 1))])
    blob = found.blob(found.layers[0][0])
    blob.write_bytes(blob.read_bytes() + bytes(512))
    with pytest.raises(BadImage, match="the manifest says"):
        measured(found, tmp_path / "cache")
    blob.unlink()
    with pytest.raises(BadImage, match="is not there"):
        measured(found, tmp_path / "cache")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_bent_byte_is_refused_and_never_escapes_as_something_else(data: st.DataObject) -> None:
    raw = bytearray(tar(file("d/a", 600), hard_link("b", "d/a"), file("x" * 150, 20), whiteout("q")))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(1, len(raw)))]
    with tempfile.TemporaryDirectory() as place:
        try:
            found = measured(layout(Path(place, "image"), [bytes(raw)]), Path(place, "cache"))
        except BadImage:
            return
        assert found.totals.bytes <= len(raw)


# --- random layers against a slow reference -------------------------------------------------------

NAMES = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map("/".join)
CONTENTS = st.sampled_from([b"", b"1", b"22", b"22", b"333", b"4444"])
ENTRIES = st.one_of(
    st.tuples(st.just("file"), NAMES, CONTENTS),
    st.tuples(st.just("file"), NAMES, CONTENTS),
    st.tuples(st.just("folder"), NAMES, st.just(b"")),
    st.tuples(st.just("link"), NAMES, NAMES),
    st.tuples(st.just("whiteout"), NAMES, st.just(b"")),
    st.tuples(st.just("opaque"), NAMES, st.just(b"")),
)


def reference(layers: list[list[tuple]]) -> tuple[int, int, list[list[tuple]]]:
    """Wasted and duplicate bytes by the definition: put layers into a dict of paths, look at what is left.

    Also returns the layers without the hard links that lead nowhere or below themselves, which no builder writes.
    """
    root: dict[
        str, tuple[int, bytes] | None
    ] = {}  # path → a number for each file shipped and its content; None: folder
    shipped: list[bytes] = []
    written: list[list[tuple]] = []

    def remove(path: str, *, itself: bool = True) -> None:
        for one in [one for one in root if one.startswith(f"{path}/") or (itself and one == path)]:
            del root[one]

    def place(path: str, what: tuple[int, bytes] | None) -> None:
        parts = path.split("/")
        for depth in range(1, len(parts)):
            parent = "/".join(parts[:depth])
            if root.get(parent, ()) is not None:
                remove(parent)
                root[parent] = None
        if not (what is None and path in root and root[path] is None):
            remove(path)
            root[path] = what

    for layer in layers:
        for kind, path, _ in layer:
            if kind in ("whiteout", "opaque"):
                remove(path, itself=kind == "whiteout")
        kept: list[tuple] = []
        for kind, path, more in layer:
            if kind == "file":
                shipped.append(more)
                place(path, (len(shipped), more))
            elif kind == "folder":
                place(path, None)
            elif kind == "link":
                target = root.get(more)
                if target is None or path.startswith(f"{more}/"):
                    continue
                if root.get(path) != target:
                    place(path, target)
            kept.append((kind, path, more))
        written.append(kept)
    seen = {what for what in root.values() if what is not None}
    wasted = sum(map(len, shipped)) - sum(len(content) for _, content in seen)
    duplicate = sum(len(content) for _, content in seen) - sum(map(len, {content for _, content in seen}))
    return wasted, duplicate, written


@settings(max_examples=400, deadline=None)
@given(st.lists(st.lists(ENTRIES, max_size=8), min_size=1, max_size=4))
def test_random_layers_weigh_what_the_definition_says(layers: list[list[tuple]]) -> None:
    wasted, duplicate, written = reference(layers)
    make = {"file": file, "folder": lambda name, _: folder(name), "link": hard_link,
            "whiteout": lambda name, _: whiteout(name), "opaque": lambda name, _: opaque(name)}  # fmt: skip
    tars = [tar(*(make[kind](path, more) for kind, path, more in layer)) for layer in written]
    with tempfile.TemporaryDirectory() as place:
        found = measured(layout(Path(place, "image"), tars), Path(place, "cache"))
    assert (found.totals.wasted_bytes, found.totals.duplicate_bytes) == (wasted, duplicate)
    assert sum(row.bytes for row in found.waste if not row.seen) == wasted
    assert sum(row.bytes for row in found.waste if row.cause == "duplicate") == duplicate
    assert found.totals.bytes == sum(layer.bytes for layer in found.layers)
    for rows in (found.shares.types, found.shares.folders[:1]):
        assert sum(share.bytes for share in rows) == found.totals.bytes - wasted
    assert sum(share.bytes for share in found.shares.stages) == found.totals.bytes


# --- the cache ------------------------------------------------------------------------------------


def test_the_second_time_no_blob_is_read(tmp_path: Path) -> None:
    deb = b"Package: a\nStatus: install ok installed\nVersion: 1\n"
    layers = [tar(file("var/lib/dpkg/status", deb), folder("d"), hard_link("x", "var/lib/dpkg/status")), tar()]
    found = layout(tmp_path / "image", layers)
    first = measured(found, tmp_path / "cache")
    for digest, _, _, _ in found.layers:
        found.blob(digest).write_bytes(bytes(len(found.blob(digest).read_bytes())))
    second = measured(found, tmp_path / "cache")
    assert dataclasses.replace(second, seconds=0.0) == dataclasses.replace(first, seconds=0.0)
    assert [package.name for package in second.packages] == ["a"]


def test_a_damaged_index_is_made_again(tmp_path: Path) -> None:
    found = layout(tmp_path / "image", [tar(file("a", 77))])
    first = measured(found, tmp_path / "cache")
    (index,) = (tmp_path / "cache" / "layers").iterdir()
    whole = index.read_bytes()
    for damaged in (b"", whole[:-1], whole[:60] + b"\0" + whole[61:], b"another version" + whole, whole[:10]):
        index.write_bytes(damaged)
        assert measured(found, tmp_path / "cache").totals == first.totals
        assert index.read_bytes() == whole


def test_an_index_of_another_layer_is_not_believed(tmp_path: Path) -> None:
    found = layout(tmp_path / "image", [tar(file("a", 77)), tar(file("b", 5))])
    measured(found, tmp_path / "cache")
    one, two = sorted((tmp_path / "cache" / "layers").iterdir())
    one.write_bytes(two.read_bytes())
    assert measured(found, tmp_path / "cache").totals.bytes == 82


def test_a_cache_that_cannot_be_written_costs_no_result(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    assert measured(layout(tmp_path / "image", [tar(file("a", 77))]), tmp_path / "cache").totals.bytes == 77


# --- packages -------------------------------------------------------------------------------------

STATUS = b"""Package: libx
Status: install ok installed
Architecture: amd64
Version: 1.2-3
Description: one
 Package: not this

Package: gone
Status: deinstall ok config-files
Version: 9

Package: bare
Status: install ok installed
Version: 4
"""


def test_debs_have_the_bytes_of_their_files_and_the_layer_that_brought_their_list(weigh) -> None:
    found = weigh(
        [file("usr/lib/x.so", 1000), file("etc/x", 20), other("lib", tarfile.SYMTYPE, "usr/lib"),
         file("var/lib/dpkg/info/libx:amd64.list", b"/.\n/lib\n/lib/x.so\n/etc/x\n/usr/lib/x.so\n/missing\n")],
        [file("var/lib/dpkg/status", STATUS), file("usr/lib/x.so", 1500)],
    )  # fmt: skip
    libx, bare = sorted(found.packages, key=lambda package: -len(package.version))
    assert (libx.name, libx.version, libx.kind, libx.bytes) == ("libx", "1.2-3", "deb", 1520)
    assert (libx.layer, bare.layer) == (found.layers[0].digest, found.layers[1].digest)
    assert (bare.name, bare.bytes) == ("bare", None)


def test_distroless_packages_are_read(weigh) -> None:
    sums = b"0123456789abcdef0123456789abcdef  usr/lib/x.so\n"
    found = weigh(
        [file("var/lib/dpkg/status.d/libx", b"Package: libx\nVersion: 2\n"), file("usr/lib/x.so", 30),
         file("var/lib/dpkg/status.d/libx.md5sums", sums)]
    )  # fmt: skip
    assert [(package.name, package.version, package.bytes) for package in found.packages] == [("libx", "2", 30)]


def test_python_packages_come_with_their_record_and_without_what_they_vendor(weigh) -> None:
    site = "usr/lib/python3/site-packages"
    metadata = b"Metadata-Version: 2.1\nName: Thing\nVersion: 3.0\nLicense: x\n\nName: readme\n"
    record = b"thing/a.py,sha256=x,10\r\n../../../bin/thing,,\r\nthing/_vendor/in-1.dist-info/METADATA,,\r\n,,\r\n"
    found = weigh(
        [file(f"{site}/thing/a.py", 10), file("usr/bin/thing", 5),
         file(f"{site}/thing-3.0.dist-info/METADATA", metadata),
         file(f"{site}/thing-3.0.dist-info/RECORD", record),
         file(f"{site}/thing/_vendor/in-1.dist-info/METADATA", b"Name: inner\nVersion: 1\n"),
         file(f"{site}/old-1.dist-info/METADATA", b"Name: old\nVersion: 1\n")],
        [file(f"{site}/late-1.dist-info/METADATA", b"Name: late\nVersion: 1\n"), whiteout(f"{site}/old-1.dist-info")],
    )  # fmt: skip
    inner = len(b"Name: inner\nVersion: 1\n")
    assert [(package.name, package.version, package.kind, package.bytes) for package in found.packages] == [
        ("Thing", "3.0", "python", 15 + inner),
        ("late", "1", "python", None),
    ]
    assert [package.layer for package in found.packages] == [layer.digest for layer in found.layers]


# --- archives and layouts given as a path -----------------------------------------------------------


def archive_of(place: Path, out: Path) -> Path:
    with tarfile.open(out, "w") as whole:
        for path in sorted(place.rglob("*")):
            whole.add(path, path.relative_to(place).as_posix(), recursive=False)
    return out


def test_an_oci_layout_and_its_archive_weigh_the_same(tmp_path: Path) -> None:
    made = layout(tmp_path / "image", [tar(file("a", 1000)), tar(whiteout("a"))], how="gzip")
    archive = archive_of(tmp_path / "image", tmp_path / "image.tar")
    before = sorted(path.name for path in (tmp_path / "image").rglob("*"))
    totals = []
    for path in (tmp_path / "image", archive):
        with measure.opened_path(path) as found:
            assert found.digest == made.digest
            totals.append(measured(found, tmp_path / path.suffix / "cache").totals)
            assert found.blob(found.layers[0][0]).read_bytes() == made.blob(found.layers[0][0]).read_bytes()
    assert totals[0] == totals[1] and totals[0].wasted_bytes == 1000
    assert sorted(path.name for path in (tmp_path / "image").rglob("*")) == before


def test_an_old_docker_save_weighs_the_same(tmp_path: Path) -> None:
    layers = [tar(file("a", 1000)), tar(whiteout("a")), tar(file("a", 1000))]
    names = ["one/layer.tar", "two/layer.tar", "three/layer.tar"]
    diff_ids = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    config = json.dumps({"rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()
    manifest = json.dumps([{"Config": "c.json", "RepoTags": None, "Layers": names}]).encode()
    twice = other(names[2], tarfile.SYMTYPE, "../one/layer.tar")
    path = tmp_path / "old.tar"
    path.write_bytes(
        tar(file("c.json", config), file("manifest.json", manifest), file(names[0], layers[0]),
            file(names[1], layers[1]), twice)
    )  # fmt: skip
    with measure.opened_path(path) as found:
        weighed = measured(found, tmp_path / "cache")
    assert causes(weighed) == {("deleted", 1): 1000}
    assert weighed.source == "docker save"


def test_the_manifest_of_this_machine_is_chosen_and_attestations_are_passed_over(tmp_path: Path) -> None:
    place = tmp_path / "image"
    made = layout(place, [tar(file("a", 10))])
    entry = json.loads((place / "index.json").read_text())["manifests"][0]
    others = [{**entry, "platform": {"architecture": "unknown", "os": "unknown"},
               "annotations": {"vnd.docker.reference.digest": entry["digest"]}}]  # fmt: skip
    inner = json.dumps({"schemaVersion": 2, "manifests": [entry, *others]}).encode()
    digest = hashlib.sha256(inner).hexdigest()
    (place / "blobs" / "sha256" / digest).write_bytes(inner)
    outer = {"schemaVersion": 2, "manifests": [{**entry, "digest": f"sha256:{digest}", "size": len(inner)}]}
    (place / "index.json").write_text(json.dumps(outer))
    with measure.opened_path(place) as found:
        assert found.digest == made.digest


def test_what_is_no_image_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="no such file"), measure.opened_path(tmp_path / "missing"):
        pass
    made = layout(tmp_path / "image", [tar(file("a", 10))])
    two = json.loads((tmp_path / "image" / "index.json").read_text())
    two["manifests"] *= 2
    bad = {
        "empty": b"",
        "text": b"hello" * 1000,
        "packed": gzip.compress(tar(file("index.json", b"{}"))),
        "nothing": tar(file("a", 1)),
        "list": tar(file("index.json", b"[]")),
        "lost": tar(file("index.json", (tmp_path / "image" / "index.json").read_bytes())),
        "two": tar(file("index.json", json.dumps(two).encode())),
        "no-digest": tar(file("index.json", b'{"manifests": [{"digest": "sha256:../../etc/passwd"}]}')),
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadImage) as caught, measure.opened_path(tmp_path / name):
            pass
        assert name in str(caught.value) or "digest" in str(caught.value)
    made.blob(made.digest).write_bytes(made.blob(made.digest).read_bytes() + b" ")
    with pytest.raises(BadImage, match="something else"), measure.opened_path(tmp_path / "image"):
        pass


# --- a real image ---------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_real_image_weighs_what_was_put_into_it(tmp_path: Path, compression: str) -> None:
    archives.need_engine()
    context = tmp_path / "context"
    context.mkdir()
    (context / "root.tar").write_bytes(archives.shell_root())
    for name, size in {"big": 300_000, "small": 1_000, "same": 5_000}.items():
        (context / name).write_bytes(file(name, size)[1])
    dockerfile = """FROM scratch
ADD root.tar /
COPY big small same /data/
RUN chmod 600 /data/big
RUN rm /data/small
RUN cp /data/same /data/copy && ln /data/copy /data/link
RUN rm -rf /data && mkdir /data && cp /bin/sh /data/sh
"""
    option = f"type=oci,dest={tmp_path / 'image.tar'},compression={compression},force-compression=true"
    archives.built(context, dockerfile, tmp_path / "unused.tar", "--output", option)
    with tarfile.open(context / "root.tar") as root:
        sizes = {member.name: member.size for member in root}
    with measure.opened_path(tmp_path / "image.tar") as found:
        weighed = measured(found, tmp_path / "cache")
    assert [layer.bytes for layer in weighed.layers] == [
        sum(sizes.values()), 306_000, 300_000, 0, 5_000, sizes["bin/sh"],
    ]  # fmt: skip
    lost = [row for row in weighed.waste if not row.seen]
    by_layer = {line: sum(row.bytes for row in lost if row.dockerfile_line == line) for line in range(1, 7)}
    assert by_layer == {1: 0, 2: 306_000, 3: 300_000, 4: 0, 5: 5_000, 6: 0}
    assert causes(weighed)["copied-up", 2] == 300_000
    # For `rm -rf` and `mkdir` in one RUN, BuildKit may write a whiteout for each file or an opaque folder.
    assert sum(causes(weighed).get((cause, 2), 0) for cause in ("deleted", "hidden")) == 6_000
    assert weighed.totals.duplicate_bytes >= sizes["bin/sh"]
