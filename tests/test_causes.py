"""Why bytes are in an image: the causes of waste, and what is seen and not needed, on archives made by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import measure
from pipeline.layout import Layout
from pipeline.measure import Weighed, causes, places
from pipeline.measure.index import indexes
from pipeline.measure.waste import WASTED
from pipeline.model import Image, LayerOrigin, Waste
from tests.archives import file, hard_link, layout, opaque, tar, whiteout

BIG = 200_000


def owned(entry: tuple, uid: int) -> tuple:
    """The same file of another owner."""
    entry[0].uid = uid
    return entry


def weighed(place: Path, *layers: list, bases: int = 0) -> tuple[Weighed, Layout]:
    """Weigh layers given as lists of entries; the first `bases` are the base's, each other one is a line."""
    found = layout(place / "image", [tar(*layer) for layer in layers])
    origins = tuple(
        LayerOrigin(digest=digest, diff_id=diff_id, instruction=f"RUN {line}",
                    dockerfile_line=None if line <= bases else line, origin="base" if line <= bases else "own")
        for line, (digest, diff_id, _, _) in enumerate(found.layers, start=1)
    )  # fmt: skip
    image = Image(name="made", repository="made", digest=found.digest, local="made")
    return measure.weigh(image, found, origins, cache=place / "cache"), found


def seen(place: Path, *layers: list, bases: int = 0, **more: dict) -> tuple[Waste, ...]:
    """The rows of what is seen and not needed."""
    result, found = weighed(place, *layers, bases=bases)
    return causes.seen(result.root, result.measurement.layers, sizes_of(found, place), **more)


def sizes_of(found: Layout, place: Path) -> tuple[int, ...]:
    """The layers' uncompressed tars, in bytes."""
    return tuple(index.size for index in indexes(found, place / "cache", measure.Limits()))


def lost(place: Path, *layers: list, bases: int = 0) -> dict[tuple[str, str], Waste]:
    """The rows of what nobody sees, by cause and instruction."""
    rows = weighed(place, *layers, bases=bases)[0].measurement.waste
    return {(row.cause, row.instruction): row for row in rows if row.cause in WASTED}


def only(rows: tuple[Waste, ...]) -> Waste:
    (row,) = rows
    return row


# --- not seen in the final root -------------------------------------------------------------------


def test_a_file_shipped_again_for_its_mode_or_owner_alone_was_copied_up(tmp_path: Path) -> None:
    below = [file("mode", 1000), file("owner", 300), file("text", 50), file("same", 7)]
    above = [file("mode", 1000, mode=0o755), owned(file("owner", 300), 1000), owned(file("text", b"x" * 50), 1000),
             file("same", 7)]  # fmt: skip
    rows = lost(tmp_path, below, above)
    assert {key: row.bytes for key, row in rows.items()} == {
        ("copied-up", "RUN 1"): 1300,
        ("overwritten", "RUN 1"): 57,
    }
    row = rows["copied-up", "RUN 1"]
    assert row.paths == ("mode", "owner")
    assert "COPY --chown" in row.hint and row.hint.endswith("done by line 2")


def test_a_file_that_comes_twice_in_one_layer_is_not_copied_up(tmp_path: Path) -> None:
    assert set(lost(tmp_path, [file("a", 10), file("a", 10, mode=0o600)])) == {("overwritten", "RUN 1")}


def test_what_is_lost_of_the_base_is_for_the_base_to_change(tmp_path: Path) -> None:
    below = [file("a", 10), file("b", 10), file("c/d", 10), file("e", 10)]
    above = [file("a", b"new"), file("b", 10, mode=0o600), opaque("c"), whiteout("e")]
    rows = lost(tmp_path, below, above, bases=1)
    assert {cause for cause, _ in rows} == {"overwritten", "copied-up", "hidden", "deleted"}
    for row in rows.values():
        assert "base" in row.hint and row.hint.endswith("done by line 2") and row.bytes == 10


# --- seen and not needed --------------------------------------------------------------------------

