"""cuda-packages-on-cuda-base: CUDA packages installed on an image that has CUDA already."""

import re
from collections.abc import Iterator

from packaging.version import Version

from pipeline import facts
from pipeline.analysis.installs import system_installs
from pipeline.analysis.wording import listed
from pipeline.facts import GpuBase
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

# cuda-toolkit-12-4, libcublas-dev-12-4, cuda-12-4, libcudnn9-cuda-12
_PACKAGE = (
    r"(?P<name>(?:cuda(?:-[a-z]+)*|lib(?:cublas|cufft|curand|cusolver|cusparse|npp|nvjpeg|nvjitlink)(?:-dev)?)"
    r"|libcudnn(?P<cudnn>\d+)(?:-dev|-headers)?)(?:-cuda)?(?:-(?P<major>\d+)(?:-(?P<minor>\d+))?)?"
)
_IN_RUNTIME = (
    r"cuda-(?:libraries|cudart|nvtx|nvrtc|runtime|minimal-runtime)"
    r"|lib(?:cublas|cufft|curand|cusolver|cusparse|npp|nvjpeg|nvjitlink)"
)
_UBUNTUS_OWN = {"ubuntu20.04": "10.1", "ubuntu22.04": "11.5", "ubuntu24.04": "12.0"}
_APART = frozenset({"cuda-keyring", "cuda-compat", "cuda-drivers"})  # no CUDA, or a matter for other rules


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield what an install brings that the base has already, or of another CUDA version: once for each reason."""
    base = facts.gpu_base(dockerfile.final.image)
    if base is None or base.cuda is None or base.vendor != "nvidia":
        return
    for install in system_installs(dockerfile):
        found: dict[str, list[str]] = {}
        for name in install.packages:
            why = _why(name, base, base.cuda)
            if why:
                found.setdefault(why, []).append(name)
        for why, names in found.items():
            yield Problem(install.command.line, f"{listed(names)}: {why}", stage=install.stage.label)


def _why(package: str, base: GpuBase, cuda: Version) -> str | None:
    if package == "nvidia-cuda-toolkit":
        own = _UBUNTUS_OWN.get(base.os or "")
        return f"the distribution's own CUDA{f' {own}' if own else ''}, beside {cuda} of the base" if own else None
    found = re.fullmatch(_PACKAGE, package)
    if found is None or found["name"] in _APART:
        return None
    if found["cudnn"]:
        if base.cudnn is not None and base.cudnn == int(found["cudnn"]):
            return f"the base has cuDNN {base.cudnn} already"
        other = found["major"] and int(found["major"]) != cuda.major
        return f"it is made for CUDA {found['major']}, the base has {cuda}" if other else None
    if found["major"] and found["minor"] and (int(found["major"]), int(found["minor"])) != (cuda.major, cuda.minor):
        return f"it brings CUDA {found['major']}.{found['minor']} beside {cuda} of the base"
    has = {"devel": True, "runtime": bool(re.fullmatch(_IN_RUNTIME, found["name"]))}.get(base.flavour or "", False)
    same = found["major"] is not None and found["minor"] is not None
    return f"the {base.flavour} base has it already" if has and same else None


RULE = Rule(
    id="cuda-packages-on-cuda-base",
    severity=Severity.WARNING,
    hint="choose the base by what is needed: base, runtime or devel, with or without cudnn, of the right version",
    look=look,
)
