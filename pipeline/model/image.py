"""What build, measure, scan and smoke say of an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.model.libraries import Libraries
from pipeline.model.shares import Shares
from pipeline.model.wire import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A stage that did not look. A reader must never mistake this for passed."""

    because: str
    outcome: str = field(default="skipped", init=False)


# --- build ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image, by digest. `local` is the tag that the engine here knows it by.

    `engine_id` is the engine's own id where that is not the digest: with the classic image store.
    """

    name: str
    repository: str  # with its registry: 127.0.0.1:5000/seatrial/fastapi-gpu
    digest: str  # sha256:…
    local: str
    engine_id: str | None = None

    @property
    def runnable(self) -> str:
        """What the engine here can run, by content."""
        return self.engine_id or self.digest

    @property
    def reference(self) -> str:
        """The name that can only ever mean this image."""
        return f"{self.repository}@{self.digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The image that another builds on. `digest` is None when nobody could tell."""

    name: str
    digest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """A preparation step of image.yaml: what it made, or why something else stood in."""

    name: str
    outcome: str  # made | unchanged | replaced
    because: str | None
    outputs: Mapping[str, str]  # path → sha256
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildStep:
    """One step of the build, as BuildKit reported it."""

    name: str
    dockerfile_line: int | None
    cached: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What a build made. `created` is the OCI label: the time of the sources, not of the build."""

    image: Image
    config_digest: str
    base: Base | None
    labels: Mapping[str, str]
    created: str
    platform: str
    preparations: tuple[Preparation, ...]
    steps: tuple[BuildStep, ...]
    seconds: float
    provenance: Mapping[str, Any]  # SLSA, as BuildKit wrote it


# --- attribution: which line brought which layer ---


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerOrigin:
    """Where a layer comes from. `dockerfile_line` is None for the base's layers and where nobody can tell."""

    digest: str
    diff_id: str
    instruction: str
    dockerfile_line: int | None
    origin: str  # base | own


# --- measure ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer. `bytes` are its regular files (a hard link is 0), `compressed_bytes` what travels."""

    digest: str
    diff_id: str
    instruction: str
    dockerfile_line: int | None
    origin: str  # base | own
    bytes: int
    compressed_bytes: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over an image; see docs/json.md for what counts as wasted and as duplicate."""

    bytes: int
    compressed_bytes: int
    wasted_bytes: int
    duplicate_bytes: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waste:
    """Bytes that could stay out, by cause and layer. `compressed_bytes` is an estimate by the layer's ratio."""

    cause: str  # overwritten | copied-up | deleted | hidden; duplicate, package-cache, … of what is seen
    seen: bool  # a container sees these files; only what nobody sees counts as wasted bytes
    bytes: int
    compressed_bytes: int
    layer: str
    instruction: str
    dockerfile_line: int | None
    paths: tuple[str, ...]
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One installed package and the layer that brought it."""

    name: str
    version: str
    kind: str  # conda | deb | rpm | apk | python
    bytes: int | None
    layer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one image weighs."""

    image: str
    digest: str
    source: str  # where the layers were read: "containerd blobs", "docker save", …
    verified: bool  # was every layer read whole, and is it what its diff ID says?
    layers: tuple[Layer, ...]
    totals: Totals
    waste: tuple[Waste, ...]
    packages: tuple[Package, ...]
    shares: Shares
    libraries: Libraries | None  # None: nobody looked
    wire: Wire | None  # None: nobody reckoned
    seconds: float


# --- scan ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanner:
    """The program that looked."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """What the vulnerability database knows. `covers` and `blind` name ecosystems in words."""

    source: str
    digest: str
    built: str
    advisories: int
    covers: tuple[str, ...]
    blind: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One known vulnerability in one installed package, and the line that brought it."""

    id: str
    package: str
    version: str
    fixed_in: str | None
    severity: str  # critical | high | medium | low | unknown
    title: str
    layer: str | None
    instruction: str | None
    dockerfile_line: int | None
    origin: str  # base | own
    waived: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Something that looks like a credential. The credential itself is never kept."""

    rule: str
    title: str
    severity: str
    path: str
    line: int | None
    layer: str | None
    instruction: str | None
    dockerfile_line: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What the scanner saw in one image. `vulnerabilities` is a Skipped when no database could be had."""

    image: str
    digest: str
    scanner: Scanner
    database: Database | None
    vulnerabilities: Skipped | None
    flaws: tuple[Flaw, ...]
    secrets: tuple[Secret, ...]
    packages: int
    sbom: Mapping[str, Any]  # CycloneDX; the report keeps it in a file of its own
    seconds: float


# --- smoke ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """What the container was given. `simulated` is true for a stand-in device: it proves the plumbing only."""

    requested: str  # auto | required | none
    visible: int | None
    driver: str | None
    simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one probe ended. `saw` is what came back, shortened; `because` says why it failed or was skipped."""

    probe: str
    outcome: str  # passed | failed | skipped
    because: str | None
    saw: str | None
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoke:
    """What a container of the image did. `hardening` lists the limits it ran under."""

    image: str
    digest: str
    gpu: Gpu
    ready_after_s: float | None
    stopped_after_s: float | None
    exit_code: int | None
    outcomes: tuple[Outcome, ...]
    hardening: tuple[str, ...]
    logs: str  # the last lines
    seconds: float