PLACES = [
    ("package-cache", "var/lib/apt/lists/deb.debian.org_Packages", "/var/lib/apt/lists/*"),
    ("package-cache", "var/cache/apt/archives/curl.deb", "apt-get clean"),
    ("package-cache", "root/.cache/pip/http/a/b", "--no-cache-dir"),
    ("package-cache", "home/app/.cache/uv/archive-v0/x.so", "uv"),
    ("package-cache", "opt/miniconda3/pkgs/numpy/lib/x.so", "conda clean"),
    ("package-cache", "root/.npm/_cacache/content/aa", "npm cache clean"),
    ("package-cache", "usr/local/share/.cache/yarn/v6/a", "yarn cache clean"),
    ("package-cache", "root/.cache/huggingface/hub/models--x/blobs/aa", "Hugging Face"),
    ("package-cache", "go/pkg/mod/x/y.go", "Go programs"),
    ("package-cache", "usr/local/cargo/registry/cache/x.crate", "Rust programs"),
    ("package-cache", "root/.cache/torch/hub/checkpoints/a.pth", "torch's cache"),
    ("package-cache", "root/.triton/cache/ab/kernel.cubin", "kernels"),
    ("package-cache", "root/.cache/pip/include/x.h", "--no-cache-dir"),
    ("bytecode", "usr/lib/python3/__pycache__/x.cpython-311.pyc", "--no-compile"),
    ("static-libraries", "usr/lib/x86_64-linux-gnu/libc.a", "libgcc.a"),
    ("headers", "usr/include/c++/12/vector", "-dev"),
    ("headers", "opt/app/kernel.cuh", "Python's own"),
    ("tests-and-docs", "usr/lib/python3/site-packages/numpy/core/tests/data.npy", "path-exclude"),
    ("tests-and-docs", "usr/share/doc/curl/changelog.gz", "path-exclude"),
    ("tests-and-docs", "usr/share/locale/de/x.mo", "path-exclude"),
    ("tests-and-docs", "examples/intro.ipynb", "path-exclude"),
    ("version-control", "app/.git/objects/pack/a.pack", ".dockerignore"),
    ("version-control", "app/.git/include/x.h", ".dockerignore"),
    ("development-tools", "opt/nvidia/nsight-compute/2025.1/ncu-ui", "runtime variant"),
    ("development-tools", "usr/local/cuda-13.0/bin/cuobjdump", "ptxas"),
    ("development-tools", "usr/local/cuda-12.4/samples/a/b.cu", "runtime variant"),
    ("development-tools", "usr/bin/gdb", "debuggers"),
]


@pytest.mark.parametrize(("cause", "path", "says"), PLACES)
def test_a_place_tells_the_cause_and_what_to_do(cause: str, path: str, says: str, tmp_path: Path) -> None:
    row = only(seen(tmp_path, [file("etc/x", 10)], [file(path, BIG)]))
    assert (row.cause, row.bytes, row.paths, row.dockerfile_line) == (cause, BIG, (path,), 2)
    assert says in row.hint
    assert 0 < row.compressed_bytes <= BIG


NEEDED = [
    "usr/include/python3.11/Python.h",
    "usr/lib/python3/site-packages/triton/backends/nvidia/include/cuda.h",
    "usr/share/doc/curl/copyright",
    "usr/local/cuda/bin/ptxas",
    "usr/local/cuda/bin/nvcc",
    "usr/lib/python3/site-packages/numpy/testing/utils.py",
    "app/only.pyc",
    "app/tests/data.npy",
    "var/lib/aptitude/lists/x",
    "pkgs/x",
    "home/app/.gitignore",
    "root/.cache/pypoetry/virtualenvs/x/lib.so",
]


@pytest.mark.parametrize("path", NEEDED)
def test_what_a_program_reads_while_it_runs_has_no_cause(path: str, tmp_path: Path) -> None:
    assert seen(tmp_path, [file(path, BIG)]) == ()


def test_bytecode_beside_its_source_is_bytecode(tmp_path: Path) -> None:
    row = only(seen(tmp_path, [file("app/x.py", 10), file("app/x.pyc", BIG)]))
    assert (row.cause, row.paths) == ("bytecode", ("app/x.pyc",))


def test_rows_of_the_base_say_that_the_base_must_change(tmp_path: Path) -> None:
    rows = seen(tmp_path, [file("usr/lib/a.a", BIG)], [file("usr/lib/b.a", BIG)], bases=1)
    assert {row.dockerfile_line: "the base must change" in row.hint for row in rows} == {None: True, 2: False}


def test_a_row_below_the_floor_is_no_row_unless_it_is_of_duplicates(tmp_path: Path) -> None:
    rows = seen(tmp_path, [file("a.a", 40_000), file("b.a", 59_999), file("x", b"same"), file("y", b"same")])
    assert [(row.cause, row.bytes) for row in rows] == [("duplicate", 4)]


def test_duplicates_are_shown_in_pairs_and_the_needed_copy_of_the_lowest_layer_is_kept(tmp_path: Path) -> None:
    same = b"x" * BIG
    rows = seen(
        tmp_path, [file("root/.cache/pip/x", same)], [file("z", same), hard_link("zz", "z")], [file("a", same)]
    )
    assert {(row.cause, row.instruction, row.paths) for row in rows} == {
        ("duplicate", "RUN 1", ("root/.cache/pip/x = z",)),
        ("duplicate", "RUN 3", ("a = z",)),
    }


def test_a_cache_entry_that_is_linked_to_an_installed_file_costs_nothing(tmp_path: Path) -> None:
    linked = hard_link("opt/conda/lib/x.so", "opt/conda/pkgs/x/lib/x.so")
    rows = seen(tmp_path, [file("opt/conda/pkgs/x/lib/x.so", BIG), linked, file("opt/conda/pkgs/y", BIG)])
    assert only(rows).paths == ("opt/conda/pkgs/y",)


