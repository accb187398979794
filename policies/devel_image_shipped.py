"""devel-image-shipped: the CUDA compiler and its headers in the image that ships."""

import re
from collections.abc import Iterator

from pipeline import facts, mend
from pipeline.analysis.bases import as_written, problem_with, shipped_base
from pipeline.analysis.compiles import compiles
from pipeline.analysis.installs import system_installs
from pipeline.analysis.rebase import rebased
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity, Stage

# `cuda-toolkit-12-4-config-common` is a few files that the runtime libraries ask for.
_COMPILER = (
    r"nvidia-cuda-toolkit(-gcc)?|nvidia-cuda-dev"
    r"|cuda-(nvcc|toolkit|compiler|minimal-build|libraries-dev|command-line-tools|nsight-\w+)(-\d+(-\d+)?)?"
)


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the devel base under the shipped stages, and each install of nvcc or the toolkit in them."""
    stage = shipped_base(dockerfile)
    base = facts.gpu_base(stage.image)
    if base is not None and base.flavour == "devel":
        via = "" if stage is dockerfile.final else f" through the stage {dockerfile.final.base}"
        message = f"the shipped image is built on {as_written(stage)}{via}"
        yield problem_with(stage, dockerfile, message, fix=_fix(dockerfile, stage))
    for install in system_installs(dockerfile):
        names = [name for name in install.packages if re.fullmatch(_COMPILER, name)]
        if names:
            verb = "brings" if len(names) == 1 else "bring"
            message = f"{', '.join(names)} {verb} CUDA's build tools into the shipped image"
            yield Problem(install.command.line, message, stage=install.stage.label)


def _fix(dockerfile: Dockerfile, stage: Stage) -> Fix | None:
    """Name the runtime flavour, where nothing that ships compiles and no other stage is named by the same ARG."""
    image = stage.image or ""
    tag = facts.cuda_tag(image)
    other = image.replace("-devel", "-runtime")
    if "@" in image or (tag is None and facts.cuda_base(image) is None) or image.count("-devel") != 1:
        return None
    if tag is not None and facts.exists(facts.cuda_tag(other) or tag) is False:
        return None
    shipped = {one.index for one in dockerfile.shipped()}
    if any(one.stage.index in shipped for one in compiles(dockerfile)):
        return None
    edit = rebased(dockerfile, stage, other, alone=True)
    return mend.fix("ship the runtime flavour", edit, safe=False)


RULE = Rule(
    id="devel-image-shipped",
    severity=Severity.ERROR,
    hint="compile in a stage on the devel image, and ship a stage on runtime or base with `COPY --from`",
    look=look,
)
