"""cuda-twice: Python wheels that bring CUDA, on a base image that already has it."""

from collections.abc import Iterator
from itertools import groupby

from pipeline import facts
from pipeline.bases import shipped_base
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.wheels import shipped_wheels


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each command that puts CUDA wheels on a shipped nvidia/cuda runtime or devel base, with or without cuDNN.

    The `base` flavour has no libraries but cudart: wheels on it are as they should be.
    """
    base = facts.cuda_base(shipped_base(dockerfile).image)
    if base is None or base.name != "nvidia/cuda" or base.flavour not in ("runtime", "devel"):
        return
    bringing = (wheel for wheel in shipped_wheels(dockerfile, context) if wheel.brings_cuda)
    for (line, stage), wheels in groupby(bringing, key=lambda wheel: (wheel.line, wheel.stage)):
        names = [wheel.name for wheel in wheels]
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        kind = "-".join(part for part in (base.library, base.flavour) if part)
        verb = "brings its" if len(names) == 1 else "bring their"
        yield Problem(line, f"{shown} {verb} own CUDA libraries, and the {kind} base has them already", stage=stage)


RULE = Rule(
    id="cuda-twice",
    severity=Severity.WARNING,
    hint="ship on the `base` flavour of the same CUDA version (or on plain Python): the wheels hold all they need",
    look=look,
)
