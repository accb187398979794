"""Every value that passes between the stages, in the order of the stages.

Sizes are bytes, times are seconds, moments are RFC 3339 in UTC. `None` means "not measured", never zero.
`document()` turns any of them into the JSON that docs/json.md describes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

# --- places and severities, used by every stage ---------------------------------------------------


class Severity(StrEnum):
    """How much a finding or a reason weighs. Only an error says no."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A stage that did not look. A reader must never mistake this for passed."""

    because: str
    outcome: str = field(default="skipped", init=False)


# --- parse ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Heredoc:
    """One here-document of an instruction. `content` keeps its newlines; `expand` is false for <<'EOF'."""

    name: str
    content: str
    expand: bool
    chomp: bool
    descriptor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction as BuildKit reads it. Lines count from 1 and include the last.

    `words` are the arguments as BuildKit's tree holds them: for RUN in shell form, one string;
    for ENV and LABEL, key, value, delimiter in turns; for the JSON form, the array's items.
    """

    keyword: str  # upper case
    words: tuple[str, ...]
    flags: tuple[str, ...]
    json_form: bool
    original: str
    line: int
    end_line: int
    heredocs: tuple[Heredoc, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One FROM and what follows it. `base` is written in the file, `image` is what it comes to.

    `parent` is the index of the stage that this one builds on, None when the base is an image;
    `image` is the *effective* base after ARGs and stages are resolved, None when an ARG has no value.
    """

    index: int
    name: str | None
    base: str
    image: str | None
    parent: int | None
    platform: str | None
    instructions: tuple[Instruction, ...]  # the FROM first
    ships: bool  # part of the target image: the target, or a stage it builds on (not one it copies from)
    needed: bool  # built at all for the target: it ships, or something needed copies or mounts from it
    environment: Mapping[str, str]  # ENV at the stage's end, parents' included, variables resolved
    arguments: Mapping[str, str]  # ARGs with values visible at the stage's end

    @property
    def line(self) -> int:
        """The line of its FROM."""
        return self.instructions[0].line

    @property
    def label(self) -> str:
        """What a person calls it: its name, or its number."""
        return self.name or str(self.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A finding that somebody accepted, in the Dockerfile or in waivers.yaml. `until` is YYYY-MM-DD."""

    rule: str
    reason: str
    until: str | None
    line: int | None = None  # the instruction's line it speaks of; None for the whole file
    image: str | None = None
    path: str | None = None
    accepted_by: str | None = None
    file: str | None = None  # where the waiver itself stands


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile:
    """A parsed Dockerfile: instructions in order, stages with their bases resolved, directives, waivers."""

    path: str
    text: str
    directives: Mapping[str, str]
    instructions: tuple[Instruction, ...]
    stages: tuple[Stage, ...]
    target: int  # index of the stage that ships
    comments: tuple[tuple[int, str], ...]  # line, text without the '#'
    waivers: tuple[Waiver, ...]

    @property
    def final(self) -> Stage:
        """The stage that ships."""
        return self.stages[self.target]

    def shipped(self) -> Iterator[Stage]:
        """The final stage and the stages it builds on, the final one first."""
        stage: Stage | None = self.final
        while stage is not None:
            yield stage
            stage = None if stage.parent is None else self.stages[stage.parent]


# --- check ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Problem:
    """What a rule sees: a line and words. `check` adds the rule's id, severity, hint and page."""

    line: int
    message: str
    end_line: int | None = None
    column: int | None = None
    stage: str | None = None
    hint: str | None = None  # when the rule knows better than its general hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a rule may know beside the Dockerfile: where it lies, its image.yaml, its parameters from the policy."""

    folder: Path | None = None
    recipe: Any | None = None  # pipeline.recipe.Recipe; Any, because recipe imports model
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule: its id names what is wrong, `look` yields the problems. Its page is policies/<id>.md."""

    id: str
    severity: Severity
    hint: str
    look: Callable[[Dockerfile, Context], Iterator[Problem]]

    @property
    def summary(self) -> str:
        """The first sentence of the module that holds the rule, without its id."""
        doc = __import__(self.look.__module__, fromlist=["_"]).__doc__ or ""
        return doc.strip().splitlines()[0].split(": ", 1)[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing a rule found, at its place."""

    rule: str
    severity: Severity
    message: str
    hint: str
    file: str
    line: int
    end_line: int
    column: int | None
    stage: str | None
    docs: str
    fixable: bool = False
    waived: str | None = None  # the waiver's reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A file that could not be judged, and why."""

    file: str
    line: int | None
    message: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lint:
    """Every finding on a set of Dockerfiles. `errors` are the files that could not be read."""

    files: tuple[str, ...]
    findings: tuple[Finding, ...]
    errors: tuple[Unread, ...] = ()

    def count(self, severity: Severity) -> int:
        """How many findings of this severity nobody waived."""
        return sum(1 for finding in self.findings if finding.severity is severity and not finding.waived)


# --- build ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image, by digest. `local` is what the engine here knows it by."""

    name: str
    repository: str  # with its registry: 127.0.0.1:5000/seatrial/fastapi-gpu
    digest: str  # sha256:…
    local: str

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


# --- attribution: which line brought which layer ---------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerOrigin:
    """Where a layer comes from. `dockerfile_line` is None for the base's layers and where nobody can tell."""

    digest: str
    diff_id: str
    instruction: str
    dockerfile_line: int | None
    origin: str  # base | own


# --- measure --------------------------------------------------------------------------------------


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
    """Bytes shipped that nobody sees, by cause and layer. `compressed_bytes` is an estimate by the layer's ratio."""

    cause: str  # overwritten | deleted | hidden
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
    kind: str  # deb | python
    bytes: int | None
    layer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one image weighs."""

    image: str
    digest: str
    source: str  # where the layers were read: "containerd blobs", "docker save", …
    layers: tuple[Layer, ...]
    totals: Totals
    waste: tuple[Waste, ...]
    packages: tuple[Package, ...]
    seconds: float


# --- scan -----------------------------------------------------------------------------------------


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


# --- smoke ----------------------------------------------------------------------------------------


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


# --- verdict, push, record ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing that the verdict rests on. Errors say no; the others are shown."""

    stage: str
    rule: str
    severity: Severity
    message: str
    hint: str
    file: str | None = None
    line: int | None = None
    docs: str | None = None
    waived: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """May this digest ship? Every reason is in it."""

    outcome: str  # passed | failed
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What the registry holds after a release, read back from it."""

    reference: str
    digest: str
    tags: tuple[str, ...]
    signatures: int
    attestations: tuple[str, ...]  # predicate types
    public_key: str  # sha256 of the key that verifies them
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program that took part."""

    name: str
    version: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStamp:
    """Which policy judged."""

    file: str
    digest: str
    profile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Everything known about one digest. Stages that have not run yet are None."""

    image: str
    digest: str | None
    started: str
    host: Mapping[str, str]
    tools: tuple[Tool, ...]
    policy: PolicyStamp
    lint: Lint
    build: Build | None = None
    measure: Measurement | None = None
    scan: Scan | Skipped | None = None
    smoke: Smoke | Skipped | None = None
    verdict: Verdict | None = None
    pushed: Pushed | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)


def document(value: Any, kind: str | None = None) -> Any:
    """Return `value` as plain JSON types; with `kind`, as a document with its schema named first."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain: Any = {f.name: document(getattr(value, f.name)) for f in dataclasses.fields(value)}
    elif isinstance(value, Mapping):
        plain = {str(key): document(item) for key, item in value.items()}
    elif isinstance(value, tuple | list):
        plain = [document(item) for item in value]
    elif isinstance(value, StrEnum | Path):
        plain = str(value)
    else:
        plain = value
    return {"schema": f"seatrial/{kind}/v1", **plain} if kind else plain
