"""build-tools-shipped: compilers and header packages in a layer that ships."""

import re
from collections.abc import Iterator

from pipeline import facts
from pipeline.analysis.installs import SystemInstall, system_installs
from pipeline.analysis.wheels import shipped_wheels
from pipeline.analysis.wording import listed
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_TOOL = (
    r"build-essential|build-base|base-devel|gcc(?:-\d+)?|g\+\+(?:-\d+)?|gcc-c\+\+|clang(?:-\d+)?|cmake|ninja-build|ninja"
    r"|meson|bazel|make|automake|autoconf|libtool|pkg-config|cuda-nsight\S*|nsight-\S+"
    r"|(?:lib|python)\S*-dev(?:el)?"
)
# Triton compiles a small C file for each kernel when it first runs it; torch.compile and vLLM go through Triton.
_COMPILES_LATER = r"\b(?:torch|vllm|triton|sglang|unsloth|deepspeed)\b"
_NEEDED_LATER = (
    r"build-essential|gcc(?:-\d+)?|g\+\+(?:-\d+)?|gcc-c\+\+|clang(?:-\d+)?|python3?\S*-dev(?:el)?|libc6?-dev"
    r"|ninja-build"
)


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each install of build tools in a GPU image's shipped stages that the same RUN does not remove again."""
    base = facts.gpu_base(dockerfile.final.image)
    if base is not None and (base.flavour == "devel" or base.release is not None or base.vendor != "nvidia"):
        return  # devel-image-shipped says it of the whole image; NVIDIA's monthly images and AMD's are for developing
    found: list[tuple[SystemInstall, list[str]]] = []
    for install in system_installs(dockerfile):
        names = [name for name in install.packages if re.fullmatch(_TOOL, name)]
        if names:
            found.append((install, names))
    wheels = shipped_wheels(dockerfile, context) if found else ()
    if base is None and not any(wheel.brings_cuda for wheel in wheels):
        return
    later = bool(re.search(_COMPILES_LATER, dockerfile.text))
    if later or (base is not None and base.framework is not None):
        found = [(one, [name for name in names if not re.fullmatch(_NEEDED_LATER, name)]) for one, names in found]
    for install, names in found:
        if names:
            verbs = "is for building, and ships" if len(names) == 1 else "are for building, and ship"
            message = f"{listed(names, 4)} {verbs}"
            yield Problem(install.command.line, message, stage=install.stage.label)


RULE = Rule(
    id="build-tools-shipped",
    severity=Severity.INFO,
    hint="build in a stage of its own and copy the result, or remove them at the end of the same RUN",
    look=look,
)