def test_weights_are_told_by_suffix_size_and_first_bytes(tmp_path: Path) -> None:
    size = places.SMALLEST_WEIGHTS
    starts = {b"m/a.safetensors": b"\x10" + bytes(7) + b'{"x":', b"m/b.safetensors": b"not one, not one",
              b"m/c.gguf": b"GGUF\x03", b"m/d.pt": b"PK\x03\x04", b"m/e.bin": b"\x7fELF", b"m/f.onnx": b"\x08\x08",
              b"m/g.h5": b"\x89HDF\r\n\x1a\n", b"m/h.pt": b"PK\x03\x04"}  # fmt: skip
    files = [file(name.decode(), size if name != b"m/h.pt" else size - 1) for name in starts]
    known = only(seen(tmp_path / "known", files, starts=starts))
    assert (known.cause, known.bytes) == ("weights", 5 * size)
    assert known.paths == ("m/a.safetensors", "m/c.gguf", "m/d.pt", "m/f.onnx", "m/g.h5")
    unknown = only(seen(tmp_path / "unknown", [file("m/firmware.bin", size), file("m/pytorch_model.bin", size + 1)]))
    assert (unknown.cause, unknown.paths) == ("weights", ("m/pytorch_model.bin",))


def test_debug_sections_are_a_part_of_a_file_that_has_no_other_cause(tmp_path: Path) -> None:
    debug = {b"lib/a.so": 150_000, b"lib/b.so": 10**12, b"root/.cache/pip/c.so": 150_000, b"lib/none": 5}
    rows = seen(tmp_path, [file(path, BIG) for path in ("lib/a.so", "lib/b.so", "root/.cache/pip/c.so")], debug=debug)
    found = {row.cause: (row.bytes, row.paths) for row in rows}
    assert found == {
        "debug-sections": (150_000 + BIG, ("lib/b.so", "lib/a.so")),
        "package-cache": (BIG, ("root/.cache/pip/c.so",)),
    }


def test_of_several_caches_in_a_layer_the_advice_for_the_biggest_comes_first(tmp_path: Path) -> None:
    row = only(seen(tmp_path, [file("root/.cache/pip/x", BIG), file("var/lib/apt/lists/x", 2 * BIG)]))
    assert row.bytes == 3 * BIG
    assert 0 < row.hint.index("/var/lib/apt/lists") < row.hint.index("pip install")


# --- sums -----------------------------------------------------------------------------------------

NAMES = ["a", "root/.cache/pip/a", "root/.cache/pip/include/a.h", "usr/include/a.h", "usr/include/python3.11/a.h",
         "lib/a.a", "app/a.py", "app/a.pyc", "app/__pycache__/a.pyc", "x/site-packages/tests/a.h", "app/.git/a",
         "opt/conda/pkgs/a", "opt/conda/lib/a", "usr/share/doc/a", "lib/a.so"]  # fmt: skip
FILES = st.builds(
    lambda name, content, mode: file(name, bytes([content]) * (50_000 + content), mode=mode),
    st.sampled_from(NAMES), st.integers(1, 6), st.sampled_from([0o644, 0o755]),
)  # fmt: skip
LAYERS = st.lists(
    st.lists(st.one_of(FILES, st.sampled_from(NAMES).map(whiteout), st.sampled_from(["app", "usr", ""]).map(opaque)),
             max_size=8),
    min_size=1, max_size=4,
)  # fmt: skip


@given(LAYERS, st.dictionaries(st.sampled_from([name.encode() for name in NAMES]), st.integers(0, 90_000)))
@settings(max_examples=60, deadline=None)
def test_rows_never_overlap_and_their_sums_are_exact(tmp_path_factory, layers: list, debug: dict) -> None:
    place = tmp_path_factory.mktemp("random")
    result, found = weighed(place, *layers)
    rows = causes.seen(result.root, result.measurement.layers, sizes_of(found, place), debug=debug)
    visible = {content.path.decode(): content for content in result.root.visible() if content.size}
    assert sum(row.bytes for row in rows) <= sum(content.size for content in visible.values())
    duplicates = sum(row.bytes for row in rows if row.cause == "duplicate")
    assert duplicates == result.measurement.totals.duplicate_bytes
    paths = [path.partition(" = ")[0] for row in rows for path in row.paths]
    assert len(paths) == len(set(paths)) and set(paths) <= set(visible)
    for row in rows:  # at most eight files in a layer, so all of a row's files are among its paths
        sizes = [(path.partition(" = ")[0], visible[path.partition(" = ")[0]].size) for path in row.paths]
        parts = [min(size, debug[path.encode()]) if row.cause == "debug-sections" else size for path, size in sizes]
        assert row.bytes == sum(parts)
    wasted = sum(row.bytes for row in result.measurement.waste if row.cause in WASTED)
    assert wasted == result.measurement.totals.bytes - sum(content.size for content in visible.values())
