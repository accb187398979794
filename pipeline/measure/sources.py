"""An OCI layout folder or an image archive in, its layout out. Speaks to: nothing.

Takes what `docker save`, `podman save`, `skopeo copy` and `docker buildx build --output type=oci` write. The layers
of an archive are read where they lie; only manifest and config are copied, into a folder that is gone afterwards.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import layout as layouts
from pipeline.errors import BadFile
from pipeline.layout import Layout
from pipeline.measure.manifests import MOST, at_hand, checked, chosen, explained, loaded, small
from pipeline.measure.stream import Blob, refused

MOST_MEMBERS = 100_000
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
UNREAD = {b"\xfd7zXZ\0": "xz", b"BZh": "bzip2", b"\x04\x22\x4d\x18": "lz4", b"7z\xbc\xaf\x27\x1c": "7z"}
TAR_MAGIC = slice(257, 262)  # where a tar's first header says `ustar`


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLayout(Layout):
    """The layout of an archive. `members` says where each blob lies in it: offset and size."""

    archive: Path
    members: Mapping[str, tuple[int, int]]

    def blob(self, digest: str) -> Path:
        """The file of a blob; it is copied out of the archive when somebody asks for it."""
        path = layouts.blob_path(self.blobs, digest)
        if not path.exists():
            place = located(self, digest)
            with place.path.open("rb") as archive, path.open("wb") as file:
                archive.seek(place.offset)
                left = place.size
                while chunk := archive.read(min(1 << 20, left)):
                    left -= file.write(chunk)
        return path


def located(layout: Layout, digest: str) -> Blob:
    """Return where a blob's bytes lie.

    Raises OSError when they are nowhere, BadImage for a digest that is none, a foreign layer that is not here, and a
    compression that no engine reads.
    """
    blob = _place(layout, digest)
    with blob.path.open("rb", buffering=0) as file:
        start = os.pread(file.fileno(), TAR_MAGIC.stop, blob.offset)
    how = next((how for magic, how in UNREAD.items() if start.startswith(magic)), None)
    if how is not None and start[TAR_MAGIC] != b"ustar":  # a tar may begin with a file of such a name
        raise refused(digest, f"is compressed with {how}, which no container engine reads")
    return blob


def _place(layout: Layout, digest: str) -> Blob:
    if isinstance(layout, ArchiveLayout):
        if digest not in layout.members:
            _missing(layout, digest)
            raise FileNotFoundError(f"{layout.archive} holds no {digest}")
        offset, size = layout.members[digest]
        return Blob(layout.archive, offset, size)
    try:
        path = layout.blob(digest)
        return Blob(path, 0, path.stat().st_size)
    except FileNotFoundError:
        _missing(layout, digest)
        raise


def _missing(layout: Layout, digest: str) -> None:
    for layer in layout.manifest["layers"]:
        if layer["digest"] == digest:
            at_hand(layer)


@contextmanager
def opened_path(path: Path) -> Iterator[Layout]:
    """Yield the layout of the image in an OCI layout folder or an archive. Raises BadFile and BadImage."""
    if not path.exists():
        raise BadFile("there is no such file", hint="name an OCI layout folder or an image archive", file=path)
    with tempfile.TemporaryDirectory(prefix="seatrial-layout-") as scratch:
        yield _folder(path, Path(scratch)) if path.is_dir() else _archive(path, Path(scratch))


def _folder(path: Path, scratch: Path) -> Layout:
    blobs = path / "blobs"
    (scratch / "blobs").symlink_to(blobs.resolve())

    def get(digest: str) -> bytes:
        return small(layouts.blob_path(blobs, digest))

    with explained(path):
        digest = chosen(loaded(small(path / "index.json")), checked(get))
        checked(get)(loaded(get(digest))["config"]["digest"])
        return layouts.read(scratch, digest, "OCI layout")


def _archive(path: Path, scratch: Path) -> Layout:
    with explained(path), tarfile.open(path, "r:") as tar:
        members = _members(tar, path)

        def content(name: str) -> bytes:
            offset, size = members[name]
            if size > MOST:
                raise ValueError(f"{name} has {size} bytes")
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(size)

        def get(digest: str) -> bytes:
            return content(layouts.blob_path(Path("blobs"), digest).as_posix())

        blobs = scratch / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        if "index.json" in members:
            digest = chosen(loaded(content("index.json")), checked(get))
            manifest = get(digest)
            config = checked(get)(loaded(manifest)["config"]["digest"])
            places = {f"sha256:{name.rpartition('/')[2]}": place for name, place in members.items()
                      if name.startswith("blobs/sha256/")}  # fmt: skip
            source = "OCI archive"
        else:
            manifest, config, places = _old_docker_save(loaded(content("manifest.json")), content, members)
            source = "docker save"
        for raw in (manifest, config):
            (blobs / hashlib.sha256(raw).hexdigest()).write_bytes(raw)
        read = layouts.read(scratch, f"sha256:{hashlib.sha256(manifest).hexdigest()}", source)
        return ArchiveLayout(
            folder=read.folder, blobs=read.blobs, source=source, digest=read.digest, manifest=read.manifest,
            config=read.config, archive=path, members=places,
        )  # fmt: skip


def _members(tar: tarfile.TarFile, path: Path) -> dict[str, tuple[int, int]]:
    """Where each file of the archive lies. Old `docker save` writes a layer that comes twice as a symbolic link."""
    found: dict[str, tuple[int, int]] = {}
    links: dict[str, str] = {}
    size = path.stat().st_size
    for count, member in enumerate(tar):
        name = posixpath.normpath(member.name)
        if count > MOST_MEMBERS or member.issparse() or member.offset_data + member.size > size:
            raise ValueError(f"its member {member.name!r} cannot be an image's")
        if member.isreg():
            found[name] = (member.offset_data, member.size)
        elif member.issym():
            links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
    return found | {name: found[target] for name, target in links.items() if target in found}


def _old_docker_save(
    listed: Any, content: Callable[[str], bytes], members: Mapping[str, tuple[int, int]]
) -> tuple[bytes, bytes, dict[str, tuple[int, int]]]:
    """Manifest, config and places of an archive that has a manifest.json only. Its layers are plain tars.

    Such an archive names no digests, so the manifest is written here.
    """
    if len(listed) != 1:
        raise ValueError(f"it holds {len(listed)} images; save one")
    config = content(posixpath.normpath(listed[0]["Config"]))
    places = {
        diff_id: members[posixpath.normpath(name)]
        for diff_id, name in zip(loaded(config)["rootfs"]["diff_ids"], listed[0]["Layers"], strict=True)
    }
    sizes = [(diff_id, places[diff_id][1]) for diff_id in loaded(config)["rootfs"]["diff_ids"]]
    return written(config, sizes), config, places


def written(config: bytes, layers: Sequence[tuple[str, int]]) -> bytes:
    """Return a manifest for an image that has none: plain layers by diff ID and size, lowest first.

    Its digest is not that of any registry.
    """
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": CONFIG,
            "digest": f"sha256:{hashlib.sha256(config).hexdigest()}",
            "size": len(config),
        },
        "layers": [{"mediaType": LAYER, "digest": diff_id, "size": size} for diff_id, size in layers],
    }
    return json.dumps(manifest, separators=(",", ":")).encode()
