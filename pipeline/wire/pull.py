"""Blobs, a bandwidth and a node's cores in, a predicted pull out. Speaks to: nothing.

The model is what containerd and Docker do by default: a few layers are downloaded at a time, in order, and share the
bandwidth equally; each is applied once it is whole and all layers below it are applied, one after the other. One
thread inflates and unpacks a layer in turns, so that their times add up: containerd spends one processor second for
each second that it applies. More cores only help an engine that unpacks layers side by side, each on a core of its
own. The manifest, the network's latency and layers that the node has already are left out.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence
from itertools import repeat
from typing import NamedTuple

from pipeline.errors import BadFile
from pipeline.model.image import Layer
from pipeline.model.wire import Blob, LayerPull, Phase, Pull, Speeds

IN_ORDER = "layers are downloaded side by side and applied one after the other, in order (containerd, Docker)"
SIDE_BY_SIDE = "layers are downloaded side by side and applied side by side, each on one core"
# One core of a small cloud machine under containerd 2.1, by bench/pull.py.
DEFAULT = Speeds(gzip=61e6, zstd=74e6, unpack=290e6, layer=0.05, source="bench/pull.py, containerd 2.1 on 2 cores")

_BANDWIDTH = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s?([kmg])(?:bit(?:/s)?|bps|bit/sec)", re.IGNORECASE)


def bits_per_second(text: str) -> float:
    """Read `100Mbit`, `2.5Gbit/s`, `10 Mbps` as bits a second. Raises BadFile for anything else."""
    read = _BANDWIDTH.fullmatch(text.strip())
    rate = float(read[1]) * {"k": 1e3, "m": 1e6, "g": 1e9}[read[2].lower()] if read else 0.0
    if not 0 < rate < float("inf"):
        raise BadFile(f"`{text[:40]}` is no bandwidth", file="--bandwidth", hint="100Mbit, or 2.5Gbit")
    return rate


def blobs(
    layers: Sequence[Layer], tar_bytes: Sequence[int], compressions: Sequence[str] | None = None
) -> tuple[Blob, ...]:
    """The layers as they travel. `tar_bytes` has each layer's uncompressed size; layers are gzip unless told.

    Raises ValueError when the sequences are not equally long.
    """
    kinds = repeat("gzip", len(layers)) if compressions is None else compressions
    return tuple(
        Blob(digest=layer.digest, compressed_bytes=layer.compressed_bytes, tar_bytes=size, compression=kind)
        for layer, size, kind in zip(layers, tar_bytes, kinds, strict=True)
    )


def pull(
    parts: Sequence[Blob], *, bandwidth: float, cores: int = 2, concurrent: int = 3, speeds: Speeds = DEFAULT,
    side_by_side: bool = False,
) -> Pull:  # fmt: skip
    """Predict a pull onto a node that has none of the layers; `bandwidth` is bits a second.

    With `side_by_side`, layers are applied as they come, as many at a time as there are cores: containerd from 2.2 on
    where max_concurrent_unpacks says so (containerd#12332). Else in order, whatever the cores.
    Raises ValueError for a bandwidth, cores or a number of downloads that is not a finite number above zero.
    """
    if not (0 < bandwidth < float("inf") and cores > 0 and concurrent > 0):
        raise ValueError(f"no pull at {bandwidth} bit/s with {cores} cores and {concurrent} downloads at a time")
    downloads = _downloads([one.compressed_bytes for one in parts], bandwidth / 8, concurrent)
    applies = _applies(parts, [one.end for one in downloads], cores if side_by_side else 1, side_by_side, speeds)
    critical = _critical(downloads, applies)
    return Pull(
        seconds=max((one.end for one in applies), default=0.0),
        bandwidth=bandwidth,
        cores=cores,
        concurrent=concurrent,
        layers=tuple(
            LayerPull(
                blob=blob,
                download=Phase(start=download.start, end=download.end, critical=("download", index) in critical),
                inflate=Phase(start=apply.start, end=apply.inflated, critical=("apply", index) in critical),
                unpack=Phase(start=apply.inflated, end=apply.end, critical=("apply", index) in critical),
            )
            for index, (blob, download, apply) in enumerate(zip(parts, downloads, applies, strict=True))
        ),
        speeds=speeds,
        model=SIDE_BY_SIDE if side_by_side else IN_ORDER,
    )


class _Span(NamedTuple):
    """When a piece of work runs, and the layer whose own work of the same kind made room for it."""

    start: float
    end: float
    after: int | None
    inflated: float = 0.0


def _downloads(sizes: Sequence[int], rate: float, concurrent: int) -> list[_Span]:
    """Each download when those that run share `rate` bytes a second equally.

    `served` is what each running download would have got had it run since the beginning: a download ends when that
    has grown by its size, so that one heap orders all ends.
    """
    found: list[_Span] = []
    running: list[tuple[float, int]] = []
    now = served = 0.0
    ended: int | None = None
    following = 0
    while running or following < len(sizes):
        while following < len(sizes) and len(running) < concurrent:
            found.append(_Span(now, now, ended))
            heapq.heappush(running, (served + sizes[following], following))
            following += 1
        until, ended = heapq.heappop(running)
        now += (until - served) * (len(running) + 1) / rate
        served = until
        found[ended] = found[ended]._replace(end=now)
    return found


def _applies(
    parts: Sequence[Blob], downloaded: Sequence[float], cores: int, as_they_come: bool, speeds: Speeds
) -> list[_Span]:
    """Each layer's inflating and unpacking on one of the cores: in order, or in the order of the downloads' ends."""
    found = [_Span(0.0, 0.0, None)] * len(parts)
    free: list[tuple[float, int | None]] = [(0.0, None)] * min(cores, max(len(parts), 1))
    order = sorted(range(len(parts)), key=lambda one: (downloaded[one], one)) if as_they_come else range(len(parts))
    for index in order:
        at, before = free[0]
        start = max(at, downloaded[index])
        inflated = start + _inflating(parts[index], speeds)
        end = inflated + parts[index].tar_bytes / speeds.unpack + speeds.layer
        found[index] = _Span(start, end, before if at >= downloaded[index] else None, inflated)
        heapq.heapreplace(free, (end, index))
    return found


def _inflating(blob: Blob, speeds: Speeds) -> float:
    speed = {"gzip": speeds.gzip, "zstd": speeds.zstd}.get(blob.compression)
    return blob.tar_bytes / speed if speed else 0.0


def _critical(downloads: Sequence[_Span], applies: Sequence[_Span]) -> set[tuple[str, int]]:
    """The work that the end of the pull waits for, found from its end.

    An apply waits for the one that made room or for its own download, whichever ended last; a download that had no
    free place at the beginning waits for the one that made room.
    """
    found: set[tuple[str, int]] = set()
    index: int | None = max(range(len(applies)), key=lambda one: applies[one].end, default=None)
    first: int | None = None
    while index is not None:
        found.add(("apply", index))
        first, index = index, applies[index].after
    while first is not None and downloads[first].end > 0:
        found.add(("download", first))
        first = downloads[first].after
    return found
