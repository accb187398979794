"""framework-replaced: another torch or tensorflow installed over the one that the base image was made for."""

from collections.abc import Iterator

from pipeline import facts
from pipeline.analysis.pip import Wheel
from pipeline.analysis.wheels import shipped_wheels
from pipeline.facts import GpuBase
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_OF = {"pytorch": "torch", "tensorflow": "tensorflow"}


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each install of another version of the framework that the shipped base is made of."""
    base = facts.gpu_base(dockerfile.final.image)
    if base is None or base.framework not in _OF:
        return
    for wheel in shipped_wheels(dockerfile, context):
        why = _why(wheel, base, _OF[base.framework])
        if why:
            yield Problem(wheel.line, why, stage=wheel.stage)


def _why(wheel: Wheel, base: GpuBase, own: str) -> str | None:
    if base.vendor == "amd" and not (wheel.variant or "").startswith("rocm"):
        return None  # a wheel for the other maker's GPUs is rocm-and-cuda's
    here = f"{own} {base.framework_version}" if base.framework_version else f"NVIDIA's own build of {own}"
    if wheel.name == own and wheel.version is not None:
        if base.framework_version is not None:
            same = wheel.version.release == base.framework_version.release
        else:
            same = base.release is None  # the monthly images hold builds that no index has
        return None if same else f"{own} {wheel.version} takes the place of {here}, which {base.name} is made of"
    if wheel.name == "vllm" and own == "torch" and base.release is not None:
        return f"vllm asks for an exact torch from the index, which takes the place of {here} in {base.name}"
    return None


RULE = Rule(
    id="framework-replaced",
    severity=Severity.WARNING,
    hint="take the base image that has the version you want, or a plain CUDA or Python base without a framework",
    look=look,
)
