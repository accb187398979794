"""missing-nvidia-variables: CUDA in an image whose base does not ask the NVIDIA runtime for GPUs."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis import environment
from pipeline.analysis.bases import official_name
from pipeline.analysis.wheels import shipped_wheels
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity
from pipeline.parse import tokens

# Images that are known to set none of NVIDIA's variables.
_PLAIN = frozenset({
    "python", "ubuntu", "debian", "rockylinux", "almalinux", "fedora", "alpine", "buildpack-deps",
})  # fmt: skip


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the final stage where CUDA wheels ship on a plain base and NVIDIA_VISIBLE_DEVICES is set nowhere."""
    if official_name(dockerfile.final.image) not in _PLAIN:
        return
    if "NVIDIA_VISIBLE_DEVICES" in environment.shipped(dockerfile):
        return
    wheel = next((one for one in shipped_wheels(dockerfile, context) if one.brings_cuda), None)
    if wheel is None:
        return
    start = dockerfile.final.instructions[0]
    line = "ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility"
    yield Problem(
        start.line,
        f"{wheel.name} (line {wheel.line}) uses CUDA, and nothing asks the NVIDIA runtime for a GPU",
        stage=dockerfile.final.label,
        at=tokens(dockerfile, start).whole,
        fix=Fix("ask for GPUs by ENV", (mend.below(dockerfile, start, line),), safe=False),
    )


RULE = Rule(
    id="missing-nvidia-variables",
    severity=Severity.INFO,
    hint="ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility",
    look=look,
    by_default=False,
)
