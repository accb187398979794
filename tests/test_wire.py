"""What an image costs between registry and node: pulls computed by hand, pushes, limits, splits."""

from __future__ import annotations

import gzip
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.image import Layer
from pipeline.model.wire import Blob, Phase, Speeds
from pipeline.parse import parse
from pipeline.wire import as_zstd, blobs, limits, pull, splits
from pipeline.wire.push import code_change, code_lines, pushed_again

SPEEDS = Speeds(gzip=100.0, zstd=1000.0, unpack=200.0, layer=0.0, source="a made-up node")


def blob(name: str, compressed: int, tar: int, compression: str = "gzip") -> Blob:
    return Blob(digest=name, compressed_bytes=compressed, tar_bytes=tar, compression=compression)


def layer(name: str, compressed: int = 0, line: int | None = None, origin: str = "own") -> Layer:
    return Layer(
        digest=name, diff_id=name, instruction=f"line {line}", dockerfile_line=line, origin=origin,
        bytes=compressed * 2, compressed_bytes=compressed, files=1,
    )  # fmt: skip


# --- pull ---


def test_one_layer_is_downloaded_then_inflated_then_unpacked() -> None:
    (only,) = pull([blob("a", 1000, 2000)], bandwidth=8000, speeds=SPEEDS).layers
    assert only.download == Phase(start=0.0, end=1.0, critical=True)
    assert only.inflate == Phase(start=1.0, end=21.0, critical=True)
    assert only.unpack == Phase(start=21.0, end=31.0, critical=True)


def test_downloads_share_the_bandwidth_and_applies_wait_for_the_layer_below() -> None:
    # 1000 bytes a second. a and b get 500 each: a is whole after 2 s; b has 2000 left, which takes 2 s alone.
    found = pull([blob("a", 1000, 200), blob("b", 3000, 400)], bandwidth=8000, speeds=SPEEDS)
    a, b = found.layers
    assert (a.download.end, b.download.end) == (2.0, 4.0)
    assert (a.inflate.start, a.inflate.end, a.unpack.end) == (2.0, 4.0, 5.0)
    assert (b.inflate.start, b.inflate.end, b.unpack.end) == (5.0, 9.0, 11.0)
    assert found.seconds == 11.0


def test_the_critical_path_leaves_out_what_nobody_waits_for() -> None:
    found = pull([blob("a", 1000, 200), blob("b", 3000, 400)], bandwidth=8000, speeds=SPEEDS)
    a, b = found.layers
    assert (a.download.critical, a.inflate.critical, a.unpack.critical) == (True, True, True)
    assert (b.download.critical, b.inflate.critical, b.unpack.critical) == (False, True, True)
    assert found.waits_for == "inflate"


def test_a_slow_line_makes_the_download_the_critical_part() -> None:
    found = pull([blob("a", 100, 200), blob("b", 3000, 400)], bandwidth=800, speeds=SPEEDS)
    assert [one.download.critical for one in found.layers] == [False, True]
    assert [one.unpack.critical for one in found.layers] == [False, True]
    assert found.waits_for == "download"


def test_a_fourth_download_waits_for_a_place_and_its_wait_is_on_the_path() -> None:
    parts = [blob(name, 100, 0, "none") for name in "abc"] + [blob("d", 100, 100, "none")]
    found = pull(parts, bandwidth=800, concurrent=3, speeds=SPEEDS)
    assert [one.download.start for one in found.layers] == [0.0, 0.0, 0.0, 3.0]
    assert [one.download.end for one in found.layers] == [3.0, 3.0, 3.0, 4.0]
    assert found.seconds == 4.5
    assert [one.download.critical for one in found.layers].count(True) == 2


def test_zstd_inflates_faster_and_plain_layers_not_at_all() -> None:
    ends = [pull([blob("a", 0, 1000, kind)], bandwidth=8, speeds=SPEEDS).seconds for kind in ("gzip", "zstd", "none")]
    assert ends == [15.0, 6.0, 5.0]


