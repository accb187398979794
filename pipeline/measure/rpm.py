"""An rpm database in, its packages out. Speaks to: nothing.

The header blobs as rpm's documentation has them (docs/manual/format_header.md), found in an SQLite database or in
one of rpm's own "ndb" format (lib/backend/ndb/rpmpkg.c describes it). Berkeley DB, which rpm left in 2020, is not
read. Whatever does not hold together is no package: a database can be written by anybody.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

FOLDERS = (b"var/lib/rpm/", b"usr/lib/sysimage/rpm/")
SQLITE, NDB = b"rpmdb.sqlite", b"Packages.db"
DATABASES = tuple(folder + name for folder in FOLDERS for name in (SQLITE, NDB))

MOST_STEPS = 1000  # times STEP: what SQLite may do to list a database of 32 MB, ten times over
STEP = 100_000  # of SQLite's virtual machine
MOST_TAGS = 0xFFFF  # of one header, as rpm itself allows
LONGEST_FOLDER = 4096  # bytes: Linux' PATH_MAX
MOST_GROWTH = 16  # all paths of a package over its header: each has a digest of 32 to 64 bytes there as well

NAME, VERSION, RELEASE, EPOCH = 1000, 1001, 1002, 1003
DIRECTORY_INDEXES, BASE_NAMES, DIRECTORY_NAMES = 1116, 1117, 1118
INT32, STRING, STRING_ARRAY = 4, 6, 8
KEYS = b"gpg-pubkey"  # a key that rpm trusts is kept as if it were a package

NDB_BLOCK, NDB_PAGE, NDB_SLOT = 16, 4096, 16  # bytes
NDB_HEADER_SLOTS = 2  # the file's own header takes their place


@dataclass(frozen=True, slots=True)
class Rpm:
    """One installed package. `version` is [epoch:]version-release; `files` are None when their list is damaged."""

    name: bytes
    version: bytes
    files: tuple[bytes, ...] | None


def rpms(name: bytes, database: bytes) -> Iterator[Rpm]:
    """Yield what is installed by a database, whose file is named `name`; nothing when that is not one."""
    blobs = _sqlite(database) if name.endswith(SQLITE) else _ndb(database)
    for blob in blobs:
        found = _package(blob)
        if found is not None:
            yield found


def _sqlite(database: bytes) -> Iterator[bytes]:
    """The header blobs of an SQLite database, together no bigger than itself: pages can be shared by many rows."""
    if len(database) < 100:  # bytes of its header
        return
    # 1: no write-ahead log, which a database in memory cannot have, and rpm empties it when it is done
    whole = database[:18] + b"\x01\x01" + database[20:]
    left, steps = len(database), iter(range(MOST_STEPS))
    with closing(sqlite3.connect(":memory:")) as opened:
        try:
            opened.deserialize(whole)
            opened.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, len(database))
            opened.execute("PRAGMA trusted_schema = OFF")
            opened.set_authorizer(_only_reading)
            opened.set_progress_handler(lambda: next(steps, None) is None, STEP)
            for kind, made in opened.execute(
                "SELECT type, sql FROM sqlite_master WHERE name = 'Packages'"
            ).fetchall():
                if kind != "table" or not str(made).startswith("CREATE TABLE"):
                    return  # a view, or a virtual table: rpm makes neither
            for (blob,) in opened.execute("SELECT blob FROM Packages"):
                if not isinstance(blob, bytes) or len(blob) > left:
                    return
                left -= len(blob)
                yield blob
        except (sqlite3.Error, UnicodeError, MemoryError, OverflowError):  # its messages quote the database
            return


def _only_reading(action: int, *_: str | None) -> int:
    """A database's own schema may not call functions while it is read."""
    return sqlite3.SQLITE_OK if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ) else sqlite3.SQLITE_DENY


def _ndb(database: bytes) -> Iterator[bytes]:
    """The header blobs of an ndb database, together no bigger than itself."""
    if len(database) < NDB_BLOCK * 2 or database[:4] != b"RpmP":
        return
    left = len(database)
    pages = struct.unpack_from("<I", database, 12)[0]
    end = min(pages * NDB_PAGE, len(database) - NDB_SLOT + 1)
    for at in range(NDB_HEADER_SLOTS * NDB_SLOT, end, NDB_SLOT):
        magic, number, block, _ = struct.unpack_from("<4sIII", database, at)
        start = block * NDB_BLOCK
        if magic != b"Slot" or not number or not block or start + NDB_BLOCK > len(database):
            continue
        found, owner, _, size = struct.unpack_from("<4sIII", database, start)
        if found == b"BlbS" and owner == number and size <= min(left, len(database) - start - NDB_BLOCK):
            left -= size
            yield database[start + NDB_BLOCK : start + NDB_BLOCK + size]


def _package(blob: bytes) -> Rpm | None:
    header = _Header(blob)
    name, version, release = header.text(NAME), header.text(VERSION), header.text(RELEASE)
    if not name or not version or not release or name == KEYS:
        return None
    epoch = header.numbers(EPOCH)
    before = b"%d:" % epoch[0] if epoch else b""
    return Rpm(name, before + version + b"-" + release, _files(header, len(blob) * MOST_GROWTH))


def _files(header: _Header, most: int) -> tuple[bytes, ...] | None:
    """The paths of a package's files; None when the lists do not fit each other."""
    folders, names = header.texts(DIRECTORY_NAMES), header.texts(BASE_NAMES)
    indexes = header.numbers(DIRECTORY_INDEXES)
    if len(indexes) != len(names) or any(len(folder) > LONGEST_FOLDER for folder in folders):
        return None
    if any(index >= len(folders) for index in indexes):
        return None
    if sum(len(folders[index]) for index in indexes) + sum(map(len, names)) > most:
        return None
    return tuple(folders[index] + name for index, name in zip(indexes, names, strict=True))


class _Header:
    """The tags of one header blob. What lies outside of it is empty."""

    def __init__(self, blob: bytes) -> None:
        self._tags: dict[int, tuple[int, int, int]] = {}
        self._data = b""
        if len(blob) < 8:
            return
        count, size = struct.unpack_from(">II", blob)
        start = 8 + 16 * count
        if count > MOST_TAGS or start + size > len(blob):
            return
        self._data = blob[start : start + size]
        for tag, kind, offset, items in struct.iter_unpack(">IIII", blob[8:start]):
            self._tags.setdefault(tag, (kind, offset, items))

    def text(self, tag: int) -> bytes:
        kind, offset, _ = self._tags.get(tag, (0, 0, 0))
        end = self._data.find(b"\0", offset) if kind == STRING else -1
        return self._data[offset:end] if end >= 0 else b""

    def texts(self, tag: int) -> list[bytes]:
        kind, offset, count = self._tags.get(tag, (0, 0, 0))
        if kind != STRING_ARRAY or count > len(self._data):
            return []
        found = self._data[offset:].split(b"\0", count)
        return found[:count] if len(found) > count else []

    def numbers(self, tag: int) -> tuple[int, ...]:
        kind, offset, count = self._tags.get(tag, (0, 0, 0))
        if kind != INT32 or offset + 4 * count > len(self._data):
            return ()
        return struct.unpack_from(f">{count}I", self._data, offset)
