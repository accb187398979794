"""A base, wheels and variables in, what of them needs a driver or a GPU out. Speaks to: nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.version import Version

from pipeline import facts
from pipeline.analysis.installs.conda import CondaCuda
from pipeline.analysis.pip import Wheel
from pipeline.model import Context, Dockerfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something in the image that needs a driver or a GPU, and the line that brings it (None: no file)."""

    what: str
    file: str | None
    line: int | None
    cuda: str | None
    oldest_driver: str | None  # its CUDA family runs from here on
    released_with: str | None  # the driver of the same day: everything works from here on
    capabilities: tuple[str, ...] | None  # compute capabilities that it holds code for; None when nobody knows


def base_need(image: str | None, base: facts.GpuBase | None, file: str | None, line: int | None) -> Iterator[Need]:
    """Yield the base, when it is for NVIDIA's GPUs."""
    if base is not None and base.vendor == "nvidia":
        code = facts.compiles_for(base.cuda) if base.cuda and len(base.cuda.release) > 1 else None
        yield _need(image or base.name, file, line, base.cuda, code)


def declared(chain: Sequence[tuple[Dockerfile, Context]], environment: Mapping[str, str]) -> Iterator[Need]:
    """Yield the CUDA that an image names in CUDA_VERSION, as NVIDIA's images and those made like them do."""
    found = re.match(r"\d+\.\d+(\.\d+)?", environment.get("CUDA_VERSION", ""))
    if not found:
        return
    cuda = Version(found[0])
    file, line = env_line(chain, ("CUDA_VERSION",))
    yield _need(f"CUDA_VERSION={found[0]}", file, line, cuda, facts.compiles_for(cuda))


def env_line(chain: Sequence[tuple[Dockerfile, Context]], names: Sequence[str]) -> tuple[str | None, int | None]:
    """Return the file and line of the ENV that sets one of these names last."""
    for dockerfile, _ in chain:
        for stage in dockerfile.shipped():
            for one in reversed(stage.instructions):
                if one.keyword == "ENV" and any(name in one.words[::3] for name in names):
                    return dockerfile.path, one.line
    return None, None


def wheel_needs(file: str, wheels: Sequence[Wheel]) -> Iterator[Need]:
    """Yield each wheel with code for GPUs, and each that brings CUDA's libraries: of those only one a line."""
    libraries: set[int] = set()
    for wheel in wheels:
        name = f"{wheel.name} {wheel.version}" if wheel.version else wheel.name
        if wheel.brings_cuda and wheel.name.startswith(("nvidia-", "cuda-")):
            if wheel.line not in libraries:
                libraries.add(wheel.line)
                yield _need(name, file, wheel.line, wheel.cuda, ())
        elif wheel.brings_cuda or wheel.cuda is not None:
            cuda = wheel.cuda or facts.wheel_cuda(wheel.name, wheel.version, wheel.variant)
            code = facts.wheel_capabilities(wheel.name, wheel.version, wheel.variant)
            yield _need(name, file, wheel.line, cuda, code)


def conda_needs(file: str, packages: Sequence[CondaCuda]) -> Iterator[Need]:
    """Yield what conda installs of CUDA, one a line: which GPUs its builds hold code for, no table here knows."""
    for one in packages:
        yield _need(f"{one.name} (conda)", file, one.line, one.cuda, None)


def _need(
    what: str, file: str | None, line: int | None, cuda: Version | None, capabilities: tuple[str, ...] | None
) -> Need:
    oldest = facts.oldest_driver(cuda) if cuda else None
    newest = facts.minimum_driver(cuda) if cuda and len(cuda.release) > 1 else None
    return Need(
        what=what,
        file=file,
        line=line,
        cuda=str(cuda) if cuda else None,
        oldest_driver=facts.driver_text(oldest) if oldest else None,
        released_with=facts.driver_text(newest) if newest else None,
        capabilities=capabilities,
    )


def is_cuda_image(need: Need) -> bool:
    """Return whether something is CUDA itself: an nvidia/cuda image, or one that says CUDA_VERSION."""
    base = facts.gpu_base(need.what)
    return need.what.startswith("CUDA_VERSION=") or (base is not None and base.name == "nvidia/cuda")
