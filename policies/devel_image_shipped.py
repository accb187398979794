"""devel-image-shipped: the CUDA compiler and its headers in the image that ships."""

import re
from collections.abc import Iterator

from pipeline import facts
from pipeline.bases import as_written, problem_with, shipped_base
from pipeline.installs import system_installs
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

# `cuda-toolkit-12-4-config-common` is a few files that the runtime libraries ask for.
_COMPILER = re.compile(
    r"nvidia-cuda-toolkit(-gcc)?|nvidia-cuda-dev"
    r"|cuda-(nvcc|toolkit|compiler|minimal-build|libraries-dev|command-line-tools|nsight-\w+)(-\d+(-\d+)?)?"
)


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the devel base under the shipped stages, and each install of nvcc or the toolkit in them."""
    stage = shipped_base(dockerfile)
    base = facts.cuda_base(stage.image)
    if base is not None and base.flavour == "devel":
        via = "" if stage is dockerfile.final else f" through the stage {dockerfile.final.base}"
        yield problem_with(stage, dockerfile, f"the shipped image is built on {as_written(stage)}{via}")
    for install in system_installs(dockerfile):
        names = [name for name in install.packages if _COMPILER.fullmatch(name)]
        if names:
            verb = "brings" if len(names) == 1 else "bring"
            message = f"{', '.join(names)} {verb} CUDA's build tools into the shipped image"
            yield Problem(install.line, message, stage=install.stage.label)


RULE = Rule(
    id="devel-image-shipped",
    severity=Severity.ERROR,
    hint="compile in a stage on the devel image, and ship a stage on runtime or base with `COPY --from`",
    look=look,
)
