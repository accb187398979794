"""gpu-switched-off: an image made for GPUs whose environment hides all of them."""

from collections.abc import Iterator, Mapping

from pipeline import facts
from pipeline.analysis import environment
from pipeline.analysis.wheels import shipped_wheels
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the ENV that leaves no GPU visible, where the base or the wheels that ship bring CUDA."""
    if "_VISIBLE_DEVICES" not in dockerfile.text:
        return
    variables = environment.shipped(dockerfile)
    for name, reason in _hidden(variables):
        if facts.cuda_base(dockerfile.final.image) is None and not any(
            wheel.brings_cuda for wheel in shipped_wheels(dockerfile, context)
        ):
            return
        setting = variables[name].last
        edit = (
            environment.rewritten(dockerfile, setting, "all")
            if name.startswith("NVIDIA") and setting.written
            else environment.dropped(dockerfile, setting)
        )
        yield environment.problem(
            dockerfile,
            setting,
            f"{name}={variables[name].value} {reason}",
            fix=Fix("let the image see GPUs", (edit,), safe=False) if edit and _single(variables[name]) else None,
        )


def _hidden(variables: Mapping[str, environment.Variable]) -> Iterator[tuple[str, str]]:
    nvidia = variables.get("NVIDIA_VISIBLE_DEVICES")
    if nvidia is not None and nvidia.value in ("none", "void", ""):
        yield nvidia.name, "asks the NVIDIA runtime for no GPU at all"
    cuda = variables.get("CUDA_VISIBLE_DEVICES")
    if cuda is not None and cuda.value in ("", "-1", "none", "NoDevFiles"):
        yield cuda.name, "hides every GPU from CUDA"
    elif cuda is not None and cuda.value in ("all", "void"):
        yield cuda.name, "names no GPU: CUDA knows indexes and UUIDs, and hides what it cannot read"


def _single(variable: environment.Variable) -> bool:
    return len(variable.settings) == 1


RULE = Rule(
    id="gpu-switched-off",
    severity=Severity.WARNING,
    hint="leave the variable out; where a CPU run is wanted, set it when the container starts",
    look=look,
)
