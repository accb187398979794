"""A record document in, its folder of reports out. Speaks to: the file system.

    <folder>/index.html                           every image's newest record
    <folder>/<image>/<digest, without sha256:>/   record.json report.html report.md sbom.cdx.json provenance.json
    <folder>/<image>/unbuilt/                     the same for a run that built nothing

Files are written whole or not at all, the evidence before the record that names it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import BadFile, DiskFull
from pipeline.report import html, markdown, reading
from pipeline.report.words import clip, visible

NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")  # as recipe.Name: one folder, never a way out of it
DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


def save(record_document: Mapping[str, Any], folder: Path, *, index: bool = True) -> Path:
    """Write a record and its reports below `folder`; return the path of record.json.

    `scan.sbom` and `build.provenance` go to files of their own; in record.json each becomes
    {"file": name, "sha256": hexadecimal}. Without `index` the index stays as it is: whoever saves many records calls
    `write_index` once. Raises BadFile for a document that is no record, or a folder that refuses; DiskFull.
    """
    record = reading.read(record_document)
    place = folder / _name(record.image) / _digest_folder(record.digest)
    plain = dict(record_document)
    for stage, key, file in (("scan", "sbom", reading.SBOM_FILE), ("build", "provenance", reading.PROVENANCE_FILE)):
        part = plain.get(stage)
        evidence = part.get(key) if isinstance(part, Mapping) else None
        # Not there when the stage was skipped; in its file already when a saved record is saved again.
        if isinstance(part, Mapping) and isinstance(evidence, Mapping) and reading.pointer(evidence, file) is None:
            body = _json(evidence)
            write_whole(place / file, body)
            named = {"file": file, "sha256": hashlib.sha256(body.encode()).hexdigest()}
            plain[stage] = {**part, key: named}
    _write_pages(plain, place)
    write_whole(place / "record.json", _json(plain))
    if index:
        write_index(folder)
    return place / "record.json"


def render(record: Path, *, index: bool = True) -> Path:
    """Write the reports of a saved record again, and the index; return report.html.

    record.json stays as it is, to the byte: it may be signed. Raises BadFile, DiskFull.
    """
    record = (record / "record.json" if record.is_dir() else record).resolve()
    _write_pages(load(record), record.parent)
    if index:
        write_index(record.parent.parent.parent)
    return record.parent / "report.html"


def load(path: Path) -> dict[str, Any]:
    """Return the record document in a record.json, or in the folder that holds one. Raises BadFile."""
    path = path / "record.json" if path.is_dir() else path
    hint = "give the folder of a record, or release the image again"
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise BadFile(f"no record: {clip(visible(str(error)), 200)}", file=path, hint=hint) from None
    if not isinstance(found, dict):
        raise BadFile("no record: not a JSON object", file=path, hint=hint)
    return found


def write_index(folder: Path) -> Path:
    """Write index.html over the newest record of each image below `folder`; return its path.

    A record that cannot be read is a row that says so. Raises BadFile, DiskFull.
    """
    path = folder / "index.html"
    with _locked(folder):
        write_whole(path, html.index(_rows(folder)))
    return path


def write_whole(path: Path, text: str) -> None:
    """Write a file: readers see the old one or the whole new one. Makes its folder. Raises DiskFull, BadFile."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("x", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise _refused(error, path) from None


def _write_pages(document: Mapping[str, Any], place: Path) -> None:
    write_whole(place / "report.html", html.page(document))
    write_whole(place / "report.md", markdown.page(document))


def _rows(folder: Path) -> list[html.IndexRow]:
    newest: dict[str, html.IndexRow] = {}
    broken: list[html.IndexRow] = []
    for path in sorted(folder.glob("*/*/record.json")):
        try:
            row = html.index_row(load(path), f"{path.parent.relative_to(folder).as_posix()}/report.html")
        except BadFile as error:
            broken.append(_unreadable(path, folder, error))
            continue
        known = newest.get(row.image)
        if known is None or row.started >= known.started:
            newest[row.image] = row
    return [*newest.values(), *broken]


def _unreadable(path: Path, folder: Path, error: BadFile) -> html.IndexRow:
    relative = path.relative_to(folder)
    return html.IndexRow(
        image=visible(relative.parts[0]), digest=visible(relative.parts[1]), outcome="open", word="UNREADABLE",
        started="unknown", bytes=None, flaws="unknown", smoke="unknown", why=error.what, href=relative.as_posix(),
    )  # fmt: skip


def _name(image: str) -> str:
    if not NAME.fullmatch(image):
        raise BadFile(
            f"not an image's name: {clip(image, 100)!r}", file="record", hint="lower case, digits and single . _ -"
        )
    return image


def _digest_folder(digest: str | None) -> str:
    if digest is None:
        return "unbuilt"
    match = DIGEST.fullmatch(digest)
    if match is None:
        raise BadFile(f"not a sha256 digest: {clip(digest, 100)!r}", file="record", hint="release the image again")
    return match[1]


def _json(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Only one process reads and writes the index at a time, so that no record of another is left out."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".index.lock").open("a")
    except OSError as error:
        raise _refused(error, folder) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _refused(error: OSError, path: Path) -> BadFile | DiskFull:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"no room left to write {path}", hint=f"free some space on the disk of {path.parent}")
    return BadFile(f"cannot be written: {error.strerror}", file=path, hint="give a folder that you may write to")
