"""Preferences in, a vulnerability database on disk out. Speaks to: oras.

A preference is an OCI reference (`ghcr.io/aquasecurity/trivy-db:2`), a folder, or the word `shipped`. A folder holds
either a ready database or OSV records. The first preference that gives a usable database wins, and why the ones
before it did not is handed back: an image must not seem clean because a better database was out of reach.

Databases are fetched by oras and never by the scanner, which has no network.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import errno
import hashlib
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline import registry, settings, tools
from pipeline.advisories import bolt, osv
from pipeline.advisories.facts import DatabaseFiles, describe, moment
from pipeline.errors import BadFile, DiskFull, Interrupted, PipelineError, RegistryFailed, ToolFailed, ToolMissing

SHIPPED = Path(__file__).parent
LARGEST = 8 * 2**30  # bytes; the full database is about one tenth of this
FILES = ("trivy.db", "metadata.json")


def obtain(preferences: Sequence[str], *, run: tools.Run = tools.run) -> tuple[DatabaseFiles | None, tuple[str, ...]]:
    """Return the first database that can be had, None when none can, and why the earlier ones could not.

    A fetched database is used again until its own NextUpdate. When it can then not be fetched anew the old copy is
    used and the reason is among the returned ones; `built` says how old it is.
    """
    why_not: list[str] = []
    for preference in preferences:
        try:
            database = _preferred(preference, run, why_not)
        except (Interrupted, DiskFull):
            raise
        except PipelineError as error:
            why_not.append(f"{preference}: {_short(error)}")
        else:
            # The record must say that a better database was wanted, so it goes where the scan says how blind it was.
            return dataclasses.replace(database, limits=(*why_not, *database.limits)), tuple(why_not)
    return None, tuple(why_not)


def _preferred(preference: str, run: tools.Run, why_not: list[str]) -> DatabaseFiles:
    if preference == "shipped":
        return shipped()
    if preference.startswith(("/", "./", "../", "~")) or Path(preference).is_dir():
        return local(Path(preference).expanduser())
    return _fetched(preference, run, why_not)


def shipped() -> DatabaseFiles:
    """Return the database of the advisories that come with Seatrial, built on first use."""
    return _built(SHIPPED, "shipped", sample=True)


def local(folder: Path) -> DatabaseFiles:
    """Return the database in a folder: a ready one, or one built of its OSV records. Raises BadFile."""
    if (folder / "trivy.db").is_file():
        return describe(folder, str(folder))
    if not folder.is_dir():
        raise BadFile("no such folder", file=folder, hint="a folder with trivy.db, or one with OSV records")
    return _built(folder, str(folder), sample=False)


def _built(records: Path, source: str, *, sample: bool) -> DatabaseFiles:
    """Build the database of a folder of OSV records in the cache, or find it there."""
    files = list(osv.read(records))
    folder = _home() / f"osv-{osv.fingerprint(files, records)[:32]}"
    if not _usable(folder):
        parsed = [record for path, raw in files if (record := osv.parse(path, raw)) is not None]
        if not parsed:
            raise BadFile("holds no advisories", file=records, hint="a folder with OSV records, or with trivy.db")
        with _new(folder) as fresh:
            bolt.write(fresh / "trivy.db", osv.tree(parsed, "Seatrial" if sample else "OSV records"))
            _write_metadata(fresh, osv.newest(parsed))
    database = describe(folder, source)
    if not sample:
        return database
    limit = f"the shipped database is a sample: {database.advisories} well-known flaws of Python's AI stack"
    return dataclasses.replace(database, limits=(limit,))


def _write_metadata(folder: Path, built: str) -> None:
    # DownloadedAt is the build's moment as well: the same records must give the same bytes on every machine.
    metadata = {"Version": 2, "UpdatedAt": built, "NextUpdate": built, "DownloadedAt": built}
    (folder / "metadata.json").write_text(json.dumps(metadata))


def _fetched(reference: str, run: tools.Run, why_not: list[str]) -> DatabaseFiles:
    """The database behind an OCI reference: from the cache while it is fresh, from the registry otherwise."""
    pointer = _home() / "references" / f"{hashlib.sha256(reference.encode()).hexdigest()[:32]}.json"
    kept = _kept(pointer, reference)
    if kept is not None and moment(kept.next_update) > datetime.datetime.now(datetime.UTC):
        return kept
    try:
        digest = _pull(reference, run)
    except RegistryFailed as error:
        if kept is None:
            raise
        why_not.append(f"{reference}: {_short(error)}; the copy of {kept.built} stands in")
        return kept
    database = describe(_home() / digest.replace(":", "-"), f"{reference}@{digest}")
    pointer.parent.mkdir(parents=True, exist_ok=True)
    pointer.write_text(json.dumps({"reference": reference, "digest": digest}))
    return database


def _kept(pointer: Path, reference: str) -> DatabaseFiles | None:
    try:
        digest = str(json.loads(pointer.read_bytes())["digest"])
        return describe(_home() / digest.replace(":", "-"), f"{reference}@{digest}")
    except (OSError, ValueError, KeyError, TypeError, BadFile):
        return None  # never fetched, or damaged since: fetch it


def _pull(reference: str, run: tools.Run) -> str:
    """Fetch the artifact by digest into the cache; return the digest."""
    hint = "check the reference and the network, or name a folder or `shipped` as a further preference"
    plain = registry.plain_http(reference, "--plain-http")
    try:
        oras = str(tools.need("oras"))
        digest = run([oras, "resolve", *plain, "--", reference], timeout=60).strip()
        algorithm, _, value = digest.partition(":")
        if algorithm != "sha256" or len(value) != 64 or set(value) - set("0123456789abcdef"):
            raise RegistryFailed(f"{reference} resolves to no digest: {digest[:80]!r}", hint=hint)
        folder = _home() / digest.replace(":", "-")
        if not _usable(folder):
            with _new(folder) as fresh, tempfile.TemporaryDirectory(dir=fresh.parent) as scratch:
                pinned = f"{_without_tag(reference)}@{digest}"
                run([oras, "pull", *plain, "--no-tty", "--output", scratch, "--", pinned], timeout=600)
                _unpack(Path(scratch), fresh, reference)
    except ToolMissing as error:
        raise RegistryFailed(error.what, hint=hint) from None
    except ToolFailed as error:
        raise registry.explained(error, reference) from None
    return digest


def _unpack(scratch: Path, fresh: Path, reference: str) -> None:
    """Take the two files out of the artifact's archive; names and kinds inside it are not trusted."""
    archives = sorted(scratch.rglob("*.tar.gz"))
    try:
        if len(archives) != 1:
            raise ValueError(f"{len(archives)} archives, not one")
        with tarfile.open(archives[0]) as tar:
            for member in tar:
                name = Path(member.name).name
                if name in FILES and member.isreg():
                    if member.size > LARGEST:
                        raise ValueError(f"{name} is larger than {LARGEST} bytes")
                    content = tar.extractfile(member)
                    assert content is not None  # a regular file always has content
                    with (fresh / name).open("wb") as out:
                        shutil.copyfileobj(content, out)
    except (OSError, EOFError, ValueError, tarfile.TarError) as error:
        raise BadFile(
            f"no Trivy database: {error}", file=reference, hint="name a Trivy database, version 2"
        ) from None


def _without_tag(reference: str) -> str:
    name = reference.partition("@")[0]
    path, colon, tag = name.rpartition(":")
    return path if colon and "/" not in tag else name


def _short(error: PipelineError) -> str:
    return " ".join(error.what.split())[:300]


def _usable(folder: Path) -> bool:
    """Whether the cache holds this database; one that was damaged since is removed, to be made again."""
    if not folder.is_dir():
        return False
    try:
        describe(folder, folder.name)
    except BadFile:
        shutil.rmtree(folder, ignore_errors=True)
        return False
    return True


def _home() -> Path:
    folder = settings.cache() / "databases"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def _new(folder: Path) -> Iterator[Path]:
    """A folder to fill; it takes its name only when it is whole, so that nobody ever sees half a database."""
    fresh = Path(tempfile.mkdtemp(prefix="new-", dir=folder.parent))
    try:
        yield fresh
        try:
            fresh.rename(folder)
        except OSError:
            # Another process was faster; its folder has the same name because it has the same content.
            if not folder.is_dir():
                raise
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise DiskFull(f"no room for a vulnerability database in {folder.parent}", hint="make room there") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
