"""What `diff` says of two images. "Before" and "after" are the order in which they were named."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.model.image import Flaw


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two images. `source` is where its layers were read, or says that only its record was."""

    image: str
    digest: str
    source: str
    files_read: bool  # false: known by its record alone, so that no file of it could be compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """A measurement's totals, or the difference of two: what was added is positive."""

    bytes: int
    compressed_bytes: int
    wasted_bytes: int
    duplicate_bytes: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalsChange:
    """The totals of both images and what was added."""

    before: Sums
    after: Sums
    delta: Sums


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The layers of the second image that a registry with the first already holds, by the digests that travel.

    `compressed_bytes` need not be pushed again, `pushed_again` must be. A layer that comes twice travels once.
    """

    layers: int
    bytes: int
    compressed_bytes: int
    pushed_again: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChange:
    """One layer and its counterpart. `matched_by` says how they were found; None for one that stands alone.

    "recompressed" holds the same files and travels under another digest, so that it is pushed again.
    """

    change: str  # same | recompressed | changed | added | removed
    matched_by: str | None  # diff_id | instruction | line
    instruction: str
    line_before: int | None
    line_after: int | None
    bytes_before: int | None  # None: there is no such layer
    bytes_after: int | None
    compressed_before: int | None
    compressed_after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageChange:
    """One package that came, went, or has another version or size. None: not there, or nobody can tell its size."""

    change: str  # added | removed | version | bytes
    kind: str
    name: str
    version_before: str | None
    version_after: str | None
    bytes_before: int | None
    bytes_after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderChange:
    """A folder in which files differ. Bytes and files are those of all below it; hard links are one file."""

    path: str  # relative to the root, "" for the root itself
    bytes_before: int
    bytes_after: int
    files_before: int
    files_after: int
    changed: int  # names below it that were added, removed, or changed in more than their time


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One name in the final root that differs. What is not there, or is no regular file, has None."""

    change: str  # added | removed | content | attributes | link | kind | times
    path: str  # relative to the root
    bytes_before: int | None
    bytes_after: int | None
    mode_before: str | None  # octal, as chmod takes it
    mode_after: str | None
    owner_before: str | None  # uid:gid
    owner_after: str | None
    line_before: int | None  # the Dockerfile's line that brought it
    line_after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCounts:
    """How many names differ, by kind. `times` is None when a layer's index was not kept and no time is known."""

    added: int
    removed: int
    content: int
    attributes: int  # mode or owner alone
    link: int  # a symbolic link that leads elsewhere
    kind: int  # a file became a link, or the like
    times: int | None  # the same content, mode and owner under another time of change


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What differs in the final roots: the biggest first, and how many more there are."""

    counts: FileCounts
    folders: tuple[FolderChange, ...]
    folders_left: int
    rows: tuple[FileChange, ...]
    rows_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlawsChange:
    """Known vulnerabilities in one image and not in the other, by id and package."""

    gained: tuple[Flaw, ...]
    lost: tuple[Flaw, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartUp:
    """Seconds until a container answered, as its smoke test measured them."""

    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What changed from one image to another. `files`, `flaws`, `start_up` are None when nobody could tell."""

    before: Side
    after: Side
    totals: TotalsChange
    shared: Shared
    layers: tuple[LayerChange, ...]
    packages: tuple[PackageChange, ...]
    files: Files | None
    flaws: FlawsChange | None
    start_up: StartUp | None
    seconds: float
