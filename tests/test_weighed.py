"""What `measure` prints for a person, and what it predicts of pulls and pushes."""

import dataclasses
import json
import random
from io import StringIO

import pytest
from rich.console import Console

from pipeline import parse
from pipeline.errors import BadFile
from pipeline.report import answers, weighed
from pipeline.report.words import size
from pipeline.wire.costs import host_of
from pipeline.wire.pull import bits_per_second
from tests.archives import compressed, file, layout, measured, tar
from tests.records import LIBRARIES, PASSED, WIRE

assert PASSED.measure is not None
MEASURED = PASSED.measure
ROWS = weighed.ROWS


def printed(value):
    console = Console(width=400, file=StringIO(), highlight=False)
    console.print(weighed.weighed(value))
    return console.file.getvalue()


def test_a_person_sees_where_bytes_are_what_starts_and_what_a_pull_takes():
    page = printed(MEASURED)
    assert size(MEASURED.totals.bytes) in page
    for title in ("Where the visible bytes are", "Shipped, and seen by nobody", "Libraries that will not be found",
                  "CUDA that is there more than once", "GPU code by compute capability", "Model weights",
                  "Layers that would pull faster in several", "Packages"):  # fmt: skip
        assert title in page
    assert f"starts: {answers.starts(LIBRARIES)}" in page
    assert f"pull: {answers.pull(WIRE)}" in page
    assert WIRE.limits.findings[0].message in page


def test_what_is_not_there_has_no_table():
    bare = dataclasses.replace(MEASURED, waste=(), packages=(), libraries=None, wire=None)
    page = printed(bare)
    assert "Shipped, and seen" not in page
    assert "starts" not in page
    assert "Packages" not in page


def test_rows_that_are_left_out_are_counted():
    (row, *_) = MEASURED.waste
    page = printed(dataclasses.replace(MEASURED, waste=(row,) * (ROWS + 5)))
    assert "5 more; --format json has them" in page


def test_escape_sequences_of_an_image_are_spelled_out():
    rows = tuple(dataclasses.replace(row, paths=("a\x1b[31mb",)) for row in MEASURED.waste)
    page = printed(dataclasses.replace(MEASURED, waste=rows))
    assert "\x1b" not in page
    assert r"a\x1b[31mb" in page


@pytest.mark.parametrize(("part", "whole", "bar"), [
    (0, 100, ""), (1, 10**9, "▏"), (50, 100, "█" * 10), (100, 100, "█" * 20), (1, 0, ""), (33, 100, "█" * 6 + "▋"),
])  # fmt: skip
def test_a_bar_is_as_long_as_its_share(part, whole, bar):
    assert weighed.bar(part, whole) == bar if whole else weighed.bar(part, whole) in ("", "▏")


def test_a_folder_whose_bytes_are_all_in_one_below_is_shown_with_its_whole_path(tmp_path):
    image = layout(tmp_path / "image", [tar(file("opt/venv/lib/big.so", 90_000), file("etc/words", 10_000))])
    page = printed(measured(image, tmp_path / "cache"))
    assert "/opt/venv/lib" in page
    assert [line for line in page.splitlines() if line.endswith(" /opt")] == []


@pytest.mark.parametrize(("text", "bits"), [
    ("100Mbit", 1e8), ("2.5Gbit/s", 2.5e9), ("10 Mbps", 1e7), (" 64kbit ", 64e3),
])  # fmt: skip
def test_a_bandwidth_is_read_as_people_write_it(text, bits):
    assert bits_per_second(text) == bits


@pytest.mark.parametrize("text", ["", "fast", "0Mbit", "-1Mbit", "100MB", "1e9", "9" * 400 + "Gbit"])
def test_another_bandwidth_is_refused_with_an_example(text):
    with pytest.raises(BadFile, match="is no bandwidth"):
        bits_per_second(text)


def in_gzip(tmp_path, *layers):
    """The layers as gzip, named as what they are."""
    made = layout(tmp_path / "image", layers, how="gzip")
    for one in made.manifest["layers"]:
        one["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip"
    return made


def test_pulls_are_predicted_for_the_bandwidth_that_was_asked_with_zstd_beside_it(tmp_path):
    words = b" ".join(str(random.Random(5).random()).encode() for _ in range(3)) * 40_000  # fmt: skip
    image = in_gzip(tmp_path, tar(file("words", words)))
    usual = measured(image, tmp_path / "cache").wire
    assert usual is not None
    assert (usual.pull.bandwidth, usual.zstd) == (1e9, None)
    asked = measured(image, tmp_path / "cache", bandwidth=1e6).wire
    assert asked is not None and asked.zstd is not None
    assert asked.pull.bandwidth == 1e6
    assert asked.pull.seconds > usual.pull.seconds
    (blob,) = asked.pull.layers
    assert (blob.blob.compression, blob.blob.compressed_bytes) == (
        "gzip",
        len(compressed(tar(file("words", words)), "gzip")),
    )
    assert asked.zstd.layers[0].blob.compression == "zstd"
    assert asked.zstd.layers[0].blob.compressed_bytes < blob.blob.compressed_bytes


def test_with_its_dockerfile_an_image_tells_what_a_change_of_the_code_sends_again(tmp_path):
    image = in_gzip(tmp_path, tar(file("lib.so", 50_000)), tar(file("app.py", 5_000)), tar(file("late", 7_000)))
    dockerfile = parse.parse("RUN 1\nCOPY . /\nRUN 3\n".join(["FROM scratch\n", ""]), path="Dockerfile")
    sizes = [size for _, _, size, _ in image.layers]
    lines = iter((2, 3, 4))
    from pipeline import measure
    from pipeline.model import Image, LayerOrigin

    origins = tuple(
        LayerOrigin(digest=digest, diff_id=diff_id, instruction="", dockerfile_line=next(lines), origin="own")
        for digest, diff_id, _, _ in image.layers
    )
    made = Image(name="made", repository="r.example/made", digest=image.digest, local="")
    found = measure.weigh(made, image, origins, cache=tmp_path / "cache", dockerfile=dockerfile).measurement.wire
    assert found is not None and found.code_change is not None
    assert (found.code_change.dockerfile_line, found.code_change.compressed_bytes) == (3, sum(sizes[1:]))
    assert found.code_change.of_bytes == sum(sizes)


@pytest.mark.parametrize(("repository", "host"), [
    ("ghcr.io/a/b", "ghcr.io"), ("127.0.0.1:5000/a", "127.0.0.1:5000"), ("seatrial/fastapi-gpu", None),
    ("./folder/image.tar", None), ("image", None),
])  # fmt: skip
def test_the_host_of_a_repository_is_told_from_a_folder(repository, host):
    assert host_of(repository) == host


def test_the_record_has_the_pull_that_was_printed(tmp_path):
    image = layout(tmp_path / "image", [tar(file("words", 10_000))])
    from pipeline.model import document

    said = json.loads(json.dumps(document(measured(image, tmp_path / "cache"), "measure")))
    assert said["wire"]["pull"]["layers"][0]["blob"]["tar_bytes"] >= 10_000
    assert said["wire"]["limits"] == {"findings": [], "note": None}
