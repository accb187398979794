"""cpu-image-ships-cuda: an image that is called a CPU image and carries CUDA."""

import re
from collections.abc import Iterator
from posixpath import basename

from pipeline import facts
from pipeline.analysis.bases import as_written, problem_with, shipped_base
from pipeline.analysis.wheels import shipped_wheels
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_WORD = r"(?i)(?:^|[._/:-])cpu(?:-?only)?(?:$|[._/:-])"
_SWITCH = r"(?i)(?:.*_)?(?:DEVICE|BACKEND|VARIANT|FLAVOU?R|PLATFORM_TYPE|TORCH_DEVICE|COMPUTE_PLATFORM)"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the CUDA base and the CUDA wheels of what its name, its file's name or its arguments call a CPU image."""
    if "cpu" not in f"{dockerfile.text} {dockerfile.path}".lower() and context.recipe is None:
        return
    called = _called(dockerfile, context)
    if called is None:
        return
    stage = shipped_base(dockerfile)
    if facts.cuda_base(stage.image) is not None:
        yield problem_with(stage, dockerfile, f"{called}, and it is built on {as_written(stage)}")
    for wheel in shipped_wheels(dockerfile, context):
        if wheel.brings_cuda:
            message = f"{called}, and {wheel.title} brings CUDA's libraries"
            yield Problem(wheel.line, message, stage=wheel.stage, hint=_hint(wheel.name))


def _called(dockerfile: Dockerfile, context: Context) -> str | None:
    """What says that this is a CPU image; None when nothing does."""
    for stage in dockerfile.shipped():
        if stage.name and re.search(_WORD, stage.name):
            return f"the stage is called {stage.name}"
    if re.search(_WORD, basename(dockerfile.path)):
        return f"the file is called {basename(dockerfile.path)}"
    if context.recipe is not None:
        if re.search(_WORD, context.recipe.name):
            return f"the image is called {context.recipe.name}"
        tags = context.recipe.tags
        if tags and all(re.search(_WORD, tag) for tag in tags):
            return f"the image is tagged {tags[0]}"
    for name, value in dockerfile.final.arguments.items():
        if value.lower() == "cpu" and re.fullmatch(_SWITCH, name):
            return f"{name} is {value}"
    return None


def _hint(name: str) -> str | None:
    if name in ("torch", "torchvision", "torchaudio"):
        return "install it with --index-url https://download.pytorch.org/whl/cpu"
    return None


RULE = Rule(
    id="cpu-image-ships-cuda",
    severity=Severity.WARNING,
    hint="take the package's CPU build, or a base without CUDA",
    look=look,
)
