"""A layer's index in, the same from a file next time out. Speaks to: the cache folder.

A file is written whole under another name and then renamed, and starts with the sha256 of what follows: one that was
cut, damaged or written by another version of this module is not an error, the layer is just read again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline import elf
from pipeline.errors import BadImage
from pipeline.measure.entries import Entry, LayerIndex
from pipeline.measure.listing import START
from pipeline.measure.stream import Blob

log = logging.getLogger("seatrial")

MAGIC = b"seatrial layer index 5\n"
MOST = 4 << 30  # bytes of one index, unpacked
NUMBERS = "QIqqq"  # size, mode, uid, gid, mtime
HASH = 16
NO_HASH = bytes(HASH)


def load(folder: Path, diff_id: str, blob: Blob | None = None) -> LayerIndex | None:
    """Return the index of a layer, None when there is none that can be relied on.

    With `blob` an index that was not checked against the diff ID counts as well, if it was made from this very part
    of this very file, as its inode, size and time say.
    """
    import zstandard

    path = _path(folder, diff_id, blob)
    try:
        raw = path.read_bytes()
        digest, packed = raw[len(MAGIC) : len(MAGIC) + 32], raw[len(MAGIC) + 32 :]
        if not raw.startswith(MAGIC) or hashlib.sha256(packed).digest() != digest:
            raise ValueError("it is damaged, or of another version")
        index = _unpacked(zstandard.ZstdDecompressor().decompress(packed, max_output_size=MOST))
        if index.diff_id != diff_id:
            raise ValueError(f"it describes {index.diff_id}")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, struct.error, zstandard.ZstdError) as error:
        log.info("the index at %s is made again: %s", path, error)
        return None
    return index


def save(folder: Path, index: LayerIndex, blob: Blob | None = None) -> None:
    """Keep an index; one that was not checked goes with the `blob` that it was made from.

    A cache that cannot be written costs time, not the result: that is logged and no more.
    """
    import zstandard

    path = _path(folder, index.diff_id, blob)
    packed = zstandard.ZstdCompressor(level=3).compress(_packed(index))
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".index-", delete=False) as file:
            temporary = Path(file.name)
            file.write(MAGIC + hashlib.sha256(packed).digest() + packed)
        temporary.replace(path)
    except OSError as error:
        log.warning("the index of layer %s could not be kept: %s", index.diff_id, error)
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def _path(folder: Path, diff_id: str, blob: Blob | None) -> Path:
    value = diff_id.removeprefix("sha256:")
    if len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise BadImage(f"not a sha256 diff ID: {diff_id[:80]!r}", hint="rebuild the image")
    if blob is None:
        return folder / "layers" / value
    there = blob.path.stat()
    seen = f"{value} {there.st_dev} {there.st_ino} {there.st_size} {there.st_mtime_ns} {blob.offset} {blob.size}"
    return folder / "walked" / hashlib.sha256(seen.encode()).hexdigest()


def _packed(index: LayerIndex) -> bytes:
    """Sections, each with its length before it: a head, then column by column. Names and links hold no NUL."""
    columns = zip(*index.entries, strict=True) if index.entries else [()] * 10
    names, kinds, *numbers, links, offsets, hashes = columns
    head = {"diff_id": index.diff_id, "size": index.size, "count": len(names), "verified": index.verified}
    contents = tuple(index.contents.values())
    sections = (
        json.dumps(head).encode(),
        b"\0".join(names),
        "".join(kinds).encode(),
        *(_column(code, column) for code, column in zip(NUMBERS, numbers, strict=True)),
        b"\0".join(links),
        _column("Q", offsets),
        b"".join(value or NO_HASH for value, size in zip(hashes, numbers[0], strict=True) if size),
        elf.packed(index.libraries),
        b"\0".join(index.starts),
        b"".join(index.starts.values()),
        b"\0".join(index.contents),
        *contents,
    )
    return b"".join(struct.pack("<Q", len(section)) + section for section in sections)


def _column(code: str, numbers: tuple[int, ...]) -> bytes:
    return struct.pack(f"<{len(numbers)}{code}", *numbers)


def _unpacked(raw: bytes) -> LayerIndex:
    section = _sections(raw)
    head = json.loads(next(section))
    count = head["count"]
    names = next(section).split(b"\0")[:count]
    kinds = next(section).decode()
    numbers = [struct.unpack(f"<{count}{code}", next(section)) for code in NUMBERS]
    links = next(section).split(b"\0")[:count]
    offsets = struct.unpack(f"<{count}Q", next(section))
    packed = next(section)
    each = (packed[at : at + HASH] for at in range(0, len(packed), HASH))
    hashes = [next(each, NO_HASH) if size else NO_HASH for size in numbers[0]]
    hashes = [b"" if value == NO_HASH else value for value in hashes]
    entries = tuple(map(Entry._make, zip(names, kinds, *numbers, links, offsets, hashes, strict=True)))
    libraries = elf.unpacked(next(section))
    weights, packed = next(section).split(b"\0"), next(section)
    starts = {path: packed[number * START :][:START] for number, path in enumerate(weights) if path}
    paths = next(section).split(b"\0")
    contents = dict(zip(paths, section, strict=False))  # without contents, one empty name and nothing to go with it
    return LayerIndex(
        diff_id=head["diff_id"],
        size=head["size"],
        entries=entries,
        contents=contents,
        libraries=libraries,
        starts=starts,
        verified=head["verified"],
    )


def _sections(raw: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(raw):
        (length,) = struct.unpack_from("<Q", raw, at)
        yield raw[at + 8 : at + 8 + length]
        at += 8 + length
