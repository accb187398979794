"""The name and version of a wheel in, what it brings and needs out. Speaks to: the tables of wheels.

`variant` is the `cu128` of `torch==2.8.0+cu128` or of an index; without one the wheel of the public index is meant.
Every answer is None where no table has it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from packaging.version import Version

from pipeline.facts.drivers import oldest_driver
from pipeline.facts.tables import table


def torch_default_cuda(torch: Version) -> Version | None:
    """Return the CUDA version in torch's default wheel; None when unknown."""
    return _cuda_of("torch", torch)


def torch_index_cuda(torch: Version) -> tuple[Version, ...] | None:
    """Return the CUDA versions that torch's own index offers for this release; None when unknown."""
    found = table("torch_builds")["index"].get(torch.base_version)
    return None if found is None else tuple(Version(version) for version in found.split())


def onnxruntime_cuda(onnxruntime: Version) -> Version | None:
    """Return the CUDA major version that the `cuda` extra of this onnxruntime-gpu installs; None when unknown."""
    return _cuda_of("onnxruntime-gpu", onnxruntime)


def cuda_of_variant(variant: str) -> Version | None:
    """Read the `cu124` of a wheel or an index: 12.4; flash-attn's `cu12torch2.6…` is 12. None for everything else."""
    if found := re.fullmatch(r"cu(\d{2})(\d)", variant):
        return Version(f"{found[1]}.{found[2]}")
    found = re.fullmatch(r"cu(\d{2})(?:torch.*)?", variant)
    return Version(found[1]) if found else None


def wheel_cuda(name: str, version: Version | None, variant: str | None = None) -> Version | None:
    """Return the CUDA version that a wheel was built for: of its variant, its local version, or its default wheel.

    Major and minor where they are known; onnxruntime-gpu and jax name only a major version.
    """
    variant = variant or (version.local if version else None)
    if variant:
        return cuda_of_variant(variant)
    if version is None:
        return None
    torch = wheel_torch(name, version)
    return _cuda_of("torch", torch) if torch else _cuda_of(name, version)


def wheel_cudnn(name: str, version: Version) -> int | None:
    """Return the major version of cuDNN that a wheel was built against."""
    torch = wheel_torch(name, version)
    found = _release("torch" if torch else _built(name), torch or version).get("cudnn")
    return int(str(found).partition(".")[0]) if found else None


def wheel_pythons(name: str, version: Version) -> tuple[str, ...] | None:
    """Return the Python versions (`3.9`, `3.10`, ascending) for which a release has wheels for Linux on x86-64."""
    found = _release(_built(name), version).get("pythons")
    return tuple(found.split()) if found else None


def wheel_torch(name: str, version: Version) -> Version | None:
    """Return the torch that a release asks for exactly, as vllm's releases do."""
    found = _release(name, version).get("torch")
    return Version(found) if found else None


def wheel_driver(name: str, version: Version | None, variant: str | None = None) -> Version | None:
    """Return the oldest driver on which the CUDA that a wheel was built for runs."""
    cuda = wheel_cuda(name, version, variant)
    return oldest_driver(cuda) if cuda else None


def wheel_capabilities(name: str, version: Version | None, variant: str | None = None) -> tuple[str, ...] | None:
    """Return the compute capabilities that torch's wheel, or a wheel that pins torch, holds machine code for.

    Ascending; `12.0+PTX` can also be compiled for newer GPUs, see `gpus.covers`.
    """
    if version is None:
        return None
    torch = version if name == "torch" else wheel_torch(name, version)
    cuda = wheel_cuda(name, version, variant)
    if torch is None or cuda is None or len(cuda.release) < 2:
        return None
    found = table("torch_builds")["capabilities"].get(f"{torch.major}.{torch.minor}", {})
    row = found.get(f"cu{cuda.major}{cuda.minor}")
    return tuple(row.split()) if row else None


def _built(name: str) -> str:
    """The wheel with the machine code in it: jax itself is Python only."""
    return "jax-cuda12-plugin" if name == "jax" else name


def _cuda_of(name: str, version: Version) -> Version | None:
    found = _release(name, version).get("cuda")
    return Version(found) if found else None


def _release(name: str, version: Version) -> Mapping[str, Any]:
    releases = table("wheels")["releases"].get(name, {})
    found: Mapping[str, Any] = releases.get(version.public) or releases.get(version.base_version) or {}
    return found