def test_side_by_side_applies_use_every_core_and_no_more() -> None:
    parts = [blob(name, 0, 200, "none") for name in "abcd"]
    seconds = [pull(parts, bandwidth=8, cores=cores, speeds=SPEEDS, side_by_side=True).seconds for cores in (1, 2, 4)]
    assert seconds == [4.0, 2.0, 1.0]
    assert pull(parts, bandwidth=8, cores=4, speeds=SPEEDS).seconds == 4.0


def test_each_layer_costs_its_own_seconds_however_small() -> None:
    speeds = replace(SPEEDS, layer=0.5)
    assert pull([blob("a", 0, 0), blob("b", 0, 0)], bandwidth=8, speeds=speeds).seconds == 1.0


def test_an_image_without_layers_takes_no_time() -> None:
    assert pull([], bandwidth=8).seconds == 0.0


@pytest.mark.parametrize("bandwidth", [0.0, -1.0, float("nan"), float("inf")])
def test_a_bandwidth_that_is_none_is_refused(bandwidth: float) -> None:
    with pytest.raises(ValueError, match="no pull at"):
        pull([blob("a", 1, 1)], bandwidth=bandwidth)


SIZES = st.integers(0, 10_000)
PARTS = st.lists(
    st.builds(blob, st.just("x"), SIZES, SIZES, st.sampled_from(["gzip", "zstd", "none"])), min_size=1, max_size=12
)
LEAST = 1 + 1e-9


@given(PARTS, st.integers(1, 5), st.integers(1, 4), st.booleans())
def test_no_pull_is_faster_than_its_bytes_over_the_bandwidth(
    parts: list[Blob], concurrent: int, cores: int, beside: bool
) -> None:
    found = pull(parts, bandwidth=800, concurrent=concurrent, cores=cores, speeds=SPEEDS, side_by_side=beside)
    assert found.seconds * LEAST >= sum(one.compressed_bytes for one in parts) / 100
    last = max(one.download.end for one in found.layers)
    assert last == pytest.approx(sum(one.compressed_bytes for one in parts) / 100)


@given(PARTS, st.integers(1, 5), st.floats(1, 50), st.booleans())
def test_more_bandwidth_is_never_slower_in_order(parts: list[Blob], concurrent: int, more: float, zstd: bool) -> None:
    if zstd:
        parts = [replace(one, compression="zstd") for one in parts]
    slow = pull(parts, bandwidth=800, concurrent=concurrent, speeds=SPEEDS)
    fast = pull(parts, bandwidth=800 * more, concurrent=concurrent, speeds=SPEEDS)
    assert fast.seconds <= slow.seconds * LEAST


@given(PARTS, st.integers(1, 5), st.booleans())
def test_one_core_is_never_faster_than_two(parts: list[Blob], concurrent: int, beside: bool) -> None:
    one, two = (
        pull(parts, bandwidth=800, concurrent=concurrent, cores=cores, speeds=SPEEDS, side_by_side=beside)
        for cores in (1, 2)
    )
    assert two.seconds <= one.seconds * LEAST


@given(PARTS, st.integers(1, 5), st.integers(1, 4), st.booleans())
def test_the_critical_path_reaches_from_the_beginning_to_the_end_without_a_gap(
    parts: list[Blob], concurrent: int, cores: int, beside: bool
) -> None:
    found = pull(parts, bandwidth=800, concurrent=concurrent, cores=cores, speeds=SPEEDS, side_by_side=beside)
    phases = [phase for one in found.layers for phase in (one.download, one.inflate, one.unpack) if phase.critical]
    assert sum(phase.seconds for phase in phases) == pytest.approx(found.seconds)


# --- pushed again ---

