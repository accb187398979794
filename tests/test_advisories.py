"""Advisories become a database that the scanner can read, and nothing unusable is ever taken for one."""

from __future__ import annotations

import datetime
import io
import json
import os
import shutil
import subprocess
import tarfile
import time
import uuid
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import tools
from pipeline.advisories import bolt, cvss, databases, facts, osv
from pipeline.errors import BadFile, ToolFailed

SHIPPED = Path(databases.__file__).parent
REGISTRY = os.environ.get("SEATRIAL_REGISTRY", "127.0.0.1:5000")
LATER, EARLIER = "2999-01-01T00:00:00Z", "2020-01-01T00:00:00.123456789Z"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "cache"))


def whole(bucket: bolt.Bucket) -> dict[bytes, object]:
    return {key: value if isinstance(value, bytes) else whole(value) for key, value in bucket.items()}


def record(name: str = "CVE-2099-1", package: str = "invented", **more: object) -> dict[str, object]:
    span = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}
    return {"id": name, "modified": "2024-01-02T03:04:05Z", "summary": "Invented.",
            "affected": [{"package": {"ecosystem": "PyPI", "name": package}, "ranges": [span]}], **more}  # fmt: skip


def records_folder(folder: Path, *records: dict[str, object]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(records):
        (folder / f"{number}.json").write_text(json.dumps(one))
    return folder


def ready_folder(folder: Path, tree: bolt.Tree | None = None, **metadata: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    bolt.write(folder / "trivy.db", osv.tree([record()], "Test") if tree is None else tree)
    stamp = {"Version": 2, "UpdatedAt": EARLIER, "NextUpdate": LATER, "DownloadedAt": EARLIER, **metadata}
    (folder / "metadata.json").write_text(json.dumps(stamp))
    return folder


# --- bbolt ----------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.binary(max_size=6000),
    lambda below: st.dictionaries(st.binary(min_size=1, max_size=300), below, max_size=30),
    max_leaves=40,
)
TREES = st.dictionaries(
    st.binary(min_size=1, max_size=40), st.dictionaries(st.binary(min_size=1, max_size=40), VALUES), max_size=8
)


@settings(max_examples=60, deadline=None)
@given(tree=TREES)
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, tree: dict[bytes, object]) -> None:
    file = tmp_path_factory.mktemp("bolt") / "x.db"
    bolt.write(file, tree)  # type: ignore[arg-type]
    with bolt.opened(file) as root:
        assert whole(root) == tree


def test_a_tree_of_three_levels_is_read_back_in_order(tmp_path: Path) -> None:
    tree = {b"bucket": {b"%07d" % number: b"x" * (number % 90) for number in range(30_000)}}
    bolt.write(tmp_path / "x.db", tree)
    with bolt.opened(tmp_path / "x.db") as root:
        ((_, bucket),) = root.items()
        assert isinstance(bucket, bolt.Bucket)
        assert list(bucket.items()) == sorted(tree[b"bucket"].items())
        assert len(bucket) == 30_000


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    records = [record(), record("CVE-2099-2", "other")]
    bolt.write(tmp_path / "a.db", osv.tree(records, "Test"))
    bolt.write(tmp_path / "b.db", osv.tree(list(reversed(records)), "Test"))
    assert (tmp_path / "a.db").read_bytes() == (tmp_path / "b.db").read_bytes()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_file_ends_in_valueerror_and_never_hangs(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    file = tmp_path_factory.mktemp("bolt") / "x.db"
    bolt.write(file, {b"a": {b"%d" % n: b"y" * 50 for n in range(300)}, b"b": {b"c": {b"d": b"e" * 3000}}})
    raw = bytearray(file.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=20)):
        raw[place] = data.draw(st.integers(0, 255))
    file.write_bytes(raw[: data.draw(st.integers(1, len(raw)))])
    try:
        with bolt.opened(file) as root:
            whole(root)
    except ValueError:
        pass  # what the reader promises; anything else fails the test


