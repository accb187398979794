"""An image reference in, what is known about nvidia/cuda's tags out. Speaks to: the table of tags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.version import Version

from pipeline.facts.tables import key, table

if TYPE_CHECKING:
    from datetime import date

_TAG = (
    r"(?P<version>\d+\.\d+(?:\.\d+)?)-(?:(?P<library>cudnn\d*|tensorrt)-)?"
    r"(?P<flavour>base|runtime|devel)-(?P<os>[a-z]+[0-9.]+)"
)
_PIECES = {
    "version": r"\d+(?:\.\d+){0,2}",
    "library": r"cudnn\d*|tensorrt",
    "flavour": r"base|runtime|devel",
    "os": r"(?:ubuntu|ubi|centos|rockylinux|oraclelinux|opensuse|amzn|azl|cm)[0-9.]*",
}
_FLAVOURS = ("base", "runtime", "devel")  # each holds the one before
_DELETED_AFTER = 6  # months after the end of life: NVIDIA's support policy for its CUDA images


class Reference(NamedTuple):
    """An image reference in its parts: `host:port/path:tag@digest`."""

    repository: str
    tag: str | None
    digest: str | None


class CudaTag(NamedTuple):
    """A reference to nvidia/cuda. Parts that the tag does not name are None; no tag and no digest is `latest`."""

    repository: str
    tag: str | None
    digest: str | None
    version: Version | None
    library: str | None  # cudnn, cudnn8, cudnn9, tensorrt
    flavour: str | None  # base, runtime, devel
    os: str | None
    well_formed: bool

    @property
    def variant(self) -> str:
        """Library and flavour as the tag writes them: `cudnn-runtime`."""
        return "-".join(part for part in (self.library, self.flavour) if part)


def reference(image: str) -> Reference:
    """Split an image reference. A colon before the last slash is a port, not a tag."""
    name, _, digest = image.partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return Reference(repository=head + slash + last, tag=tag or None, digest=digest or None)


def cuda_tag(image: str) -> CudaTag | None:
    """Read a reference to nvidia/cuda, at any registry and below any mirror's path; None for other images."""
    parts = reference(image)
    if not is_at(parts.repository, "nvidia/cuda"):
        return None
    tag = parts.tag or (None if parts.digest else "latest")
    exact = re.fullmatch(_TAG, tag or "")
    found = exact.groupdict() if exact else _pieces(tag or "")
    version = found.get("version")
    return CudaTag(
        repository=parts.repository,
        tag=tag,
        digest=parts.digest,
        version=Version(version) if version else None,
        library=found.get("library"),
        flavour=found.get("flavour"),
        os=found.get("os"),
        well_formed=exact is not None,
    )


def is_at(repository: str, name: str) -> bool:
    """Return whether a repository is `name`, on whatever registry or mirror."""
    return repository == name or repository.endswith("/" + name)


def exists(tag: CudaTag) -> bool | None:
    """Return whether nvidia/cuda has, or had, this tag; None when it is newer than what we know."""
    if tag.version is None:
        return False
    if tag.version < Version("11.1") and _withdrawn_whole(tag):
        return True  # short forms like `10.2-devel` were tags once; that they are gone is for is_end_of_life
    if tag.os is None or tag.flavour is None:
        return False
    text = key(tag.version)
    for section in ("supported", "end_of_life"):
        if tag.variant in _variants(section, text, tag.os):
            return tag.well_formed
    if not tag.well_formed:
        return False
    if text in table("cuda_tags")["also_seen"] or _may_be_newer(tag.version):
        return None
    return False


def is_end_of_life(tag: CudaTag) -> bool:
    """Return whether NVIDIA has given this tag up: its version as a whole, or its version on this system."""
    if tag.version is None:
        return False
    text = key(tag.version)
    if tag.os and tag.variant in _variants("supported", text, tag.os):
        return False
    return _withdrawn_whole(tag) or bool(tag.os and tag.os in table("cuda_tags")["end_of_life"].get(text, {}))