STAGES = """\
FROM python:3.12 AS build
COPY requirements.txt .
RUN pip wheel -r requirements.txt
FROM python:3.12-slim
RUN apt-get update
COPY --from=build /wheels /wheels
COPY src /app/src
RUN touch /done
COPY --link models /models
COPY --link --from=build /other /other
"""
LAYERS = (
    layer("base", 1000, None, "base"), layer("apt", 1, 5), layer("wheels", 10, 6), layer("src", 100, 7),
    layer("done", 2, 8), layer("models", 5000, 9), layer("other", 7, 10),
)  # fmt: skip


def test_a_change_pushes_its_layer_and_all_above_but_links() -> None:
    found = pushed_again(LAYERS, parse(STAGES), 5)
    assert found is not None
    assert found.layers == ("apt", "wheels", "src", "done")
    assert (found.compressed_bytes, found.of_bytes) == (113, 6120)


def test_a_change_in_a_build_stage_pushes_what_is_copied_from_it_even_linked() -> None:
    found = pushed_again(LAYERS, parse(STAGES), 3)
    assert found is not None
    assert found.layers == ("wheels", "src", "done", "other")
    assert found.dockerfile_line == 6


def test_a_changed_link_pushes_itself_alone_of_the_links() -> None:
    found = pushed_again(LAYERS, parse(STAGES), 9)
    assert found is not None and found.layers == ("models",)


def test_a_line_that_makes_no_layer_says_nothing() -> None:
    assert pushed_again(LAYERS, parse(STAGES), 4) is None
    assert pushed_again(LAYERS, parse(STAGES), 99) is None


def test_a_code_change_starts_at_the_first_copy_of_the_projects_own_sources() -> None:
    found = code_change(LAYERS, parse(STAGES))
    assert found is not None
    assert (found.dockerfile_line, found.layers) == (7, ("src", "done"))


@pytest.mark.parametrize(
    "instruction",
    ["COPY . .", "COPY ./ /app/", "ADD src /app", "COPY main.py util.py /app/", "COPY requirements.txt app.py ./",
     "COPY setup.py .", "COPY start /usr/bin/", "RUN --mount=type=bind,target=/src make -C /src"],
)  # fmt: skip
def test_code_is_known_by_its_name(instruction: str) -> None:
    assert code_lines(parse(f"FROM debian:12\n{instruction}\n")) == (2,)


@pytest.mark.parametrize(
    "instruction",
    ["COPY requirements.txt .", "COPY requirements*.txt ./", "COPY pyproject.toml uv.lock ./", "COPY requirements /r",
     "COPY package*.json ./", "COPY models/llama /models", "COPY --from=other /app /app", "ADD https://a.b/c.py /",
     "COPY nginx.conf /etc/", "COPY environment.yml .", "COPY <<EOF /a\nprint()\nEOF",
     "RUN --mount=type=bind,source=requirements.txt,target=r.txt pip install -r r.txt"],
)  # fmt: skip
def test_lists_weights_and_other_stages_are_not_code(instruction: str) -> None:
    assert code_lines(parse(f"FROM debian:12 AS other\nFROM debian:12\n{instruction}\n")) == ()


def test_without_a_copy_of_code_nothing_is_said_of_a_code_change() -> None:
    assert code_change((layer("a", 1, 2),), parse("FROM debian:12\nRUN true\n")) is None


# --- limits ---


def test_more_layers_than_the_engines_take_is_an_error_that_names_them() -> None:
    many = [layer(str(number), 1, number) for number in range(1, 128)]
    assert limits(many[:125], None).findings == ()
    (found,) = limits(many, None).findings
    assert found.rule == "too-many-layers"
    assert "127 layers" in found.message and "125" in found.message
    assert found.dockerfile_line == 126
    (over,) = limits([*many, layer("one more", 1)], None).findings
    assert "overlay2 driver takes no more than 127" in over.message