def test_a_tree_that_bites_its_tail_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    bolt.write(file, {b"a": {b"%05d" % n: b"y" * 500 for n in range(300)}})
    raw = bytearray(file.read_bytes())
    for number in range(3, len(raw) // bolt.PAGE_SIZE):
        start = number * bolt.PAGE_SIZE
        _, flags, count, _ = bolt.HEADER.unpack_from(raw, start)
        if flags == bolt.BRANCH:
            for at in range(start + 16, start + 16 + count * 16, 16):
                offset, size, _ = bolt.BRANCH_ELEMENT.unpack_from(raw, at)
                bolt.BRANCH_ELEMENT.pack_into(raw, at, offset, size, number)
    file.write_bytes(raw)
    with bolt.opened(file) as root, pytest.raises(ValueError, match="twice"):
        whole(root)


# --- severity and ranges --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 7.5),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
        ("CVSS:3.1/AV:L/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H", 7.8),
        ("CVSS:3.1/AV:N/AC:H/PR:L/UI:N/S:U/C:L/I:N/A:N", 3.1),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", None),
        ("CVSS:3.1/AV:N", None),
        ("nonsense", None),
    ],
)
def test_base_scores_are_the_ones_that_the_standard_publishes(vector: str, score: float | None) -> None:
    assert cvss.base_score(vector) == score


def events(*pairs: tuple[str, str], kind: str = "ECOSYSTEM") -> dict[str, object]:
    return {"type": kind, "events": [{name: version} for name, version in pairs]}


@pytest.mark.parametrize(
    ("affected", "bad", "mended"),
    [
        ({"ranges": [events(("introduced", "0"), ("fixed", "2"))]}, ("<2",), ("2",)),
        ({"ranges": [events(("introduced", "1"), ("fixed", "2"))]}, (">=1, <2",), ("2",)),
        ({"ranges": [events(("introduced", "0"), ("last_affected", "2"))]}, ("<=2",), ()),
        ({"ranges": [events(("introduced", "1"))]}, (">=1",), ()),
        ({"ranges": [events(("introduced", "0"), ("fixed", "1.1"), ("introduced", "2"), ("fixed", "2.3"))]},
         ("<1.1", ">=2, <2.3"), ("1.1", "2.3")),
        ({"ranges": [events(("introduced", "0"), ("fixed", "2"), kind="GIT")], "versions": ["1.0"]}, ("=1.0",), ()),
        ({"ranges": [events(("introduced", "0"), ("fixed", "2"))], "versions": ["1.0", "3.0", "odd!"]},
         ("<2", "=3.0", "=odd!"), ("2",)),
    ],
)  # fmt: skip
def test_events_become_constraints(affected: dict[str, object], bad: tuple[str], mended: tuple[str]) -> None:
    assert osv.constraints(affected) == (bad, mended)


def test_two_records_of_one_flaw_become_one_row_with_the_worse_severity() -> None:
    one = record("PYSEC-2099-7", aliases=["CVE-2099-7"], database_specific={"severity": "LOW"})
    two = record("GHSA-xxxx", aliases=["CVE-2099-7"], database_specific={"severity": "HIGH"})
    two["affected"][0]["ranges"] = [events(("introduced", "3"), ("fixed", "3.1"))]  # type: ignore[index]
    tree = osv.tree([one, two], "Test")
    packages: dict[bytes, dict[bytes, bytes]] = tree[b"pip::Test"]  # type: ignore[assignment]
    assert json.loads(packages[b"invented"][b"CVE-2099-7"])["VulnerableVersions"] == ["<2.0", ">=3, <3.1"]
    assert json.loads(tree[b"vulnerability"][b"CVE-2099-7"])["VendorSeverity"] == {"osv": 3}  # type: ignore[index,arg-type]


def test_a_flaw_without_severity_gets_none_rather_than_a_low_one() -> None:
    tree = osv.tree([record()], "Test")
    assert "VendorSeverity" not in json.loads(tree[b"vulnerability"][b"CVE-2099-1"])  # type: ignore[index,arg-type]


def test_names_are_written_as_the_scanner_looks_for_them() -> None:
    tree = osv.tree([record(package="Zope.Some_Thing")], "Test")
    assert {b"zope.some-thing", b"zope-some-thing"} < set(tree[b"pip::Test"])


