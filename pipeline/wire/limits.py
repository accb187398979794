"""An image's layers and a registry's host in, what engines and registries refuse out.

Speaks to: pipeline/data/registries.json. Each figure names its document and the day it was read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.model import Severity
from pipeline.model.image import Layer
from pipeline.model.wire import Limits, WireFinding

FILE = Path(__file__).parents[1] / "data" / "registries.json"
DOMINATES = 0.5  # of a pull: while this layer comes, nothing can be unpacked above it
FLOOR = 250_000_000  # compressed bytes under which one large layer costs a pull next to nothing


def limits(layers: Sequence[Layer], host: str | None) -> Limits:
    """What is over a limit of the engines, of the registry at `host`, or slows every pull.

    For a host that nobody has figures of, the note names the registries that would refuse the image.
    """
    known = _registry(host)
    found = [*_depth(layers), *_dominating(layers)]
    if known is not None:
        found += (_too_large(layer, known) for layer in layers if layer.compressed_bytes > known["layer_bytes"])
    return Limits(findings=tuple(found), note=_note(layers) if known is None else None)


@cache
def _table() -> Mapping[str, Any]:
    import json

    found: Mapping[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def _registry(host: str | None) -> Mapping[str, Any] | None:
    """The registry that a host, with or without a port, belongs to."""
    name = (host or "").lower().partition(":")[0]
    return next(
        (one for one in _table()["registries"] if any(fnmatchcase(name, pattern) for pattern in one["hosts"])), None
    )


def _depth(layers: Sequence[Layer]) -> Iterator[WireFinding]:
    refusing = [one for one in _table()["engines"] if len(layers) > one["layers"]]
    if refusing:
        lowest = refusing[0]
        own = [layer for layer in layers[lowest["layers"] :] if layer.dockerfile_line is not None]
        yield WireFinding(
            rule="too-many-layers",
            severity=Severity.ERROR,
            message=f"{len(layers)} layers: "
            + ", ".join(f"{one['name']} takes no more than {one['layers']}" for one in refusing),
            hint="join RUN instructions, or copy the result of a build stage in one COPY",
            dockerfile_line=own[0].dockerfile_line if own else None,
            digest=None,
        )


def _dominating(layers: Sequence[Layer]) -> Iterator[WireFinding]:
    total = sum(layer.compressed_bytes for layer in layers)
    for layer in layers:
        if len(layers) > 1 and layer.compressed_bytes > max(FLOOR, DOMINATES * total):
            yield WireFinding(
                rule="one-layer-dominates",
                severity=Severity.INFO,
                message=f"one layer is {_size(layer.compressed_bytes)} of the {_size(total)} that a pull downloads, "
                f"{layer.compressed_bytes / total:.0%}",
                hint="install the large packages in instructions of their own: layers are downloaded side by side, "
                "and a change to one does not send the others again",
                dockerfile_line=layer.dockerfile_line,
                digest=layer.digest,
            )


def _too_large(layer: Layer, registry: Mapping[str, Any]) -> WireFinding:
    return WireFinding(
        rule="layer-too-large",
        severity=Severity.ERROR,
        message=f"a layer of {_size(layer.compressed_bytes)}: {registry['name']} takes layers of no more than "
        f"{_size(registry['layer_bytes'])}",
        hint=f"cut it in several; the limit is from {registry['source']}",
        dockerfile_line=layer.dockerfile_line,
        digest=layer.digest,
    )


def _note(layers: Sequence[Layer]) -> str | None:
    """Who would refuse the largest layer."""
    largest = max((layer.compressed_bytes for layer in layers), default=0)
    refusing = [one for one in _table()["registries"] if largest > one["layer_bytes"]]
    if not refusing:
        return None
    names = "; ".join(f"{one['name']} ({_size(one['layer_bytes'])})" for one in refusing)
    return f"the largest layer is {_size(largest)}: more than these take: {names}"


def _size(count: int) -> str:
    return f"{count / 1e9:,.2f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
