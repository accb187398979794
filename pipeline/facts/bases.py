"""An image reference in, what its name and tag tell about CUDA or ROCm in it out. Speaks to: nothing.

A tag is read for what it says: `pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel` names everything, `vllm-openai:v0.9.2`
only its own version. What a tag does not say is None.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from packaging.version import InvalidVersion, Version

from pipeline.facts.images import CudaTag, Reference, cuda_tag, is_at, reference

# pytorch/pytorch:2.7.1-cuda12.6-cudnn9-devel, nvcr.io/nvidia/cuda-dl-base:25.06-cuda12.9-devel-ubuntu24.04
_FRAMEWORK_TAG = r"cuda(?P<version>\d+\.\d+)(?:\.\d+)?.*?-(?P<flavour>base|runtime|devel)\b"
_FRAMEWORK_IMAGES = ("pytorch/pytorch", "nvidia/cuda-dl-base")
# Images that are for GPUs whatever their tag says; below any registry or mirror.
_FRAMEWORKS = {
    "pytorch/pytorch": "pytorch",
    "nvidia/pytorch": "pytorch",
    "nvidia/tensorflow": "tensorflow",
    "nvidia/jax": "jax",
    "nvidia/tritonserver": "triton",
    "nvidia/tensorrt": "tensorrt",
    "nvidia/tensorrt-llm/release": "tensorrt-llm",
    "nvidia/nemo": "nemo",
    "nvidia/deepstream": "deepstream",
    "nvidia/cuda-dl-base": None,
    "vllm/vllm-openai": "vllm",
    "huggingface/text-generation-inference": "tgi",
    "lmsysorg/sglang": "sglang",
    "runpod/pytorch": "pytorch",
}
_GPU_ONLY_BY_TAG = {"tensorflow/tensorflow": "tensorflow", "huggingface/text-embeddings-inference": "tei"}
_AWS = r"(?:.*/)?(?:huggingface-)?(pytorch|tensorflow|mxnet|vllm|sglang)(?:-tgi)?-(?:training|inference)(?:-.*)?"


class CudaBase(NamedTuple):
    """An image that brings CUDA: nvidia/cuda, or a framework image whose tag names its CUDA version."""

    name: str  # nvidia/cuda, pytorch/pytorch, …
    version: Version | None
    flavour: str | None
    library: str | None


class GpuBase(NamedTuple):
    """An image for a GPU, as far as its reference tells.

    `name` is without registry and mirror for known images (`nvidia/cuda`), the repository as written for others.
    `release` is NVIDIA's monthly release (`25.06`), `rocm` is set on AMD's images only.
    """

    name: str
    vendor: str  # nvidia, amd
    cuda: Version | None = None
    cudnn: int | None = None  # the major version
    flavour: str | None = None  # base, runtime, devel
    framework: str | None = None  # pytorch, tensorflow, triton, vllm, …
    framework_version: Version | None = None
    os: str | None = None  # ubuntu22.04, as tags write it
    python: str | None = None  # 3.10
    release: str | None = None
    rocm: Version | None = None


def cuda_base(image: str | None) -> CudaBase | None:
    """Return what CUDA an image brings; None for one that brings none, or that we know nothing about."""
    tag = cuda_tag(image) if image else None
    if tag is not None:
        return CudaBase(name="nvidia/cuda", version=tag.version, flavour=tag.flavour, library=tag.library)
    parts = reference(image or "")
    for name in _FRAMEWORK_IMAGES:
        if is_at(parts.repository, name):
            found = re.search(_FRAMEWORK_TAG, parts.tag or "")
            version = Version(found["version"]) if found else None
            return CudaBase(name=name, version=version, flavour=found["flavour"] if found else None, library=None)
    return None


@lru_cache(maxsize=64)  # every rule asks about the same few bases
def gpu_base(image: str | None) -> GpuBase | None:
    """Return what is known about a GPU image from its reference alone, at any registry or mirror; None for others."""
    if not image:
        return None
    tag = cuda_tag(image)
    if tag is not None:
        return _nvidia_cuda(tag)
    parts = reference(image)
    words = parts.tag or ""
    if re.search(r"(?:^|/)rocm/", parts.repository) or re.search(r"(?:^|[-_.])rocm", words):
        return _amd(parts)
    name, framework = _known(parts)
    if name is None or re.search(r"(?:^|[-_])(?:cpu|intel|xpu|hpu|neuron|neuronx|gaudi|tpu)(?:$|[-_.0-9])", words):
        return None
    cudnn = re.search(r"cudnn(\d)", words)
    flavour = re.search(r"(?:^|[-_])(base|runtime|devel)(?:$|[-_])", words)
    release = re.match(r"(\d{2}\.\d{2})(?=$|[-.])", words) if name.startswith("nvidia/") else None
    return GpuBase(
        name=name,
        vendor="nvidia",
        cuda=_cuda(words),
        cudnn=int(cudnn[1]) if cudnn else None,
        flavour=flavour[1] if flavour else None,
        framework=framework,
        framework_version=None if release or framework is None else _leading_version(words),
        os=_os(words),
        python=_python(words),
        release=release[1] if release else None,
    )


def _nvidia_cuda(tag: CudaTag) -> GpuBase:
    library = tag.library or ""
    cudnn = int(library[5:]) if re.fullmatch(r"cudnn\d", library) else None
    if library == "cudnn" and tag.version is not None and tag.version >= Version("12.4"):
        cudnn = 9  # from 12.4.1 on the tag carries no number any more, and the images hold cuDNN 9
    return GpuBase(name="nvidia/cuda", vendor="nvidia", cuda=tag.version, cudnn=cudnn, flavour=tag.flavour, os=tag.os)


def _amd(parts: Reference) -> GpuBase:
    """rocm/pytorch:rocm6.0.2_ubuntu22.04_py3.10_pytorch_2.1.2, rocm/dev-ubuntu-22.04:6.2-complete, …-rocm."""
    words = parts.tag or ""
    name = re.search(r"(?:^|/)(rocm/.+)", parts.repository)
    rocm = re.search(r"rocm-?(\d+\.\d+(?:\.\d+)?)", words)
    if rocm is None and name:
        rocm = re.match(r"v?(\d+\.\d+(?:\.\d+)?)", words) if name[1].startswith(("rocm/dev-", "rocm/rocm-")) else None
    framework = re.search(r"(pytorch|tensorflow|jax|vllm|sglang|text-generation-inference)", parts.repository)
    own = re.search(r"(?:pytorch|tf|tensorflow|jax|vllm)[_-]v?(\d+\.\d+(?:\.\d+)?)", words)
    system = re.search(r"dev-(ubuntu)-(\d+\.\d+)", parts.repository)
    return GpuBase(
        name=name[1] if name else parts.repository,
        vendor="amd",
        framework=framework[1] if framework else None,
        framework_version=Version(own[1]) if own else None,
        os=system[1] + system[2] if system else _os(words),
        python=_python(words),
        rocm=Version(rocm[1]) if rocm else None,
    )


def _known(parts: Reference) -> tuple[str | None, str | None]:
    """The image's name without its registry, and its framework; None and None when it is no GPU image."""
    words = parts.tag or ""
    for name, framework in _FRAMEWORKS.items():
        if is_at(parts.repository, name):
            return name, framework
    for name, framework in _GPU_ONLY_BY_TAG.items():
        if is_at(parts.repository, name):
            on_gpu = re.search(r"(?:^|-)(?:gpu|cuda)", words) or (framework == "tei" and not words.startswith("cpu"))
            return (name, framework) if on_gpu else (None, None)
    if found := re.fullmatch(_AWS, parts.repository):
        return (parts.repository, found[1]) if re.search(r"(?:^|-)gpu(?:-|$)|cu\d{3}", words) else (None, None)
    if parts.repository.startswith("nvcr.io/nvidia/"):
        return parts.repository.removeprefix("nvcr.io/"), None
    return (parts.repository, None) if _cuda(words) is not None else (None, None)


