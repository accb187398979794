"""The package databases of an image: every kind, whole and damaged, on layers made by hand."""

from __future__ import annotations

import json
import sqlite3
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.measure import rpm
from pipeline.measure.packages import kept
from pipeline.model import Measurement, Package
from tests.archives import file, hard_link, layout, measured, other, tar, whiteout

SYMLINK = b"2"  # tarfile.SYMTYPE


def weighed(place: Path, *layers: list) -> Measurement:
    return measured(layout(place / "image", [tar(*layer) for layer in layers]), place / "cache")


def told(found: Measurement) -> list[tuple[str, str, str, int | None, int]]:
    """Kind, name, version, bytes and the number of the layer of each package."""
    numbers = {layer.digest: number for number, layer in enumerate(found.layers, start=1)}
    return [(one.kind, one.name, one.version, one.bytes, numbers[one.layer]) for one in found.packages]


# --- rpm ------------------------------------------------------------------------------------------


def header(name: str, version: str, files: tuple[str, ...] = (), epoch: int | None = None, **lists: list) -> bytes:
    """A header blob as rpm's docs/manual/format_header.md has it."""
    folders = sorted({file.rpartition("/")[0] + "/" for file in files})
    strings = {1000: name, 1001: version, 1002: "1"}
    arrays = {1117: lists.get("names", [file.rpartition("/")[2] for file in files]), 1118: folders}
    numbers = {1116: lists.get("indexes", [folders.index(file.rpartition("/")[0] + "/") for file in files])}
    if epoch is not None:
        numbers[1003] = [epoch]
    entries, data = [], b""
    for tag, text in strings.items():
        entries.append((tag, 6, len(data), 1))
        data += text.encode() + b"\0"
    for tag, texts in arrays.items():
        entries.append((tag, 8, len(data), len(texts)))
        data += b"".join(text.encode() + b"\0" for text in texts)
    for tag, values in numbers.items():
        data += bytes(-len(data) % 4)
        entries.append((tag, 4, len(data), len(values)))
        data += struct.pack(f">{len(values)}I", *values)
    return (
        struct.pack(">II", len(entries), len(data)) + b"".join(struct.pack(">IIII", *one) for one in entries) + data
    )


def sqlite(place: Path, *blobs: bytes, made: str = "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY, blob BLOB)",
           wal: bool = True) -> bytes:  # fmt: skip
    """rpm's SQLite database, in the mode with a write-ahead log as rpm leaves it."""
    place.mkdir(parents=True, exist_ok=True)
    opened = sqlite3.connect(place / "rpmdb.sqlite")
    opened.execute(f"PRAGMA journal_mode = {'WAL' if wal else 'DELETE'}")
    opened.execute(made)
    for blob in blobs:
        opened.execute("INSERT INTO Packages (blob) VALUES (?)", (blob,))
    opened.commit()
    opened.close()
    return (place / "rpmdb.sqlite").read_bytes()


