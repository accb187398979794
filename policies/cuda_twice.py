"""cuda-twice: wheels or conda packages that bring CUDA, on a base image that already has it."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from pipeline import facts, mend
from pipeline.analysis.bases import shipped_base
from pipeline.analysis.compiles import compiles
from pipeline.analysis.installs.conda import conda_cuda
from pipeline.analysis.pip import Wheel
from pipeline.analysis.rebase import rebased
from pipeline.analysis.wheels import shipped_wheels
from pipeline.analysis.wording import listed
from pipeline.facts import GpuBase
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity, Stage

# Megabytes of NVIDIA's wheels that torch 2.8.0 asks for, as the package index has them, of libraries that the
# runtime flavour has too.
_MEGABYTES = {
    "cublas": 594,
    "cusparse": 288,
    "cusolver": 268,
    "cufft": 193,
    "cuda-nvrtc": 88,
    "curand": 64,
    "nvjitlink": 39,
}
_CUDNN = {"cudnn": 707}
_APART = frozenset({"cusparselt", "cudss", "nvshmem", "cutlass", "cutlass-dsl", "cuda-cupti"})  # no runtime has these
_WHOLE = frozenset({"torch", "vllm"})  # these ask for all of them


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each command that puts CUDA wheels on a shipped nvidia/cuda runtime or devel base, with or without cuDNN.

    The `base` flavour has no libraries but cudart: wheels on it are as they should be.
    """
    under = shipped_base(dockerfile)
    base = facts.gpu_base(under.image)
    if base is None or base.name != "nvidia/cuda" or base.flavour not in ("runtime", "devel"):
        return
    bringing = (
        wheel for wheel in shipped_wheels(dockerfile, context) if wheel.brings_cuda and _is_there(wheel, base)
    )
    for (line, stage), group in groupby(bringing, key=lambda wheel: (wheel.line, wheel.stage)):
        wheels = tuple(group)
        names = [wheel.name for wheel in wheels]
        verb = "brings its" if len(names) == 1 else "bring their"
        size = _size(wheels, base)
        message = f"{listed(names)} {verb} own CUDA libraries, and the {_kind(base)} base has them already{size}"
        yield Problem(line, message, stage=stage, fix=_fix(dockerfile, under))
    for one in conda_cuda(dockerfile, context):
        which = f" {one.cuda}" if one.cuda else ""
        message = f"{one.name} of conda brings CUDA{which}, and the {_kind(base)} base has CUDA {base.cuda} already"
        yield Problem(one.line, message, stage=one.stage, fix=_fix(dockerfile, under))


def _is_there(wheel: Wheel, base: GpuBase) -> bool:
    """Of a wheel that is one library: does the base have that one, of the same major version?"""
    if not wheel.name.startswith("nvidia-"):
        return True
    if wheel.cuda is not None and base.cuda is not None and wheel.cuda.major != base.cuda.major:
        return False
    library = wheel.name.removeprefix("nvidia-").rpartition("-cu")[0] or wheel.name.removeprefix("nvidia-")
    return base.cudnn is not None if library == "cudnn" else library not in _APART


def _kind(base: GpuBase) -> str:
    """The flavour as its tag has it: cudnn-runtime."""
    return f"{'cudnn-' if base.cudnn else ''}{base.flavour}"


def _fix(dockerfile: Dockerfile, under: Stage) -> Fix | None:
    """The `base` flavour, where nothing that ships compiles."""
    tag = facts.cuda_tag(under.image or "")
    shipped = {stage.index for stage in dockerfile.shipped()}
    if tag is None or tag.digest is not None or any(one.stage.index in shipped for one in compiles(dockerfile)):
        return None
    image = f"{tag.repository}:{tag.version}-base-{tag.os}"
    other = facts.cuda_tag(image)
    edit = rebased(dockerfile, under, image, alone=True) if other is not None and facts.exists(other) else None
    return mend.fix("ship on the base flavour", edit, safe=False)


def _size(wheels: Iterable[Wheel], base: GpuBase) -> str:
    """How much comes twice, where it is known: for CUDA 12."""
    if base.cuda is None or base.cuda.major != 12:
        return ""
    known = _MEGABYTES | (_CUDNN if base.cudnn else {})
    total = 0
    for wheel in wheels:
        if wheel.cuda is not None and wheel.cuda.major != 12:
            return ""
        if wheel.name in _WHOLE:
            total = sum(known.values())
            break
        total += known.get(wheel.name.removeprefix("nvidia-").removesuffix("-cu12"), 0)
    return f": about {total / 1000:.1f} GB to pull twice" if total >= 100 else ""


RULE = Rule(
    id="cuda-twice",
    severity=Severity.WARNING,
    hint="ship on the `base` flavour of the same CUDA version (or on plain Python): the wheels hold all they need",
    look=look,
)
