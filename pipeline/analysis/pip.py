"""The words of a `pip install` in, the wheels that matter to a GPU out. Speaks to: nothing.

pip and `uv pip` are read; locked projects (`uv sync`, poetry) are not. A wheel whose CUDA version nobody can tell
from the words has `cuda` None, and no rule judges it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from packaging.version import Version

from pipeline import facts
from pipeline.analysis.requirements import INDEXES, Requirement, canonical, requirement_lines, requirement_of

_WITH_VALUE = frozenset({
    "-r", "--requirement", "-c", "--constraint", "--constraints", "-i", "--index-url", "--extra-index-url",
    "--index", "--default-index", "-f", "--find-links", "-t", "--target", "--prefix", "--root", "-p",
    "--python", "--torch-backend", "--cache-dir", "--platform", "--python-version", "--python-platform",
    "--implementation", "--abi", "--only-binary", "--no-binary", "--config-settings", "--global-option",
    "--trusted-host", "--allow-insecure-host", "--timeout", "--retries", "--proxy", "--cert", "--client-cert",
    "--index-strategy", "--keyring-provider", "--upgrade-strategy", "--progress-bar", "--src", "--log",
    "--exclude-newer", "--group", "-C", "-b", "--build-constraint", "--overrides", "--override", "--resolution",
    "--prerelease", "--link-mode", "--reinstall-package", "-P", "--upgrade-package", "--extra", "--optional",
    "--project", "--directory", "--package", "--with", "--pip-args", "--suffix", "--preinstall", "--spec",
})  # fmt: skip
_OF_ITS_OWN = r"(?i)onnxruntime|cuda|/cu\d|rocm|nightly"  # in the URL of an index: no mirror of the usual one
_INDEX_VARIABLES = (
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX",
    "UV_DEFAULT_INDEX", "UV_FIND_LINKS",
)  # fmt: skip
_VARIANT = re.compile(r"/(cu\d{2,3}|cpu|rocm[0-9.]*|xpu)(?=/|$)")
_CUDA_WHEEL = re.compile(
    r"nvidia-(?:cublas|cuda-runtime|cuda-nvrtc|cuda-cupti|cuda-nvcc|cudnn|cufft|curand|cusolver|cusparse|cusparselt"
    r"|nccl|nvjitlink|nvtx|npp|cufile|nvshmem)(?:-cu(?P<major>\d{2}))?|cuda-toolkit"
)
_MATTERS = r"(?i)torch|nvidia|cuda|vllm|onnxruntime|tensorflow|jax"  # in the name of any wheel that has a place here
_SYNC = " sync"
_TORCH = frozenset({"torch", "torchvision", "torchaudio"})
_CUDA_EXTRAS = {
    "tensorflow": re.compile(r"and-cuda"),
    "jax": re.compile(r"cuda(\d{2})?(?:-pip)?"),
    "onnxruntime-gpu": re.compile(r"cuda"),
}


class PipInstall(NamedTuple):
    """One `pip install`, split into what it installs and how."""

    requirements: tuple[str, ...]
    requirement_files: tuple[str, ...]
    indexes: tuple[str, ...]  # URLs, in the order of the words
    target: str | None  # --target, --prefix or --root
    flags: frozenset[str]  # options without a value
    options: Mapping[str, str]  # options with one
    uv: bool
    program: str = "pip"  # pip, pipx or uv


class Wheel(NamedTuple):
    """One wheel that has to do with CUDA. `brings_cuda`: it puts its own CUDA libraries into the image."""

    name: str
    version: Version | None  # when it is pinned
    variant: str | None  # cu124, cpu, rocm6.2: from the version or from the index
    cuda: Version | None
    brings_cuda: bool
    line: int = 0
    stage: str = ""

    @property
    def title(self) -> str:
        """What a message calls it: with its version, where that is pinned."""
        return f"{self.name} {self.version}" if self.version else self.name


def pip_install(words: Sequence[str]) -> PipInstall | None:
    """Return what a command installs with pip or uv, or None when it is another command."""
    rest, program = _after_install(words)
    if rest is None:
        return None
    requirements: list[str] = []
    options: dict[str, str] = {}
    files: list[str] = []
    indexes: list[str] = []
    flags: set[str] = set()
    if rest[-1:] == (_SYNC,):  # `uv pip sync`: its operands are requirement files
        rest, to = rest[:-1], files
    else:
        to = requirements
    waiting = iter(rest)
    for word in waiting:
        name, equals, value = word.partition("=")
        if word.startswith("-") and not word.startswith("--") and len(word) > 2 and word[:2] in _WITH_VALUE:
            name, equals, value = word[:2], "=", word[2:]  # -rrequirements.txt
        if name.startswith("-") and name in _WITH_VALUE:
            value = value if equals else next(waiting, "")
            options[name] = value
            if name in ("-r", "--requirement"):
                files.append(value)
            elif name in INDEXES:
                indexes.append(value)
        elif word.startswith("-"):
            flags.add(word)
        else:
            to.append(word)
    return PipInstall(
        requirements=tuple(requirements),
        requirement_files=tuple(files),
        indexes=tuple(indexes),
        target=next((options[key] for key in ("-t", "--target", "--prefix", "--root") if key in options), None),
        flags=frozenset(flags),
        options=options,
        uv=program == "uv",
        program=program,
    )


def wheels_of(
    install: PipInstall, files: Sequence[str], environment: Mapping[str, str], constraints: Sequence[str] = ()
) -> Iterator[Wheel]:
    """Yield the wheels that matter to a GPU; `files` are the texts of the requirement files that could be read.

    `constraints` are the texts of those that say which version, not what.
    """
    lines, urls = list(install.requirements), list(install.indexes)
    for text in files:
        more, others = requirement_lines(text)
        lines.extend(more)
        urls.extend(others)
    urls += [environment.get(name, "") for name in _INDEX_VARIABLES]
    backend = install.options.get("--torch-backend") or environment.get("UV_TORCH_BACKEND")
    variant = backend or _index_variant(urls)
    pinned = _constrained(constraints)
    for line in lines:
        requirement = requirement_of(line) if re.search(_MATTERS, line) else None
        if requirement is not None:
            wheel = _wheel(requirement, variant, "--no-deps" in install.flags, other_index=any(urls), pinned=pinned)
            if wheel is not None:
                yield wheel


def wheel_of(requirement: str, index: str | None) -> Wheel | None:
    """Return the wheel of one requirement that comes from the index at a URL, or from pip's own; None as above."""
    found = requirement_of(requirement) if re.search(_MATTERS, requirement) else None
    variant = _index_variant([index]) if index else None
    other = bool(index) and re.search(_OF_ITS_OWN, index or "") is not None
    return None if found is None else _wheel(found, variant, False, other_index=other, pinned={})