def test_a_distribution_has_rows_of_its_own_kind() -> None:
    fixed, open_ = record("CVE-2099-1", "bash"), record("CVE-2099-2", "bash")
    for one in (fixed, open_):
        one["affected"][0]["package"]["ecosystem"] = "Debian:12"  # type: ignore[index]
    open_["affected"][0]["ranges"] = [events(("introduced", "0"))]  # type: ignore[index]
    rows: dict[bytes, bytes] = osv.tree([fixed, open_], "Test")[b"debian 12"][b"bash"]  # type: ignore[index,assignment]
    assert json.loads(rows[b"CVE-2099-1"]) == {"FixedVersion": "2.0"}
    assert json.loads(rows[b"CVE-2099-2"]) == {"Status": 2}


def test_a_withdrawn_record_is_left_out(tmp_path: Path) -> None:
    raw = json.dumps(record(withdrawn="2024-01-01T00:00:00Z")).encode()
    assert osv.parse(tmp_path / "x.json", raw) is None


@pytest.mark.parametrize(
    "raw", [b"[]", b"{", b"{}", b'{"id": 7}', b"\xff\xfe", b"- a\n- b", b"a: [", b"!!python/name:os.system"]
)
def test_what_is_no_record_is_named_with_its_file(tmp_path: Path, raw: bytes) -> None:
    for name in ("x.json", "x.yaml"):
        with pytest.raises(BadFile, match=name):
            osv.parse(tmp_path / name, raw)


@pytest.mark.parametrize(
    "affected",
    [
        "text",
        [1],
        [{"package": "x"}],
        [{"package": {"ecosystem": "PyPI", "name": "x"}, "ranges": [{"events": [{}]}]}],
    ],
)
def test_a_record_of_the_wrong_shape_is_named(affected: object) -> None:
    with pytest.raises(BadFile, match="CVE-2099-1"):
        osv.tree([{"id": "CVE-2099-1", "affected": affected}], "Test")


# --- what ships -----------------------------------------------------------------------------------

RECORDS = [(path, osv.parse(path, raw)) for path, raw in osv.read(SHIPPED)]


@pytest.mark.parametrize(("path", "shipped"), RECORDS, ids=[path.stem for path, _ in RECORDS])
def test_a_shipped_record_says_everything_that_a_verdict_needs(path: Path, shipped: dict[str, object]) -> None:
    assert path.stem.endswith(str(shipped["id"]).lower())
    assert str(shipped["summary"]).endswith(".") and len(str(shipped["summary"])) < 160
    assert shipped["database_specific"]["severity"] in ("CRITICAL", "HIGH", "MEDIUM", "LOW")  # type: ignore[index]
    assert osv.newest([shipped]) > "2026"
    for affected in shipped["affected"]:  # type: ignore[attr-defined]
        bad, _ = osv.constraints(affected)
        assert bad and path.stem.startswith(shipped["affected"][0]["package"]["name"])  # type: ignore[index]


def test_the_shipped_database_knows_its_records_and_says_that_it_is_a_sample() -> None:
    database, why_not = databases.obtain(["shipped"])
    assert database is not None and why_not == ()
    assert database.advisories == sum(len(shipped["affected"]) for _, shipped in RECORDS if shipped)
    assert database.ecosystems == ("pip",) and database.unrated == 0
    assert "sample" in database.limits[0]
    assert [probe.flaw for probe in database.probes] == [osv.CANARY_ID]


def test_the_shipped_database_is_the_same_on_every_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = databases.shipped()
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "elsewhere"))
    second = databases.shipped()
    assert first.folder != second.folder
    assert (first.digest, first.built) == (second.digest, second.built)


@pytest.fixture(scope="session")
def pysec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    archive = Path(__file__).parents[2] / "shared" / "advisories" / "pysec-2024-10.tar.gz"
    if not archive.is_file():
        pytest.skip(f"the PyPA snapshot is not here: {archive.name} beside the checkout, in shared/advisories")
    folder = tmp_path_factory.mktemp("pysec")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))  # from 3.11.4 on
    return folder


