"""An image of the engine in, its OCI layout out. Speaks to: the engine's content store, `docker save`.

With the containerd image store on this machine the layers are plain files that are already compressed and named by
their digest: nothing is copied. Everywhere else `docker save` writes the layout into a temporary folder.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import tools
from pipeline.errors import BadImage

STORES = (
    "containerd/daemon/io.containerd.content.v1.content/blobs",
    "../containerd/io.containerd.content.v1.content/blobs",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One image as blobs on disk. `folder` is an OCI layout whose index names this image alone."""

    folder: Path
    blobs: Path  # the folder that holds sha256/
    source: str  # "containerd blobs" or "docker save"
    digest: str  # of the manifest
    manifest: dict[str, Any]
    config: dict[str, Any]

    def blob(self, digest: str) -> Path:
        """The file of a blob; digests are checked for their form, since they come from a manifest."""
        return blob_path(self.blobs, digest)

    @property
    def layers(self) -> tuple[tuple[str, str, int, str], ...]:
        """Per layer: digest, diff ID, compressed bytes, media type."""
        diff_ids = self.config["rootfs"]["diff_ids"]
        layers = self.manifest["layers"]
        if len(diff_ids) != len(layers):
            raise BadImage(
                f"{self.digest} lists {len(layers)} layers and {len(diff_ids)} diff IDs", hint="rebuild it"
            )
        return tuple(
            (layer["digest"], diff_id, int(layer["size"]), layer["mediaType"])
            for layer, diff_id in zip(layers, diff_ids, strict=True)
        )


def blob_path(blobs: Path, digest: str) -> Path:
    """The path of a blob below `blobs`. Raises BadImage for anything that is not a sha256 digest."""
    algorithm, _, value = digest.partition(":")
    if algorithm != "sha256" or len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise BadImage(f"not a sha256 digest: {digest[:80]!r}", hint="rebuild the image")
    return blobs / algorithm / value


@contextmanager
def opened(local: str, digest: str, *, run: tools.Run = tools.run) -> Iterator[Layout]:
    """Yield the layout of the image that the engine knows as `local`; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="seatrial-layout-") as scratch:
        folder = Path(scratch)
        store = blobs_of(engine_root(run), digest)
        if store is not None:
            (folder / "blobs").symlink_to(store)
            source, manifest_digest = "containerd blobs", digest
        else:
            manifest_digest = _save(local, folder, run)
            source = "docker save"
        yield read(folder, manifest_digest, source)


def read(folder: Path, digest: str, source: str) -> Layout:
    """Read manifest and config of `digest` in a folder with blobs/, and write index and oci-layout beside them."""
    blobs = (folder / "blobs").resolve()
    try:
        raw = blob_path(blobs, digest).read_bytes()
        manifest = json.loads(raw)
        config = json.loads(blob_path(blobs, manifest["config"]["digest"]).read_bytes())
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise BadImage(f"{digest} is not a readable image manifest: {error!r}", hint="rebuild the image") from None
    entry = {"mediaType": manifest.get("mediaType", "application/vnd.oci.image.manifest.v1+json"),
             "digest": digest, "size": len(raw)}  # fmt: skip
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return Layout(folder=folder, blobs=blobs, source=source, digest=digest, manifest=manifest, config=config)


def engine_root(run: tools.Run = tools.run) -> Path:
    """Return the engine's data folder, as the engine says; it need not lie on this machine. Raises ToolFailed."""
    return Path(run(["docker", "info", "--format", "{{.DockerRootDir}}"], timeout=60).strip())


def blobs_of(root: Path, digest: str) -> Path | None:
    """Return the folder of the containerd store's blobs when it lies here, can be read, and holds the digest."""
    for candidate in STORES:
        blobs = (root / candidate).resolve()
        try:
            blob_path(blobs, digest).read_bytes()
        except OSError:
            continue
        return blobs
    return None


def _save(local: str, folder: Path, run: tools.Run) -> str:
    """Unpack `docker save` into `folder`; return the digest of the image's manifest."""
    archive = folder / "image.tar"
    run(["docker", "save", "--output", str(archive), local], timeout=3600)
    try:
        with tarfile.open(archive) as tar:
            _unpack(tar, folder)
        archive.unlink()
        index = json.loads((folder / "index.json").read_bytes())
        digest = str(index["manifests"][0]["digest"])
    except (OSError, KeyError, IndexError, ValueError, tarfile.TarError) as error:
        raise BadImage(
            f"`docker save` of {local} is no OCI layout: {error!r}", hint="Docker Engine 25 or newer"
        ) from None
    return _packed(folder, digest)


def _unpack(tar: tarfile.TarFile, folder: Path) -> None:
    """Copy the index and the blobs out of an archive: no other name, and nothing but regular files, is taken."""
    for member in tar:
        name = member.name.removeprefix("./")
        if name == "index.json":
            target = folder / name
        elif name.startswith("blobs/sha256/") and member.isreg():
            target = blob_path(folder / "blobs", f"sha256:{name.rpartition('/')[2]}")
        else:
            continue
        content = tar.extractfile(member)
        if content is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as out:
                shutil.copyfileobj(content, out)


def _packed(folder: Path, digest: str) -> str:
    """Compress the layers that the classic image store hands out plain; return the digest of the new manifest."""
    import zstandard

    blobs = folder / "blobs"
    manifest = json.loads(blob_path(blobs, digest).read_bytes())
    layers = []
    for layer in manifest["layers"]:
        if not str(layer["mediaType"]).endswith(".tar"):
            layers.append(layer)
            continue
        packed = folder / "packed"
        with blob_path(blobs, layer["digest"]).open("rb") as plain, packed.open("wb") as out:
            zstandard.ZstdCompressor(level=3, threads=-1).copy_stream(plain, out)
        blob_path(blobs, layer["digest"]).unlink()
        new = f"sha256:{tools.sha256_of(packed)}"
        layers.append(
            {**layer, "digest": new, "size": packed.stat().st_size, "mediaType": layer["mediaType"] + "+zstd"}
        )
        packed.rename(blob_path(blobs, new))
    if layers == manifest["layers"]:
        return digest
    text = json.dumps({**manifest, "layers": layers}, sort_keys=True).encode()
    packed_digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
    blob_path(blobs, packed_digest).write_bytes(text)
    return packed_digest
