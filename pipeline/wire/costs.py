"""A weighed image in, what it costs on its way to a node out. Speaks to: pipeline/data/registries.json.

What a pull takes is a prediction for a node that has nothing of the image; the speeds of its engine are in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.model import Dockerfile, Layer, Package
from pipeline.model.wire import PushedAgain, Wire
from pipeline.wire.limits import limits
from pipeline.wire.pull import blobs, pull
from pipeline.wire.splits import splits
from pipeline.wire.zstd import as_zstd

BANDWIDTH = 1e9  # bits a second: what a node of a cloud has at least


def costs(
    layers: Sequence[Layer],
    tar_bytes: Sequence[int],
    media_types: Sequence[str],
    packages: Sequence[Package],
    find: Callable[[str], Path | None],
    *,
    host: str | None,
    dockerfile: Dockerfile | None = None,
    bandwidth: float | None = None,
) -> Wire:
    """Return what the image costs on the wire. `host` is its registry's, `find` has a layer's file by its digest.

    With a `bandwidth` in bits a second somebody asks about pulls: then an eighth of each layer is compressed anew, to
    tell what zstd would do. Without one, 1 Gbit/s is taken.
    """
    rate = bandwidth or BANDWIDTH
    parts = blobs(layers, tar_bytes, [_compression(kind) for kind in media_types])
    zstd = as_zstd(parts, find) if bandwidth and any(one.compression != "zstd" for one in parts) else None
    return Wire(
        pull=pull(parts, bandwidth=rate),
        zstd=pull(zstd, bandwidth=rate) if zstd else None,
        code_change=_code_change(layers, dockerfile),
        limits=limits(layers, host),
        splits=splits(layers, parts, _contents(packages), bandwidth=rate),
    )


def host_of(repository: str) -> str | None:
    """The registry's host in a repository's name; None where it has none, as for an archive."""
    first, slash, _ = repository.partition("/")
    return first if slash and ("." in first or ":" in first) and not first.startswith(".") else None


def _code_change(layers: Sequence[Layer], dockerfile: Dockerfile | None) -> PushedAgain | None:
    if dockerfile is None:
        return None
    from pipeline.wire.push import code_change

    return code_change(layers, dockerfile)


def _contents(packages: Sequence[Package]) -> dict[str, list[tuple[str, int]]]:
    """The packages that each layer brought, by its digest."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for package in packages:
        if package.bytes:
            found[package.layer].append((package.name, package.bytes))
    return found


def _compression(media_type: str) -> str:
    kind = media_type.rpartition("+")[2] if "+" in media_type else media_type.rpartition(".")[2]
    return kind if kind in ("gzip", "zstd") else "none"
