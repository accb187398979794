"""The folders of an engine's classic image store in, an image's layout out. Speaks to: the engine's data folder.

The engine unpacks a layer into a folder and keeps what that loses beside it: each header of the tar, in order
(github.com/vbatts/tar-split). Both together are the tar to the byte, so entries, order, whiteouts and hard links are
the layer's own, and its diff ID can be checked. Nothing is copied, and `docker save` is not asked.
"""

from __future__ import annotations

import binascii
import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import layout as layouts
from pipeline.errors import BadImage
from pipeline.measure.manifests import checked, explained, loaded, small
from pipeline.measure.sources import written
from pipeline.measure.streamed import Chunks, StreamedLayout

FOLDERS = {"overlay2": "overlay2/{}/diff", "vfs": "vfs/dir/{}"}  # storage driver → where a layer's files are
CHUNK = 1 << 20
LONGEST = 64 << 20  # bytes of one line of tar-split: base64 of what stands between two files
FILE, BYTES = 1, 2  # tar-split's types
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def layout_of(root: Path, driver: str, image_id: str, scratch: Path) -> StreamedLayout | None:
    """Return the layout of an image by its ID, None when its folders are not here or may not be read.

    `root` is the engine's data folder. Such a store keeps no manifest, so one is written into `scratch`, as for an
    old archive: layers are plain tars named by their diff IDs. Raises BadImage for a store that is damaged.
    """
    if driver not in FOLDERS:
        return None
    store = root / "image" / driver
    try:
        config = small(store / "imagedb" / "content" / "sha256" / image_id.removeprefix("sha256:"))
        found = {}
        chain = ""
        with explained(f"the engine's image {image_id}", hint="pull or build it again"):
            checked(lambda _: config)(image_id)
            for diff_id in loaded(config)["rootfs"]["diff_ids"]:
                name = layouts.blob_path(Path(), diff_id).name
                chain = hashlib.sha256(f"{chain} {diff_id}".encode()).hexdigest() if chain else name
                chain = f"sha256:{chain.removeprefix('sha256:')}"
                described = store / "layerdb" / "sha256" / chain.removeprefix("sha256:")
                found[diff_id] = described / "tar-split.json.gz", root / _folder(described, driver)
            sizes = {diff_id: sum(size for _, size, _ in _pieces(split)) for diff_id, (split, _) in found.items()}
    except BadImage:
        raise
    except OSError:
        return None
    raw = written(config, tuple(sizes.items()))
    (scratch / "blobs" / "sha256").mkdir(parents=True)
    for one in (config, raw):
        (scratch / "blobs" / "sha256" / hashlib.sha256(one).hexdigest()).write_bytes(one)
    digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    read = layouts.read(scratch, digest, f"{driver} folders")
    return StreamedLayout(
        folder=read.folder, blobs=read.blobs, source=read.source, digest=digest, manifest=read.manifest,
        config=read.config, chunks=lambda wanted: chunks(*found[wanted]),
    )  # fmt: skip


def chunks(split: Path, folder: Path) -> Chunks:
    """Yield the bytes of a layer's tar: headers from tar-split, contents from its unpacked files.

    Raises OSError for a file that is missing or has another size. No symbolic link is followed.
    """
    with _Files(folder) as files:
        for header, size, name in _pieces(split):
            if header:
                yield header
            elif size:
                yield from files.content(name, size)


def _folder(described: Path, driver: str) -> str:
    name = (described / "cache-id").read_text(encoding="ascii").strip()
    if not name.isalnum():
        raise ValueError(f"{described} names the folder {name[:80]!r}")
    return FOLDERS[driver].format(name)


def _pieces(split: Path) -> Iterator[tuple[bytes, int, bytes]]:
    """What the tar is made of, in order: bytes that stand here, their count, b""; or b"", a file's size, its name."""
    with gzip.open(split, "rb") as lines:
        try:
            while line := lines.readline(LONGEST):
                entry = json.loads(line)
                if entry["type"] == BYTES:
                    header = binascii.a2b_base64(entry.get("payload") or "", strict_mode=True)
                    yield header, len(header), b""
                elif entry["type"] == FILE:
                    yield b"", int(entry.get("size") or 0), _name(entry)
                else:
                    raise ValueError(f"an entry of type {entry['type']!r}")
        except (KeyError, TypeError, AttributeError, ValueError, EOFError, zlib.error, RecursionError) as error:
            raise OSError(f"{split} is damaged: {error!r}") from None


def _name(entry: dict[str, Any]) -> bytes:
    raw = entry.get("name_raw")
    return binascii.a2b_base64(raw, strict_mode=True) if raw else os.fsencode(str(entry.get("name") or ""))


class _Files:
    """The files below a folder, opened without ever following a symbolic link. The last parent stays open."""

    def __init__(self, folder: Path) -> None:
        self._root = os.open(folder, FOLDER)
        self._parent, self._open = b"", self._root

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *_: object) -> None:
        self._enter(b"")
        os.close(self._root)

    def content(self, name: bytes, size: int) -> Iterator[bytes]:
        """Yield exactly `size` bytes. Raises OSError when the file has less or more."""
        parts = [part for part in name.split(b"/") if part not in (b"", b".")]
        if not parts or b".." in parts:
            raise OSError(f"tar-split names the file {name!r}")
        self._enter(b"/".join(parts[:-1]))
        file = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._open)
        try:
            actual = os.fstat(file).st_size
            if actual != size:
                raise OSError(f"{name!r} has {actual} bytes, its layer has {size}")
            left = size
            while left:
                chunk = os.read(file, min(left, CHUNK))
                if not chunk:
                    raise OSError(f"{name!r} ends {left} bytes too early")
                left -= len(chunk)
                yield chunk
        finally:
            os.close(file)

    def _enter(self, parent: bytes) -> None:
        if parent == self._parent:
            return
        if self._open != self._root:
            os.close(self._open)
        self._parent, self._open = b"", self._root
        for part in filter(None, parent.split(b"/")):
            below = os.open(part, FOLDER, dir_fd=self._open)
            if self._open != self._root:
                os.close(self._open)
            self._open = below
        self._parent = parent