def test_shipped_records_agree_with_pypas_where_both_know_the_flaw(pysec: Path) -> None:
    theirs: dict[tuple[str, str], set[str]] = {}
    for path, raw in osv.read(pysec):
        for name, package, bad in said(osv.parse(path, raw)):
            theirs.setdefault((name, package), set()).update(bad)
    compared = 0
    for path, shipped in RECORDS:
        for name, package, bad in said(shipped):
            if (name, package) in theirs:
                assert set(bad) == theirs[name, package], path.name
                compared += 1
    assert compared >= 15


def said(one: dict[str, object] | None) -> list[tuple[str, str, tuple[str, ...]]]:
    if one is None:
        return []
    name = next(n for n in (*one.get("aliases", ()), one["id"]) if n.startswith("CVE-") or n == one["id"])  # type: ignore[misc]
    return [(name, a["package"]["name"].lower(), osv.constraints({"ranges": a.get("ranges")})[0])
            for a in one["affected"]]  # type: ignore[attr-defined]  # fmt: skip


def test_a_database_of_real_size_is_built_and_found_again(pysec: Path) -> None:
    database, _ = databases.obtain([str(pysec)])
    assert database is not None
    assert 2_600 < database.advisories < 2_700
    assert database.unrated > 1_500  # PyPA's records seldom carry one; the scan must say so
    assert database.built == "2024-10-10T17:22:00Z"
    again, _ = databases.obtain([str(pysec)])
    assert again == database


# --- obtaining ------------------------------------------------------------------------------------