def ndb(*blobs: bytes) -> bytes:
    """rpm's own database: pages of slots, then the blobs in blocks of 16 bytes."""
    slots, rest = b"", b""
    for number, blob in enumerate(blobs, start=1):
        whole = struct.pack("<4sIII", b"BlbS", number, 1, len(blob)) + blob
        whole += bytes(-len(whole + b"x" * 12) % 16)
        whole += struct.pack("<II4s", zlib.adler32(whole), len(blob), b"BlbE")
        slots += struct.pack("<4sIII", b"Slot", number, (4096 + len(rest)) // 16, len(whole) // 16)
        rest += whole
    while len(slots) < 4096 - 32:
        slots += struct.pack("<4sIII", b"Slot", 0, 0, 0)
    return struct.pack("<4sIIII12x", b"RpmP", 0, 1, 1, len(blobs) + 1) + slots + rest


LIB = header("lib", "2.5", ("/usr/lib64/lib.so", "/usr/lib64/link.so", "/etc/lib.conf"), epoch=3)
TOOL = header("tool", "1", ("/usr/bin/tool",))
KEY = header("gpg-pubkey", "abc")


@pytest.mark.parametrize("path", [name.decode() for name in rpm.DATABASES])
def test_rpms_have_the_bytes_of_their_files_and_the_layer_that_brought_most(path: str, tmp_path: Path) -> None:
    def database(*blobs: bytes) -> bytes:
        return sqlite(tmp_path / f"{len(blobs)}", *blobs) if path.endswith("sqlite") else ndb(*blobs)

    found = weighed(
        tmp_path,
        [file("usr/lib64/lib.so", 1000), other("usr/lib64/link.so", SYMLINK, "lib.so"), file("etc/lib.conf", 30),
         file(path, database(LIB))],
        [file("usr/bin/tool", 50), file("etc/lib.conf", 40), file(path, database(LIB, TOOL, KEY))],
    )  # fmt: skip
    assert told(found) == [("rpm", "lib", "3:2.5-1", 1040, 1), ("rpm", "tool", "1-1", 50, 2)]


def test_a_database_that_is_reached_by_a_linked_folder_too_is_read_once(tmp_path: Path) -> None:
    found = weighed(tmp_path, [file("usr/lib/sysimage/rpm/Packages.db", ndb(TOOL)),
                               other("var/lib/rpm", SYMLINK, "../../usr/lib/sysimage/rpm")])  # fmt: skip
    assert told(found) == [("rpm", "tool", "1-1", 0, 1)]


def test_an_rpm_whose_lists_do_not_fit_each_other_has_no_bytes(tmp_path: Path) -> None:
    beyond = header("beyond", "1", ("/a/b",), indexes=[1])
    short = header("short", "1", ("/a/b",), indexes=[])
    long = header("long", "1", ("/" + "a" * 5000 + "/b",))
    grown = header("grown", "1", ("/" + "a" * 4000 + "/b",), names=["b"] * 500, indexes=[0] * 500)
    found = weighed(tmp_path, [file("var/lib/rpm/Packages.db", ndb(beyond, short, long, grown)), file("a/b", 9)])
    assert {(one.name, one.bytes) for one in found.packages} == {
        ("beyond", None), ("short", None), ("long", None), ("grown", None)}  # fmt: skip


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS blob FROM n"


@pytest.mark.parametrize("made", [
    f"CREATE VIEW Packages AS {ENDLESS}",
    "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob AS (zeroblob(1000000000)))",
    "CREATE TABLE Other (x)",
])  # fmt: skip
def test_a_database_that_would_compute_is_not_read(made: str, tmp_path: Path) -> None:
    assert list(rpm.rpms(b"rpmdb.sqlite", sqlite(tmp_path, made=made, wal=False))) == []


@given(st.integers(0, 20_000), st.binary(min_size=1, max_size=8), st.sampled_from(["cut", "changed"]))
@settings(max_examples=150, deadline=None)
def test_a_damaged_rpm_database_is_never_an_error(tmp_path_factory, at: int, bad: bytes, how: str) -> None:
    place = tmp_path_factory.mktemp("rpm")
    for name, whole in ((rpm.SQLITE, sqlite(place, LIB, TOOL)), (rpm.NDB, ndb(LIB, TOOL))):
        at %= len(whole)
        damaged = whole[:at] if how == "cut" else whole[:at] + bad + whole[at + len(bad) :]
        for found in rpm.rpms(name, damaged):
            assert found.name and found.version


def test_slots_that_all_point_to_one_blob_give_no_more_than_the_database_holds() -> None:
    big = header("big", "1") + bytes(100_000)
    one = ndb(big)
    slot = one[32:48]
    found = list(rpm.rpms(rpm.NDB, one[:32] + slot * 254 + one[4096:]))
    assert [package.name for package in found] == [b"big"]


# --- apk ------------------------------------------------------------------------------------------

INSTALLED = b"""C:Q1abc=
P:musl
V:1.2.5-r0
S:1
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1x=
F:etc
R:musl.conf

P:later
V:3
F:usr/bin
R:later

P:no-version
F:usr
R:x

"""


@pytest.mark.parametrize("path", ["lib/apk/db/installed", "usr/lib/apk/db/installed"])
def test_apks_have_the_bytes_of_their_files_and_the_layer_that_brought_most(path: str, tmp_path: Path) -> None:
    found = weighed(
        tmp_path,
        [file("lib/ld-musl-x86_64.so.1", 700), file("etc/musl.conf", 8), file(path, b"old")],
        [file("usr/bin/later", 20), file(path, INSTALLED)],
    )
    assert told(found) == [("apk", "later", "3", 20, 2), ("apk", "musl", "1.2.5-r0", 708, 1)]


def test_an_apk_database_whose_paths_grow_beyond_measure_has_no_bytes(tmp_path: Path) -> None:
    grown = b"P:a\nV:1\nF:" + b"x/" * 2000 + b"\n" + b"R:y\n" * 4000
    found = weighed(tmp_path, [file("lib/apk/db/installed", grown)])
    assert told(found) == [("apk", "a", "1", None, 1)]


# --- conda ----------------------------------------------------------------------------------------

SITE = "opt/conda/lib/python3.11/site-packages"


def conda(name: str, *files: str) -> bytes:
    paths = [{"_path": path, "sha256": "0" * 64} for path in files]
    return json.dumps({"name": name, "version": "2.0", "files": files, "paths_data": {"paths": paths}}).encode()


def test_a_file_of_conda_and_of_a_wheel_counts_for_conda(tmp_path: Path) -> None:
    inside = f"{SITE}/torch".removeprefix("opt/conda/")
    found = weighed(
        tmp_path,
        [file("opt/conda/conda-meta/torch-2.0-py_0.json", conda("torch", f"{inside}/a.py", f"{inside}/gone.py")),
         file(f"{SITE}/torch/a.py", 1000), file(f"{SITE}/torch/b.py", 10), file(f"{SITE}/torch/gone.py", 5),
         file(f"{SITE}/torch-2.0.dist-info/METADATA", b"Name: torch\nVersion: 2.0\n"),
         file(f"{SITE}/torch-2.0.dist-info/RECORD", b"torch/a.py,,\ntorch/b.py,,\n")],
        [whiteout(f"{SITE}/torch/gone.py"), file("opt/conda/conda-meta/history", b"no package")],
    )  # fmt: skip
    assert told(found) == [("conda", "torch", "2.0", 1000, 1), ("python", "torch", "2.0", 10, 1)]


def test_a_file_that_is_linked_from_condas_own_cache_counts_once(tmp_path: Path) -> None:
    found = weighed(tmp_path, [file("opt/conda/pkgs/a/lib/a.so", 300), hard_link("opt/conda/lib/a.so",
                    "opt/conda/pkgs/a/lib/a.so"), file("opt/conda/conda-meta/a.json", conda("a", "lib/a.so")),
                    file("opt/conda/conda-meta/b.json", conda("b", "lib/a.so", "lib/../lib/a.so"))])  # fmt: skip
    assert told(found) == [("conda", "a", "2.0", 300, 1), ("conda", "b", "2.0", 0, 1)]


BROKEN = [
    b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[1, 2, 3]", b"7", b'{"name": 1, "version": "2"}', b'{"name": "a"}',
    b'{"name": "a", "version": ""}',
]  # fmt: skip


@pytest.mark.parametrize("content", BROKEN)
def test_what_is_no_metadata_of_conda_is_no_package(content: bytes, tmp_path: Path) -> None:
    assert weighed(tmp_path, [file("conda-meta/a.json", content)]).packages == ()


def test_odd_names_in_condas_metadata_are_shown_escaped(tmp_path: Path) -> None:
    odd = b'{"name": "a\\ud800", "version": "1", "files": ["\\udfff", 3, "x"]}'
    (found,) = weighed(tmp_path, [file("conda-meta/a.json", odd), file("x", 6)]).packages
    assert isinstance(found, Package)
    assert (found.name, found.bytes) == ("a\\xed\\xa0\\x80", 6)


def test_what_is_kept_of_condas_metadata_says_the_same_and_is_less() -> None:
    whole = conda("a", *(f"lib/{number}" for number in range(100)))
    less = kept(b"opt/conda-meta/a.json", whole)
    assert kept(b"opt/conda-meta/a.json", less) == less
    assert json.loads(less) == ["a", "2.0", [f"lib/{number}" for number in range(100)]]
    assert len(less) < len(whole) / 5
    assert kept(b"opt/meta/a.json", whole) == whole
