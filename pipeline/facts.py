"""An image reference or a version in, what is known about CUDA out. Speaks to: pipeline/data/gpu.yaml.

The file is ours and read once. Versions are compared with `packaging`, never as text.
What the file does not know (a version newer than itself) is never called missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from packaging.version import InvalidVersion, Version

_TAG = re.compile(
    r"(?P<version>\d+\.\d+(?:\.\d+)?)-(?:(?P<library>cudnn\d*|tensorrt)-)?"
    r"(?P<flavour>base|runtime|devel)-(?P<os>[a-z]+[0-9.]+)"
)
_PIECES = {
    "version": re.compile(r"\d+(?:\.\d+){0,2}"),
    "library": re.compile(r"cudnn\d*|tensorrt"),
    "flavour": re.compile(r"base|runtime|devel"),
    "os": re.compile(r"(?:ubuntu|ubi|centos|rockylinux|oraclelinux|opensuse|amzn|azl|cm)[0-9.]*"),
}
# pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel, nvcr.io/nvidia/cuda-dl-base:25.06-cuda12.9-devel-ubuntu24.04
_FRAMEWORK_TAG = re.compile(r"cuda(?P<version>\d+\.\d+)(?:\.\d+)?.*?-(?P<flavour>base|runtime|devel)\b")
_FLAVOURS = ("base", "runtime", "devel")  # each holds the one before
_FRAMEWORK_IMAGES = ("pytorch/pytorch", "nvidia/cuda-dl-base")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An image reference in its parts: `host:port/path:tag@digest`."""

    repository: str
    tag: str | None
    digest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaTag:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaBase:
    """An image that brings CUDA: nvidia/cuda, or a framework image whose tag names its CUDA version."""

    name: str  # nvidia/cuda, pytorch/pytorch, …
    version: Version | None
    flavour: str | None
    library: str | None


def reference(image: str) -> Reference:
    """Split an image reference. A colon before the last slash is a port, not a tag."""
    name, _, digest = image.partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return Reference(repository=head + slash + last, tag=tag or None, digest=digest or None)


def cuda_tag(image: str) -> CudaTag | None:
    """Read a reference to nvidia/cuda, at any registry and below any mirror's path; None for other images."""
    parts = reference(image)
    if not _is_at(parts.repository, "nvidia/cuda"):
        return None
    tag = parts.tag or (None if parts.digest else "latest")
    exact = _TAG.fullmatch(tag or "")
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


def cuda_base(image: str | None) -> CudaBase | None:
    """Return what CUDA an image brings; None for one that brings none, or that we know nothing about."""
    tag = cuda_tag(image) if image else None
    if tag is not None:
        return CudaBase(name="nvidia/cuda", version=tag.version, flavour=tag.flavour, library=tag.library)
    parts = reference(image or "")
    for name in _FRAMEWORK_IMAGES:
        if _is_at(parts.repository, name):
            found = _FRAMEWORK_TAG.search(parts.tag or "")
            version = Version(found["version"]) if found else None
            return CudaBase(name=name, version=version, flavour=found["flavour"] if found else None, library=None)
    return None


def exists(tag: CudaTag) -> bool | None:
    """Return whether nvidia/cuda has, or had, this tag; None when it is newer than what we know."""
    if tag.version is None:
        return False
    if tag.version < Version("11.1") and _withdrawn_whole(tag):
        return True  # short forms like `10.2-devel` were tags once; that they are gone is for is_end_of_life
    if tag.os is None or tag.flavour is None:
        return False
    text = _text(tag.version)
    for images in (_supported(), _end_of_life()):
        if tag.variant in images.get(text, {}).get(tag.os, ()):
            return tag.well_formed
    if not tag.well_formed:
        return False
    if text in _data()["cuda_images"]["also_seen"] or _may_be_newer(tag.version):
        return None
    return False


def is_end_of_life(tag: CudaTag) -> bool:
    """Return whether NVIDIA has given this tag up: its version as a whole, or its version on this system."""
    if tag.version is None:
        return False
    text = _text(tag.version)
    if tag.os and tag.variant in _supported().get(text, {}).get(tag.os, ()):
        return False
    return _withdrawn_whole(tag) or bool(tag.os and tag.os in _end_of_life().get(text, {}))


def nearest_tag(tag: CudaTag) -> str:
    """Return the supported tag closest to `tag`: its cuDNN and flavour first, then version, then system."""
    return min(_all_supported(), key=lambda candidate: _distance(tag, candidate))[-1]


def minimum_driver(cuda: Version) -> Version | None:
    """Return the driver that was released with this toolkit (Linux); None when unknown. `12.4` means 12.4.0."""
    found = _data()["drivers"]["toolkit"].get(".".join(str(part) for part in _three(cuda)))
    return Version(found) if found else None