def test_the_first_usable_preference_wins_and_the_others_are_explained(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    database, why_not = databases.obtain([str(tmp_path / "none"), str(empty), "shipped"])
    assert database is not None and database.source == "shipped"
    assert "no such folder" in why_not[0] and "no advisories" in why_not[1]
    assert database.limits[:2] == why_not, "the record must say that a better database was wanted"


def test_without_any_usable_preference_there_is_none_and_every_reason(tmp_path: Path) -> None:
    database, why_not = databases.obtain([str(tmp_path / "a"), str(tmp_path / "b")])
    assert database is None and len(why_not) == 2


def test_a_ready_database_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = ready_folder(tmp_path / "db")
    database, _ = databases.obtain([str(folder)])
    assert database is not None
    assert (database.folder, database.advisories, database.built) == (folder, 1, EARLIER)
    assert database.digest == "sha256:" + tools.sha256_of(folder / "trivy.db")


EMPTY = {b"vulnerability": {}, b"data-source": {}}


@pytest.mark.parametrize(
    ("tree", "metadata", "words"),
    [
        (EMPTY, {}, "no advisories"),
        ({**EMPTY, b"pip::Test": {b"x": {}}}, {}, "no advisories"),
        (None, {"Version": 1}, "version 1"),
        (None, {"UpdatedAt": "last week"}, "last week"),
        (None, {"UpdatedAt": None}, "usable"),
        (None, {"NextUpdate": 7}, "usable"),
    ],
)
def test_a_database_that_cannot_answer_is_refused(
    tmp_path: Path, tree: bolt.Tree | None, metadata: dict[str, object], words: str
) -> None:
    database, why_not = databases.obtain([str(ready_folder(tmp_path / "db", tree, **metadata))])
    assert database is None and words in why_not[0]


@pytest.mark.parametrize("raw", [b"", b"not a database", b"\0" * 20_000])
def test_a_broken_database_is_refused(tmp_path: Path, raw: bytes) -> None:
    folder = ready_folder(tmp_path / "db")
    (folder / "trivy.db").write_bytes(raw)
    database, why_not = databases.obtain([str(folder)])
    assert database is None and "usable" in why_not[0]


def test_probes_are_picked_from_somebody_elses_rows(tmp_path: Path) -> None:
    python = {
        b"a": {b"CVE-1": b'{"VulnerableVersions": [">=1, <2"]}'},
        b"b": {b"CVE-2": b'{"VulnerableVersions": ["<2"]}'},
    }
    system = {b"bash": {b"CVE-3": b'{"FixedVersion": "5"}'}}
    database = facts.describe(ready_folder(tmp_path / "a", {**EMPTY, b"pip::X": python, b"debian 12": system}), "x")
    assert [(probe.package, probe.version) for probe in database.probes] == [("b", "0")]
    database = facts.describe(ready_folder(tmp_path / "b", {**EMPTY, b"debian 12": system}), "x")
    assert [(probe.flaw, probe.distribution, probe.release) for probe in database.probes] == [
        ("CVE-3", "debian", "12")
    ]
    assert database.ecosystems == ("debian 12",)


# --- fetching -------------------------------------------------------------------------------------


def archive(folder: Path, files: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    with tarfile.open(folder / "db.tar.gz", "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for name, goal in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, goal
            tar.addfile(member)
    return folder


def pushed(folder: Path) -> str:
    reference = f"{REGISTRY}/seatrial-test/database-{uuid.uuid4().hex[:12]}:2"
    media = "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip"
    subprocess.run([tools.need("oras"), "push", "--plain-http", reference, f"db.tar.gz:{media}"], cwd=folder,
                   check=True, capture_output=True)  # fmt: skip
    return reference


def ready_files(folder: Path, **metadata: object) -> dict[str, bytes]:
    ready = ready_folder(folder, **metadata)
    return {name: (ready / name).read_bytes() for name in ("trivy.db", "metadata.json")}


def down(argv: object, **_: object) -> str:
    raise ToolFailed("oras exited 1\n  dial tcp: connection refused", hint="", returncode=1)


@pytest.mark.real
def test_a_database_is_fetched_from_a_registry_once_while_it_is_fresh(tmp_path: Path) -> None:
    reference = pushed(archive(tmp_path, ready_files(tmp_path / "db")))
    first, why_not = databases.obtain([reference])
    assert first is not None, why_not
    assert first.source.startswith(reference + "@sha256:") and first.advisories == 1
    again, _ = databases.obtain([reference], run=down)
    assert again == first
    shutil.copyfile(os.devnull, first.folder / "trivy.db")
    mended, _ = databases.obtain([reference])
    assert mended == first, "a damaged copy must be fetched again"


@pytest.mark.real
def test_a_stale_copy_stands_in_for_a_registry_that_is_down_and_says_so(tmp_path: Path) -> None:
    stale = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
    files = ready_files(tmp_path / "db", NextUpdate=stale.isoformat())
    reference = pushed(archive(tmp_path, files))
    assert databases.obtain([reference])[0] is not None
    while datetime.datetime.now(datetime.UTC) <= stale:
        time.sleep(0.1)
    database, why_not = databases.obtain([reference, "shipped"], run=down)
    assert database is not None and database.source.startswith(reference)
    assert "stands in" in why_not[0] and database.limits == why_not


@pytest.mark.real
def test_a_registry_that_is_down_gives_the_next_preference(tmp_path: Path) -> None:
    database, why_not = databases.obtain(["127.0.0.1:1/trivy-db:2", "shipped"])
    assert database is not None and database.source == "shipped"
    assert "cannot be reached" in why_not[0]


@pytest.mark.real
def test_a_hostile_archive_writes_nothing_outside_and_is_refused(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    links = {"trivy.db": str(outside), "metadata.json": str(outside)}
    reference = pushed(archive(tmp_path, {"../../escaped": b"x", f"{tmp_path}/absolute": b"x"}, links))
    database, why_not = databases.obtain([reference])
    assert database is None and "usable" in why_not[0]
    assert not outside.exists() and not list(tmp_path.rglob("escaped")) and not (tmp_path / "absolute").exists()


def test_half_a_database_is_never_seen(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), databases._new(tmp_path / "whole") as fresh:
        (fresh / "trivy.db").write_bytes(b"half")
        raise KeyboardInterrupt
    assert not (tmp_path / "whole").exists() and not list(tmp_path.glob("new-*"))


def test_a_database_that_was_damaged_in_the_cache_is_made_again(tmp_path: Path) -> None:
    folder = records_folder(tmp_path / "records", record())
    database = databases.local(folder)
    shutil.copyfile(os.devnull, database.folder / "trivy.db")
    assert databases.local(folder) == database