def _constrained(texts: Sequence[str]) -> Mapping[str, Version]:
    found: dict[str, Version] = {}
    for text in texts:
        for line in requirement_lines(text)[0]:
            requirement = requirement_of(line) if re.search(_MATTERS, line) else None
            if requirement is not None and requirement.version is not None:
                found[canonical(requirement.name)] = requirement.version
    return found


def _wheel(
    requirement: Requirement,
    index_variant: str | None,
    alone: bool,
    *,
    other_index: bool,
    pinned: Mapping[str, Version],
) -> Wheel | None:
    name = canonical(requirement.name)
    version = requirement.version or pinned.get(name)
    if found := _CUDA_WHEEL.fullmatch(name):
        cuda = Version(found["major"]) if found["major"] else None
        return Wheel(name=name, version=version, variant=None, cuda=cuda, brings_cuda=True)
    if name in _TORCH:
        return _torch(name, version, index_variant, alone)
    if name == "vllm" and not alone and index_variant is None:
        return Wheel(name=name, version=version, variant=None, cuda=None, brings_cuda=True)
    extras = _CUDA_EXTRAS.get(name)
    matches = [hit for extra in requirement.extras if extras and (hit := extras.fullmatch(canonical(extra)))]
    brings = bool(matches) and not alone
    if name == "onnxruntime-gpu":
        cuda = facts.onnxruntime_cuda(version) if version and not other_index else None
        return Wheel(name=name, version=version, variant=None, cuda=cuda, brings_cuda=brings)
    if brings:
        major = next((hit[1] for hit in matches if hit.re.groups and hit[1]), None)
        cuda = Version(major) if major else None
        return Wheel(name=name, version=version, variant=None, cuda=cuda, brings_cuda=True)
    return None


def _torch(name: str, version: Version | None, index_variant: str | None, alone: bool) -> Wheel:
    variant = version.local if version and version.local else index_variant
    offered = facts.torch_index_cuda(version) if version and name == "torch" else None
    cuda = facts.cuda_of_variant(variant) if variant else None
    if variant is None and version is not None and name == "torch":
        cuda = facts.torch_default_cuda(version)
    elif version is not None and not version.local and cuda is not None and cuda not in (offered or (cuda,)):
        variant, cuda = None, None  # that index does not have this release; pip takes it from elsewhere, or fails
    brings = (variant is None or variant.startswith("cu")) and not alone
    return Wheel(name=name, version=version, variant=variant, cuda=cuda, brings_cuda=brings)


def _after_install(words: Sequence[str]) -> tuple[Sequence[str] | None, str]:
    """The words after `install` with the options before it, and what installs; None when this is no install."""
    program = words[0].rpartition("/")[2] if words else ""
    rest, verbs = words[1:], frozenset({"install"})
    if program == "uv":
        rest = _skipping_options(rest)
        if not rest or rest[0] not in ("pip", "tool", "add"):
            return None, program
        verbs = frozenset({"add"}) if rest[0] == "add" else verbs | ({"sync"} if rest[0] == "pip" else frozenset())
        rest = rest if rest[0] == "add" else rest[1:]
    elif re.fullmatch(r"(python|pypy)[\d.]*", program) and "-m" in words:
        at = list(words).index("-m")
        if list(words[at + 1 : at + 2]) != ["pip"]:
            return None, program
        rest, program = words[at + 2 :], "pip"
    elif re.fullmatch(r"pip[\d.]*", program):
        program = "pip"
    elif program != "pipx":
        return None, program
    after = _skipping_options(rest)
    if not after or after[0] not in verbs:
        return None, program
    before = rest[: len(rest) - len(after)]
    return (*before, *after[1:], *((_SYNC,) if after[0] == "sync" else ())), program


def _skipping_options(words: Sequence[str]) -> Sequence[str]:
    index = 0
    while index < len(words) and words[index].startswith("-"):
        index += 2 if words[index] in _WITH_VALUE else 1
    return words[index:]


def _index_variant(urls: Sequence[str]) -> str | None:
    for url in urls:
        found = _VARIANT.search(url)
        if found:
            return found[1]
    return None
