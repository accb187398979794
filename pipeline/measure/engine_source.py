"""The name of an image that the engine has in, its layout out. Speaks to: the engine, its data folder, `docker save`.

The fastest way that is at hand is taken: the containerd store's blobs as they lie, then the classic store's folders,
and `docker save` for an engine whose data lies elsewhere or may not be read.
"""

from __future__ import annotations

import dataclasses
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline import layout as layouts
from pipeline import tools
from pipeline.errors import BadImage, ToolFailed, ToolMissing
from pipeline.layout import Layout
from pipeline.measure import overlay, streamed
from pipeline.measure.manifests import explained, resolved, small
from pipeline.measure.sources import opened_path
from pipeline.measure.stream import Limits

log = logging.getLogger("seatrial")


def image_id(name: str, *, run: tools.Run = tools.run) -> str | None:
    """Return the engine's ID of an image, None when no engine answers or it has none of that name."""
    if name.startswith("-"):
        return None
    try:
        return run(["docker", "image", "inspect", "--format", "{{.Id}}", name], timeout=60).strip()
    except (ToolFailed, ToolMissing):
        return None


@contextmanager
def opened(
    name: str, identity: str, cache: Path, *, limits: Limits | None = None, say: streamed.Say = lambda _: None,
    run: tools.Run = tools.run,
) -> Iterator[Layout]:  # fmt: skip
    """Yield the layout of the image `name`, whose ID is `identity`. Raises BadImage, ToolFailed.

    What comes as a stream has its layers' indexes in the folder `cache` then.
    """
    root = layouts.engine_root(run)
    with tempfile.TemporaryDirectory(prefix="seatrial-engine-") as scratch:
        found = _blobs(root, identity, Path(scratch)) or _folders(
            root, identity, Path(scratch), cache, limits, say, run
        )
        if found is not None:
            yield found
            return
        say("docker save")
        archive = Path(scratch) / "image.tar"
        run(["docker", "save", "--output", str(archive), name], timeout=3600)
        with opened_path(archive) as saved:
            yield dataclasses.replace(saved, source="docker save")


def _blobs(root: Path, identity: str, scratch: Path) -> Layout | None:
    """The image in the containerd store, whose ID is the digest of a manifest or an index."""
    blobs = layouts.blobs_of(root, identity)
    if blobs is None:
        return None
    with explained(f"the engine's image {identity}", hint="pull or build it again"):
        digest = resolved(identity, lambda wanted: small(layouts.blob_path(blobs, wanted)))
    (scratch / "blobs").symlink_to(blobs)
    return layouts.read(scratch, digest, "containerd blobs")


def _folders(
    root: Path, identity: str, scratch: Path, cache: Path, limits: Limits | None, say: streamed.Say, run: tools.Run
) -> Layout | None:
    """The image in the classic store. One whose folders do not make its layers is left to the engine to save."""
    driver = run(["docker", "info", "--format", "{{.Driver}}"], timeout=60).strip()
    place = scratch / "folders"
    try:
        found = overlay.layout_of(root, driver, identity, place)
        if found is not None:
            streamed.fill(found, cache, limits or Limits(), say)
    except BadImage as error:
        log.warning("the engine is asked to save the image, its folders cannot be read: %s", error.what)
        return None
    return found
