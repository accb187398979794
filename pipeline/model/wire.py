"""What an image costs on its way to a node: pulls, pushes, limits, splits."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.model.dockerfile import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """One layer as it travels: what is downloaded, and the tar that comes out of it. Sizes are bytes."""

    digest: str
    compressed_bytes: int
    tar_bytes: int
    compression: str  # gzip | zstd | none


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """What one core of a node does, in uncompressed bytes a second, and where these figures come from."""

    gzip: float
    zstd: float
    unpack: float  # reading the tar, hashing it and writing the files
    layer: float  # seconds that each layer costs, however small it is
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """From when to when, in seconds since the pull began; `critical` when the whole pull waits for it."""

    start: float
    end: float
    critical: bool

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPull:
    """One layer's way onto a node. One thread inflates and unpacks in turns; here one stands after the other."""

    blob: Blob
    download: Phase
    inflate: Phase
    unpack: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """A predicted pull onto a node that has none of the layers. `bandwidth` is bits a second."""

    seconds: float
    bandwidth: float
    cores: int
    concurrent: int  # downloads at a time
    layers: tuple[LayerPull, ...]  # lowest first
    speeds: Speeds
    model: str

    @property
    def waits_for(self) -> str:
        """The kind of work that the longest part of the critical path is: download, inflate or unpack."""
        sums = {
            kind: sum(phase.seconds for one in self.layers if (phase := getattr(one, kind)).critical)
            for kind in ("download", "inflate", "unpack")
        }
        return max(sums, key=lambda kind: sums[kind])


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedAgain:
    """What a change sends to the registry, and to every node, again: at most these layers.

    A layer that is built again with the very same bytes is not sent, and nobody knows that before the build.
    """

    dockerfile_line: int  # of the lowest layer that changes
    instruction: str
    compressed_bytes: int
    of_bytes: int  # of the whole image, compressed
    layers: tuple[str, ...]  # digests, lowest first


@dataclass(frozen=True, slots=True, kw_only=True)
class WireFinding:
    """One thing about the layers that an engine or a registry refuses, or that makes pulls slow."""

    rule: str
    severity: Severity
    message: str
    hint: str
    dockerfile_line: int | None
    digest: str | None  # of the layer; None for the whole image


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the limits say of an image. `note` names registries that would refuse it, where none is known."""

    findings: tuple[WireFinding, ...]
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One layer in several, and what the pull gains. Compressed bytes of the parts are estimates by their share."""

    digest: str
    dockerfile_line: int | None
    instruction: str
    parts: tuple[tuple[str, ...], ...]  # names per new layer; what no name covers is in the last
    seconds_before: float
    seconds_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What an image costs between registry and node."""

    pull: Pull
    zstd: Pull | None  # with each layer as zstd, from samples; None: nobody asked, it is zstd, or a layer is not here
    code_change: PushedAgain | None  # None: nobody can tell which line brings the code
    limits: Limits
    splits: tuple[Split, ...]  # layers that would pull faster in several, the most seconds saved first