def oldest_driver(cuda: Version) -> Version | None:
    """Return the oldest driver on which this toolkit's major version runs at all; None when unknown."""
    found = _data()["drivers"]["oldest_for_major"].get(str(cuda.major))
    return Version(found) if found else None


def accepted_branches(cuda: Version) -> tuple[int, ...] | None:
    """Return the older driver branches on which the NVIDIA runtime starts nvidia/cuda images of this version."""
    found = _data()["required_branches"]["images"].get(_text(cuda))
    return None if found is None else tuple(found)


def torch_default_cuda(torch: Version) -> Version | None:
    """Return the CUDA version in torch's default wheel; None when unknown."""
    return _wheel("torch_default_cuda", torch)


def torch_index_cuda(torch: Version) -> tuple[Version, ...] | None:
    """Return the CUDA versions that torch's own index offers for this release; None when unknown."""
    found = _data()["wheels"]["torch_index_cuda"].get(torch.base_version)
    return None if found is None else tuple(Version(version) for version in found)


def onnxruntime_cuda(onnxruntime: Version) -> Version | None:
    """Return the CUDA major version that the `cuda` extra of this onnxruntime-gpu installs; None when unknown."""
    return _wheel("onnxruntime_gpu_cuda_major", onnxruntime)


def cuda_of_variant(variant: str) -> Version | None:
    """Read the `cu124` of a wheel or an index: 12.4. None for `cpu`, `rocm6.2` and everything else."""
    found = re.fullmatch(r"cu(\d{2})(\d)", variant)
    return Version(f"{found[1]}.{found[2]}") if found else None


def driver(text: str) -> Version | None:
    """Read a driver version as people write it: `535.104.05`, `535`, `R535`. None when it is none."""
    try:
        return Version(text.strip().removeprefix("R").removeprefix("r"))
    except InvalidVersion:
        return None


@lru_cache(maxsize=1)
def _data() -> Mapping[str, Any]:
    import yaml

    text = resources.files("pipeline").joinpath("data/gpu.yaml").read_text(encoding="utf-8")
    loaded: Mapping[str, Any] = yaml.safe_load(text)
    return loaded


@lru_cache(maxsize=1)
def _supported() -> Mapping[str, Mapping[str, frozenset[str]]]:
    return _images("supported")


@lru_cache(maxsize=1)
def _end_of_life() -> Mapping[str, Mapping[str, frozenset[str]]]:
    return _images("end_of_life")


def _images(section: str) -> Mapping[str, Mapping[str, frozenset[str]]]:
    """Version → system → variants, from the file's shorter version → variants → systems."""
    images: dict[str, dict[str, frozenset[str]]] = {}
    for version, rows in _data()["cuda_images"][section].items():
        systems = images.setdefault(version, {})
        for variants, names in rows.items():
            for name in names.split():
                systems[name] = systems.get(name, frozenset()) | frozenset(variants.split())
    return images


@lru_cache(maxsize=1)
def _all_supported() -> tuple[tuple[Version, str, str, str], ...]:
    """Every supported tag: version, variant, system, tag."""
    return tuple(
        (Version(version), variant, system, f"{version}-{variant}-{system}")
        for version, systems in _supported().items()
        for system, variants in systems.items()
        for variant in sorted(variants)
    )


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


def _pieces(tag: str) -> dict[str, str]:
    """What a tag outside the grammar still tells, so that the nearest real tag can be named."""
    found: dict[str, str] = {}
    for part in tag.split("-"):
        for name, pattern in _PIECES.items():
            if name not in found and pattern.fullmatch(part):
                found[name] = part
    return found


def _withdrawn_whole(tag: CudaTag) -> bool:
    text = _text(tag.version) if tag.version else ""
    return text in _end_of_life() and text not in _supported()


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
    images = _data()["cuda_images"]
    yield from images["supported"]
    yield from images["end_of_life"]
    yield from images["also_seen"]
    yield from _data()["drivers"]["toolkit"]


def _newest() -> Version:
    return max(Version(text) for text in _supported())


def _three(version: Version) -> tuple[int, int, int]:
    return version.major, version.minor, version.micro


def _text(version: Version) -> str:
    """The version as the tag wrote it: 10.2 stays 10.2, 12.4.1 stays 12.4.1."""
    return ".".join(str(part) for part in version.release)


def _is_at(repository: str, name: str) -> bool:
    return repository == name or repository.endswith("/" + name)


def _wheel(table: str, version: Version) -> Version | None:
    found = _data()["wheels"][table].get(version.base_version)
    return Version(str(found)) if found else None