def _cuda(words: str) -> Version | None:
    """`cuda12.6`, `cuda-12.6.3`, `cu126`: what a tag says about CUDA."""
    if found := re.search(r"(?:^|[-_.])cuda-?(\d{1,2}\.\d+(?:\.\d+)?)", words):
        return Version(found[1])
    if found := re.search(r"(?:^|[-_.])cu(\d{2})(\d)(?:$|[-_.])", words):
        return Version(f"{found[1]}.{found[2]}")
    return None


def _leading_version(words: str) -> Version | None:
    found = re.match(r"v?(\d+\.\d+(?:\.\d+)?(?:\.?(?:post|rc)\d+)?)(?=$|[-_])", words)
    try:
        return Version(found[1]) if found else None
    except InvalidVersion:
        return None


def _os(words: str) -> str | None:
    found = re.search(r"(ubuntu|ubi|rockylinux|debian|amzn|azl)-?(\d+(?:\.\d+)?)", words)
    return found[1] + found[2] if found else None


def _python(words: str) -> str | None:
    """`py3.10`, `python3.11`, `py311`; `py3` alone says nothing."""
    found = re.search(r"py(?:thon)?-?(3)\.?(\d{1,2})(?!\d)", words)
    return f"{found[1]}.{found[2]}" if found else None
