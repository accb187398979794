"""An image's layout in, what it weighs out. Speaks to: nothing.

Bytes are the sizes of regular files, each counted in the layer that ships it; a hard link is 0. Wasted bytes are
shipped and not visible in the final root. Duplicate bytes are, among the visible files of equal content, all copies
but one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.layout import Layout
from pipeline.measure import causes, libraries
from pipeline.measure.index import indexes
from pipeline.measure.packages import packages
from pipeline.measure.root import Root
from pipeline.measure.shares import shares
from pipeline.measure.sources import opened_path
from pipeline.measure.stream import Limits
from pipeline.measure.streamed import StreamedLayout
from pipeline.measure.waste import by_size, duplicate_bytes, waste
from pipeline.model import Dockerfile, Image, Layer, LayerOrigin, Measurement, Totals
from pipeline.wire.costs import costs, host_of

__all__ = ["Limits", "Weighed", "opened_path", "weigh"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What an image weighs, and the root that this was read from, for those who look at single files."""

    measurement: Measurement
    root: Root


def weigh(
    image: Image,
    layout: Layout,
    origins: tuple[LayerOrigin, ...],
    *,
    cache: Path,
    fleet: Sequence[str] = (),
    dockerfile: Dockerfile | None = None,
    bandwidth: float | None = None,
    limits: Limits | None = None,
    verify: bool = True,
) -> Weighed:
    """Return what `image` weighs, with its root. `origins` has one for each layer; `cache` keeps an index of each.

    `fleet` are the compute capabilities of the GPUs that it is for. `dockerfile` tells what a change of the code
    sends again; a `bandwidth` in bits a second, what pulls are predicted for, with zstd as well.

    Without `verify`, what lies in plain layers is not checked against their diff IDs, and takes a tenth of the time.
    Raises BadImage, naming the layer, for one that is damaged, lies, or must not be trusted.
    """
    started = time.monotonic()
    limits = limits or Limits()
    found = indexes(layout, cache, limits, verify=verify)
    layers = tuple(
        Layer(
            digest=digest,
            diff_id=diff_id,
            instruction=origin.instruction,
            dockerfile_line=origin.dockerfile_line,
            origin=origin.origin,
            bytes=index.bytes,
            compressed_bytes=compressed,
            files=index.files,
        )
        for (digest, diff_id, compressed, _), origin, index in zip(layout.layers, origins, found, strict=True)
    )
    root = Root(limits.folders)
    for number, (layer, index) in enumerate(zip(layers, found, strict=True)):
        root.add(number, index, layer.digest)
    sizes = tuple(index.size for index in found)
    lost = waste(root, layers, sizes)
    seen = causes.seen(root, layers, sizes, debug=libraries.debug_bytes(root, found),
                       starts=libraries.starts(root, found))  # fmt: skip
    held = packages(root, found, tuple(layer.digest for layer in layers))
    wire = costs(
        layers, sizes, [kind for _, _, _, kind in layout.layers], held,
        (lambda _: None) if isinstance(layout, StreamedLayout) else layout.blob,
        host=host_of(image.repository), dockerfile=dockerfile, bandwidth=bandwidth,
    )  # fmt: skip
    measurement = Measurement(
        image=image.name,
        digest=image.digest,
        source=layout.source,
        verified=all(index.verified for index in found),
        layers=layers,
        totals=Totals(
            bytes=sum(layer.bytes for layer in layers),
            compressed_bytes=sum(layer.compressed_bytes for layer in layers),
            wasted_bytes=sum(row.bytes for row in lost),
            duplicate_bytes=duplicate_bytes(root),
            files=sum(layer.files for layer in layers),
        ),
        waste=by_size((*lost, *seen)),
        packages=held,
        shares=shares(root, layers, lambda content: content.path in found[content.layer].libraries),
        libraries=libraries.libraries(root, found, layers, config=layout.config, fleet=fleet),
        wire=wire,
        seconds=time.monotonic() - started,
    )
    return Weighed(measurement=measurement, root=root)
