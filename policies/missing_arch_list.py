"""missing-arch-list: CUDA code compiled without saying for which GPUs."""

from collections.abc import Iterator, Mapping

from pipeline import mend
from pipeline.analysis.architectures import VARIABLES, arch_lists, fleet_of, shown
from pipeline.analysis.bases import is_at
from pipeline.analysis.compiles import Compile, compiles
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity

_OWN = {  # a variable of their own, beside torch's
    "cmake": "CMAKE_CUDA_ARCHITECTURES",
    "nvcc": "-arch",
}

_OPTIONS = (
    "-arch",
    "-gencode",
    "gpu-architecture",
    "sm_",
    "CUDA_ARCH",
    "GPU_ARCH",
    "GPU_TARGETS",
)  # -DCUDA_ARCH_BIN=


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each command of a needed stage that compiles CUDA code where nothing names an architecture."""
    found = [one for one in compiles(dockerfile) if one.cuda and not _native_off(one)]
    if not found:
        return
    told = _told(dockerfile)
    first: dict[int, int] = {}  # an instruction's line → where it first names some
    for each in arch_lists(dockerfile):
        first.setdefault(each.instruction.line, each.line)
    for one in found:
        if _named(one, told, first):
            continue
        variable = _OWN.get(one.what, "TORCH_CUDA_ARCH_LIST")
        if one.torch:
            what = f"{one.what} asks the machine's GPU what to compile for, and a build has none"
        elif one.what == "nvcc":
            what = "nvcc compiles for the oldest GPU that it knows, and each newer one compiles again when it starts"
        else:
            what = f"{one.what} chooses by itself what to compile for"
        yield Problem(
            one.command.line,
            f"{what}: {variable} is not set",
            stage=one.stage.label,
            fix=_fix(dockerfile, one, variable, context),
        )


def _named(one: Compile, told: frozenset[int], first: Mapping[int, int]) -> bool:
    """Does anything that this command sees name architectures: ENV, ARG, an export, its own options?"""
    if (
        one.stage.index in told
        or _may_be_told_below(one)
        or first.get(one.instruction.line, one.command.line + 1) <= one.command.line
    ):
        return True
    words = " ".join((*one.command.words, *one.command.assignments, *one.command.assignments.values()))
    return any(name in words for name in (*VARIABLES, *_OPTIONS))


def _may_be_told_below(one: Compile) -> bool:
    """Does the base set the variable, as NVIDIA's PyTorch images do, or is it one that cannot be told?"""
    image = one.stage.image
    return one.what != "nvcc" and (image is None or (one.torch and is_at(image, "nvidia/pytorch")))


def _told(dockerfile: Dockerfile) -> frozenset[int]:
    """The stages in which a variable names architectures; an ARG without a default leaves it to --build-arg."""
    found: set[int] = set()
    for stage in dockerfile.stages:  # a stage builds on earlier ones only
        declared = {
            word.partition("=")[0] for one in stage.instructions if one.keyword == "ARG" for word in one.words
        }
        if stage.parent in found or VARIABLES & (stage.environment.keys() | stage.arguments.keys() | declared):
            found.add(stage.index)
    return frozenset(found)


def _native_off(one: Compile) -> bool:
    """llama.cpp has a list of its own, which it takes when it is told not to build for this machine."""
    return any(word.startswith("-DGGML_NATIVE=") and word.endswith(("OFF", "off", "0")) for word in one.command.words)


def _fix(dockerfile: Dockerfile, one: Compile, variable: str, context: Context) -> Fix | None:
    """Name the fleet's architectures above the RUN; only a person knows the fleet when image.yaml does not."""
    value = ";".join(map(shown, fleet_of(context)))
    if variable != "TORCH_CUDA_ARCH_LIST" or not value:
        return None
    line = f'ENV {variable}="{value}"'
    return Fix(f"compile for the fleet: {value}", (mend.above(dockerfile, one.instruction, line),), safe=False)


RULE = Rule(
    id="missing-arch-list",
    severity=Severity.WARNING,
    hint='name them: `ENV TORCH_CUDA_ARCH_LIST="8.0;9.0+PTX"`, `-DCMAKE_CUDA_ARCHITECTURES="80;90"`, `-arch=sm_80`',
    look=look,
)
