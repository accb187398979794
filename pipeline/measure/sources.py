"""An OCI layout folder or an image archive in, its layout out. Speaks to: nothing.

Takes what `docker save`, `podman save`, `skopeo copy` and `docker buildx build --output type=oci` write. The layers
of an archive are read where they lie; only manifest and config are copied, into a folder that is gone afterwards.
"""

from __future__ import annotations

import hashlib
import json
import platform
import posixpath
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import layout as layouts
from pipeline.errors import BadFile, BadImage
from pipeline.layout import Layout
from pipeline.measure.stream import Blob

MOST = 16 << 20  # bytes of a manifest, an index or a config
MOST_MEMBERS = 100_000
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


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
    """Return where a blob's bytes lie. Raises OSError when they are nowhere, BadImage for a digest that is none."""
    if isinstance(layout, ArchiveLayout):
        if digest not in layout.members:
            raise FileNotFoundError(f"{layout.archive} holds no {digest}")
        offset, size = layout.members[digest]
        return Blob(layout.archive, offset, size)
    path = layout.blob(digest)
    return Blob(path, 0, path.stat().st_size)


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
        file = layouts.blob_path(blobs, digest)
        if file.stat().st_size > MOST:
            raise ValueError(f"{digest} has {file.stat().st_size} bytes")
        return file.read_bytes()

    with _explained(path):
        digest = _chosen(_loaded((path / "index.json").read_bytes()), _checked(get))
        _checked(get)(_loaded(get(digest))["config"]["digest"])
        return layouts.read(scratch, digest, "OCI layout")


def _archive(path: Path, scratch: Path) -> Layout:
    with _explained(path), tarfile.open(path, "r:") as tar:
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
            digest = _chosen(_loaded(content("index.json")), _checked(get))
            manifest = get(digest)
            config = _checked(get)(_loaded(manifest)["config"]["digest"])
            places = {f"sha256:{name.rpartition('/')[2]}": place for name, place in members.items()
                      if name.startswith("blobs/sha256/")}  # fmt: skip
            source = "OCI archive"
        else:
            manifest, config, places = _old_docker_save(_loaded(content("manifest.json")), content, members)
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

    Such an archive names no digests, so the manifest is written here; its digest is not that of any registry.
    """
    if len(listed) != 1:
        raise ValueError(f"it holds {len(listed)} images; save one")
    config = content(posixpath.normpath(listed[0]["Config"]))
    diff_ids = _loaded(config)["rootfs"]["diff_ids"]
    places = {
        diff_id: members[posixpath.normpath(name)]
        for diff_id, name in zip(diff_ids, listed[0]["Layers"], strict=True)
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": CONFIG,
            "digest": f"sha256:{hashlib.sha256(config).hexdigest()}",
            "size": len(config),
        },
        "layers": [{"mediaType": LAYER, "digest": diff_id, "size": places[diff_id][1]} for diff_id in diff_ids],
    }
    return json.dumps(manifest, separators=(",", ":")).encode(), config, places


def _chosen(index: Any, get: Callable[[str], bytes]) -> str:
    """The digest of the one image manifest below an index, or of this machine's platform when there are several."""
    for _ in range(4):  # an index in an index is common, deeper nesting is not
        found = [entry for entry in index["manifests"] if _is_image(entry)]
        if len(found) > 1:
            here = ARCHITECTURES.get(platform.machine(), platform.machine())
            found = [entry for entry in found if (entry.get("platform") or {}).get("architecture") == here]
        if len(found) != 1:
            raise ValueError(f"it holds {len(index['manifests'])} manifests, {len(found)} of them to choose from")
        document = _loaded(get(found[0]["digest"]))
        if "manifests" not in document:
            return str(found[0]["digest"])
        index = document
    raise ValueError("its index is nested too deep")


def _is_image(entry: Mapping[str, Any]) -> bool:
    notes = entry.get("annotations") or {}
    return "vnd.docker.reference.digest" not in notes and "artifactType" not in entry


def _checked(get: Callable[[str], bytes]) -> Callable[[str], bytes]:
    """`get`, refusing bytes that are not the digest's."""

    def checked(digest: str) -> bytes:
        raw = get(digest)
        if f"sha256:{hashlib.sha256(raw).hexdigest()}" != digest:
            raise ValueError(f"{digest} holds something else")
        return raw

    return checked


def _loaded(raw: bytes) -> Any:
    return json.loads(raw)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn whatever a damaged or hostile file brings about into one BadImage."""
    try:
        yield
    except tarfile.ReadError as error:
        raise BadImage(
            f"{path} is no image archive: {error}", hint="a compressed archive must be unpacked first"
        ) from None
    except (
        OSError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        ValueError,
        RecursionError,
        tarfile.TarError,
    ) as error:
        raise BadImage(f"{path} is no readable image: {error}", hint="save it again with `docker save`") from None
