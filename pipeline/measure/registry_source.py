"""A reference in a registry in, its layout out, its layers streamed into the index. Speaks to: oras.

Manifest and config are a few kilobytes and are stored; a layer is hashed and listed as it comes and then gone. Its
digest is checked once its last byte came, before its index is kept.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline import layout as layouts
from pipeline import registry
from pipeline.errors import BadImage
from pipeline.measure import manifests, streamed
from pipeline.measure.stream import Limits

SOURCE = "registry"


@contextmanager
def opened(
    reference: str, cache: Path, *, limits: Limits | None = None, say: streamed.Say = lambda _: None
) -> Iterator[layouts.Layout]:
    """Yield the layout of the image behind `repository@digest`, each layer's index in the folder `cache`.

    Of an index the manifest of this machine's platform is taken. Raises RegistryFailed, BadImage.
    """
    repository, _, digest = reference.rpartition("@")
    with tempfile.TemporaryDirectory(prefix="seatrial-registry-") as scratch:
        folder = Path(scratch)
        (folder / "blobs" / "sha256").mkdir(parents=True)

        def manifest(wanted: str) -> bytes:
            file = layouts.blob_path(folder / "blobs", wanted)
            registry.manifest(f"{repository}@{wanted}", file)
            return manifests.small(file)

        with manifests.explained(reference, hint="push it again, or name an image of containers"):
            digest = manifests.resolved(digest, manifest)
            document = manifests.loaded(manifests.small(layouts.blob_path(folder / "blobs", digest)))
            _config(document["config"], repository, folder)
            read = layouts.read(folder, digest, SOURCE)
            layers = {layer["digest"]: layer for layer in read.manifest["layers"]}

        def chunks(wanted: str) -> streamed.Chunks:
            if wanted in layers:
                manifests.at_hand(layers[wanted])
            return registry.blob_chunks(f"{repository}@{wanted}")

        found = streamed.StreamedLayout(
            folder=read.folder, blobs=read.blobs, source=SOURCE, digest=digest, manifest=read.manifest,
            config=read.config, chunks=chunks,
        )  # fmt: skip
        streamed.fill(found, cache, limits or Limits(), say)
        yield found


def _config(descriptor: Any, repository: str, folder: Path) -> None:
    """Store the config; what claims to be bigger than any config is not fetched. Raises BadImage, ValueError."""
    digest, size = str(descriptor["digest"]), int(descriptor["size"])
    if size > manifests.MOST:
        raise BadImage(f"its config {digest} has {size} bytes", hint="push the image again")
    file = layouts.blob_path(folder / "blobs", digest)
    registry.blob(f"{repository}@{digest}", file)
    manifests.checked(lambda _: manifests.small(file))(digest)