def deletion(tag: CudaTag) -> date | None:
    """Return the day from which NVIDIA's policy lets an end-of-life tag be deleted; None when it is not, or unknown.

    Six months after the day on which it was first seen on the list of what is end of life: a tag that was put there
    earlier may be gone earlier, and some stay for longer.
    """
    if not is_end_of_life(tag) or tag.version is None:
        return None
    from datetime import date

    known = table("cuda_tags")
    since = date.fromisoformat(known["end_of_life_since"].get(key(tag.version), known["end_of_life_listed"]))
    month = since.month - 1 + _DELETED_AFTER
    return date(since.year + month // 12, month % 12 + 1, min(since.day, 28))


def replacement(tag: CudaTag) -> str | None:
    """Return the supported tag that an end-of-life tag is best replaced by; None when it is not end of life."""
    return nearest_tag(tag) if is_end_of_life(tag) else None


def nearest_tag(tag: CudaTag) -> str:
    """Return the supported tag closest to `tag`: its cuDNN and flavour first, then version, then system."""
    return min(all_supported(), key=lambda candidate: _distance(tag, candidate))[-1]


@lru_cache(maxsize=1)
def all_supported() -> tuple[tuple[Version, str, str, str], ...]:
    """Every supported tag: version, variant, system, tag."""
    return tuple(
        (Version(version), variant, system, f"{version}-{variant}-{system}")
        for version, systems in table("cuda_tags")["supported"].items()
        for system, variants in systems.items()
        for variant in sorted(variants.split())
    )


def _variants(section: str, version: str, system: str) -> frozenset[str]:
    return frozenset(table("cuda_tags")[section].get(version, {}).get(system, "").split())


def _distance(tag: CudaTag, candidate: tuple[Version, str, str, str]) -> tuple[Any, ...]:
    """How far a supported tag is from the one asked for; smaller is nearer."""
    version, variant, system, name = candidate
    library, _, flavour = variant.rpartition("-")
    asked = tag.version or _newest()
    minors = abs((version.major - asked.major) * 100 + version.minor - asked.minor)
    family, number = _system(system)
    asked_family, asked_number = _system(tag.os or "ubuntu99")
    return (
        # cudnn8, cudnn9 and cudnn are one thing that NVIDIA renamed over time
        library.rstrip("0123456789") != (tag.library or "").rstrip("0123456789"),
        abs(_FLAVOURS.index(flavour) - _FLAVOURS.index(tag.flavour or "base")),
        minors,
        family != asked_family,
        abs(number - asked_number),
        version < asked,
        tuple(-part for part in version.release),
        name,
    )


def _system(name: str) -> tuple[str, float]:
    found = re.fullmatch(r"([a-z]+)(\d*(?:\.\d+)?)\.*", name)
    return (found[1], float(found[2] or 99)) if found else (name, 99.0)


def _pieces(tag: str) -> Mapping[str, str]:
    """What a tag outside the grammar still tells, so that the nearest real tag can be named."""
    found: dict[str, str] = {}
    for part in tag.split("-"):
        for name, pattern in _PIECES.items():
            if name not in found and re.fullmatch(pattern, part):
                found[name] = part
    return found


def _withdrawn_whole(tag: CudaTag) -> bool:
    text = key(tag.version) if tag.version else ""
    return text in table("cuda_tags")["end_of_life"] and text not in table("cuda_tags")["supported"]


def _may_be_newer(version: Version) -> bool:
    """Could this version have come out after our facts were gathered? Then nobody may call it missing."""
    known = [Version(text) for text in _known_versions()]
    newest = max(known)
    if version > newest:
        return version.major <= newest.major + 1
    minors = sorted({other.minor for other in known if other.major == version.major})
    points = [other.micro for other in known if (other.major, other.minor) == (version.major, version.minor)]
    # 12.8.2 came out long after 12.9: the last few minor versions still get point releases.
    return version.minor in minors[-3:] and max(points) < version.micro <= max(points) + 2


def _known_versions() -> Iterator[str]:
    tags = table("cuda_tags")
    yield from tags["supported"]
    yield from tags["end_of_life"]
    yield from tags["also_seen"]
    yield from table("drivers")["toolkit"]


def _newest() -> Version:
    return max(Version(text) for text in table("cuda_tags")["supported"])