@pytest.mark.parametrize(
    ("host", "most"),
    [("123456789012.dkr.ecr.eu-central-1.amazonaws.com", 52_000 << 20), ("public.ecr.aws", 10_000 << 20),
     ("ghcr.io", 10_000_000_000), ("Mine.azurecr.io:443", 200 << 30)],
)  # fmt: skip
def test_a_layer_over_the_registrys_limit_is_an_error(host: str, most: int) -> None:
    assert limits([layer("a", most, 3)], host).findings == ()
    (found,) = limits([layer("a", most + 1, 3)], host).findings
    assert (found.rule, found.dockerfile_line, found.digest) == ("layer-too-large", 3, "a")
    assert "https://" in found.hint


def test_an_unknown_registry_gets_a_note_and_no_finding() -> None:
    found = limits([layer("a", 11_000_000_000, 3)], "registry.example.com")
    assert found.findings == ()
    assert found.note is not None
    assert "GitHub Container Registry" in found.note and "Azure" not in found.note
    assert limits([layer("a", 1)], None).note is None


def test_one_layer_that_is_most_of_a_large_pull_is_named() -> None:
    (found,) = limits([layer("a", 900_000_000, 3), layer("b", 100_000_000, 4)], None).findings
    assert (found.rule, found.dockerfile_line) == ("one-layer-dominates", 3)
    assert "900.0 MB of the 1.00 GB" in found.message and "90%" in found.message
    assert limits([layer("a", 90_000_000, 3), layer("b", 10_000_000, 4)], None).findings == ()


# --- splits ---


def test_a_large_layer_in_two_is_unpacked_while_it_comes() -> None:
    layers = (layer("big", 10_000, 3),)
    parts = blobs(layers, [20_000])
    rows = {"big": [("torch", 10_000), ("nvidia", 10_000)]}
    (found,) = splits(layers, parts, rows, bandwidth=800, concurrent=1, speeds=SPEEDS)
    # Whole: 100 s down, 300 s applied. In two: 50 s down, then 150 and 150 s applied while the rest comes.
    assert (found.seconds_before, found.seconds_after) == (400.0, 350.0)
    assert sorted(found.parts) == [("nvidia",), ("torch",)]


def test_a_split_that_saves_little_or_cannot_be_made_is_not_proposed() -> None:
    layers = (layer("big", 10_000, 3),)
    parts = blobs(layers, [20_000])
    even = [("a", 10_000), ("b", 10_000)]
    assert splits(layers, parts, {"big": even[:1]}, bandwidth=800, speeds=SPEEDS) == ()
    assert splits(layers, parts, {"big": even}, bandwidth=8e6, speeds=SPEEDS) == ()
    assert splits((layer("big", 10_000, None, "base"),), parts, {"big": even}, bandwidth=800, concurrent=1,
                  speeds=SPEEDS) == ()  # fmt: skip


def test_rows_that_claim_more_than_the_layer_has_invent_no_bytes() -> None:
    layers = (layer("big", 10_000, 3),)
    parts = blobs(layers, [20_000])
    rows = {"big": [("a", 1 << 60), ("b", 1 << 60), ("c", -5)]}
    (found,) = splits(layers, parts, rows, bandwidth=800, concurrent=1, speeds=SPEEDS)
    assert found.seconds_after == 350.0


# --- zstd ---


def test_zstd_bytes_come_from_the_layer_itself(tmp_path: Path) -> None:
    tar = random.Random(4).randbytes(100_000) + bytes(100_000)
    packed = gzip.compress(tar)
    (tmp_path / "a").write_bytes(packed)
    found = as_zstd([blob("a", len(packed), len(tar))], lambda digest: tmp_path / digest)
    assert found is not None
    assert found[0].compression == "zstd"
    assert 100_000 <= found[0].compressed_bytes < 101_000


@pytest.mark.parametrize("content", [b"", b"not gzip", gzip.compress(bytes(9999))[:20]])
def test_a_layer_that_cannot_be_read_gives_no_figure(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    assert as_zstd([blob("a", 10, 9999)], lambda digest: tmp_path / digest) is None
    assert as_zstd([blob("a", 10, 9999)], lambda _: None) is None
