"""A Dockerfile in, the commands that compile something out. Speaks to: nothing."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import NamedTuple

from pipeline.analysis import shell
from pipeline.analysis.copies import Taken
from pipeline.analysis.pip import PipInstall, pip_install
from pipeline.analysis.requirements import canonical
from pipeline.analysis.shell import Command
from pipeline.analysis.variables import split_words, substituted
from pipeline.analysis.walk import chain
from pipeline.model import Dockerfile, Instruction, Stage, once_per_file

# Python packages whose source distribution or repository compiles CUDA code through torch's extension builder, and
# which ask the machine's GPU for its architecture where nothing else says it. Those that hold a list of their own
# (flash-attn, apex, mamba-ssm, causal-conv1d) are not among them.
TORCH_EXTENSIONS = frozenset({
    "detectron2", "pytorch3d", "mmcv", "mmcv-full", "torch-scatter", "torch-sparse", "torch-cluster",
    "torch-spline-conv", "diff-gaussian-rasterization", "simple-knn", "gsplat", "nvdiffrast", "groundingdino",
    "exllamav2", "xformers", "auto-gptq", "autogptq", "minkowskiengine", "torchsparse", "sageattention",
    "grouped-gemm", "kaolin", "fused-dense-lib", "dropout-layer-norm", "rotary-emb", "xentropy-cuda-lib",
})  # fmt: skip
_CMAKE_CUDA = (
    r"-D(?:GGML_CUDA|GGML_CUBLAS|LLAMA_CUDA|LLAMA_CUBLAS|USE_CUDA|WITH_CUDA|ENABLE_CUDA|BUILD_CUDA)(?::\w+)?"
    r"=(?:ON|on|1|TRUE|true|YES|yes)$"
)
_COMPILERS = frozenset({"gcc", "g++", "cc", "c++", "clang", "clang++", "make", "gmake", "ninja", "meson", "bazel",
                        "bazelisk", "scons", "b2"})  # fmt: skip

_DATA = (
    r"models?|weights|data(?:sets?)?|checkpoints?|configs?|static|assets|docs|templates|licenses?"
    r"|include|headers|certs?"
)
_LONGEST = 2000  # characters of a requirement
_NO_WHEELS = frozenset({"detectron2", "pytorch3d"})  # the index has none for Linux
_BUILDS = frozenset({"build", "install", "develop", "bdist_wheel", "build_ext"})  # of a setup.py


class Compile(NamedTuple):
    """A command that compiles. `what` names it: nvcc, cmake, detectron2; `cuda`: it certainly compiles CUDA code."""

    command: Command
    instruction: Instruction
    stage: Stage
    what: str
    cuda: bool
    torch: bool  # through torch's extension builder


@once_per_file
def compiles(dockerfile: Dockerfile) -> tuple[Compile, ...]:
    """Everything that the needed stages compile, as far as their commands tell, in the order of the file."""
    return tuple(
        Compile(ran.command, ran.instruction, ran.stage, *kind)
        for ran in shell.needed(dockerfile)
        if (kind := _kind(ran)) is not None
    )


def _kind(ran: shell.Ran) -> tuple[str, bool, bool] | None:
    """What a command compiles, whether CUDA code for sure, and whether through torch; None for other commands."""
    command = ran.command
    program, arguments = command.program, command.arguments
    if program == "nvcc":
        sources = any(re.search(r"\.(?:cu|cpp|cc|c|cxx)$", word) for word in arguments)
        return ("nvcc", True, False) if sources else None
    if program == "cmake":
        if {"--build", "--install", "--version", "-E", "-P"} & set(arguments):
            return ("cmake", False, False) if "--build" in arguments else None
        return "cmake", any(re.match(_CMAKE_CUDA, substituted(word, ran.stage)) for word in arguments), False
    if program in _COMPILERS:
        return program, False, False
    if program in ("cargo", "go") and arguments[:1] in (("build",), ("install",)):
        return program, False, False
    if program.startswith("python") and any(posixpath.basename(word) == "setup.py" for word in arguments):
        return ("setup.py", False, False) if _BUILDS & set(arguments) else None
    if not program.startswith(("pip", "uv", "python")):
        return None
    words = split_words(command.argv, ran.stage)
    if "wheel" in words[:5] and "install" not in words:  # `pip wheel` takes the same words
        words = tuple("install" if word == "wheel" else word for word in words)
    install = pip_install(words)
    return None if install is None else _pip(install, command.assignments)


def _pip(install: PipInstall, assignments: Mapping[str, str]) -> tuple[str, bool, bool] | None:
    found: tuple[str, bool, bool] | None = None
    unbinary = install.options.get("--no-binary", "")
    switched_on = any(name.startswith("DS_BUILD_") and value == "1" for name, value in assignments.items())
    for word in install.requirements:
        if len(word) > _LONGEST or word.partition("#")[0].endswith(".whl"):
            continue
        repository = re.search(r"git\+\S+?/([\w.-]+?)(?:\.git)?(?:[@#].*)?$", word)
        name = canonical(repository[1] if repository else re.split(r"[\[<>=!~;@\s]", word, maxsplit=1)[0])
        from_source = bool(repository) or unbinary in (name, ":all:") or name in _NO_WHEELS
        if name in TORCH_EXTENSIONS and (from_source or "--no-build-isolation" in install.flags):
            return name, True, True
        if name == "deepspeed" and switched_on:
            return name, True, False
        if from_source or word.startswith((".", "/")):
            found = (name if repository else "a Python project", False, False)
    return found


@once_per_file
def compiling(dockerfile: Dockerfile, stage: Stage) -> tuple[Compile, ...]:
    """What a stage and the stages that it builds on compile."""
    indexes = {one.index for one in chain(dockerfile, stage)}
    return tuple(one for one in compiles(dockerfile) if one.stage.index in indexes)


def compiled(dockerfile: Dockerfile, one: Taken) -> tuple[Compile, ...]:
    """What compiled a path that ships: everything its stage compiles, where the path may hold programs; else ()."""
    if one.source is None or not _may_be_program(one.path):
        return ()
    return compiling(dockerfile, one.source)


def _may_be_program(path: str) -> bool:
    """No model, no text, no folder that is called like data."""
    name = posixpath.basename(path)
    stem, dot, ending = name.lstrip(".").rpartition(".")
    if dot and stem and not re.fullmatch(r"so|\d+|whl|a|exe|venv|run|bin|\*", ending):
        return False
    folders = path.lower().strip("/").split("/")
    return not any(re.fullmatch(_DATA, folder) for folder in folders)
