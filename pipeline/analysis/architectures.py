"""A Dockerfile in, the GPU architectures that it compiles for out. Speaks to: nothing.

`TORCH_CUDA_ARCH_LIST="8.0;9.0+PTX"`, `-DCMAKE_CUDA_ARCHITECTURES=80-real;90`, `nvcc -arch=sm_80`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pipeline import facts
from pipeline.analysis import shell
from pipeline.analysis.variables import substituted
from pipeline.mend import content
from pipeline.model import Context, Dockerfile, Instruction, Span, Stage, Token, once_per_file
from pipeline.parse import tokens

VARIABLES = frozenset({
    "TORCH_CUDA_ARCH_LIST", "CMAKE_CUDA_ARCHITECTURES", "CUDAARCHS", "FLASH_ATTN_CUDA_ARCHS", "CUDA_ARCH_LIST",
    "TCNN_CUDA_ARCHITECTURES", "CUDA_ARCHITECTURES", "NVTE_CUDA_ARCHS", "CUDA_DOCKER_ARCH",
})  # fmt: skip
_HINTS = ("ARCH", "nvcc")  # a file without these has no list: most files
_LONGEST = 400  # characters; real lists have a tenth of that
Capability = tuple[int, int]
_NAMES = {  # torch's names for families, as its extension builder reads them
    "Pascal": "6.0;6.1+PTX", "Volta": "7.0+PTX", "Turing": "7.5+PTX", "Ampere": "8.0;8.6+PTX", "Ada": "8.9+PTX",
    "Hopper": "9.0+PTX", "Blackwell": "10.0;10.3;12.0;12.1+PTX",
}  # fmt: skip


class Architecture(NamedTuple):
    """One target of a compiler: machine code (`sass`) for it, portable code (`ptx`), or both.

    `exact`: with features of this very chip (the `a` of 9.0a), so that no other one runs it.
    """

    capability: Capability
    sass: bool
    ptx: bool
    exact: bool = False


class ArchList(NamedTuple):
    """A list of targets as the file gives it, and where."""

    variable: str  # TORCH_CUDA_ARCH_LIST, …, or `nvcc`
    value: str
    architectures: tuple[Architecture, ...]
    line: int
    instruction: Instruction
    stage: Stage
    general: bool  # set by ENV or ARG for all that follows, not for one command
    span: Span | None  # of the value as the file writes it, without quotes; None where variables make it up


@once_per_file
def arch_lists(dockerfile: Dockerfile) -> tuple[ArchList, ...]:
    """The lists in the needed stages that can be read, in the order of the file."""
    if not any(name in dockerfile.text for name in _HINTS):
        return ()
    found = [one for stage in dockerfile.stages if stage.needed for one in _in_stage(dockerfile, stage)]
    return tuple(sorted(found, key=lambda one: one.line))


@once_per_file
def general_stages(dockerfile: Dockerfile) -> frozenset[int]:
    """The stages (by index) that have a list for all that they compile, of their own or of one that they build on."""
    own = {one.stage.index for one in arch_lists(dockerfile) if one.general}
    found: set[int] = set()
    for stage in dockerfile.stages:  # a stage builds on earlier ones only
        if stage.index in own or stage.parent in found:
            found.add(stage.index)
    return frozenset(found)


def runs_on(architectures: Iterable[Architecture], capability: Capability) -> bool:
    """Does what was compiled for these run on such a GPU? Machine code runs on later ones of its major version."""
    return any(
        (one.capability == capability)
        or (one.sass and not one.exact and one.capability[0] == capability[0] and one.capability <= capability)
        or (one.ptx and not one.exact and one.capability <= capability)
        for one in architectures
    )


def fleet_of(context: Context) -> tuple[Capability, ...]:
    """The capabilities of image.yaml's fleet, ascending; what is neither a number nor a known GPU is left out."""
    written = context.recipe.fleet.compute_capabilities if context.recipe is not None else ()
    found = (facts.capability(text) for text in written)
    return tuple(sorted({(one.major, one.minor) for one in found if one is not None}))


def longer(each: ArchList, missed: Iterable[Capability]) -> str | None:
    """A TORCH_CUDA_ARCH_LIST with some capabilities more, written as it is; None for other variables."""
    if each.variable != "TORCH_CUDA_ARCH_LIST" or any(one.exact for one in each.architectures):
        return None
    if not re.fullmatch(r"[\d.; +PTX]+", each.value):
        return None
    separator = ";" if ";" in each.value else " " if " " in each.value else ";"
    words = [word for word in each.value.split(separator) if word]
    added = [shown(one) for one in missed]
    return separator.join([*words[:-1], *added, words[-1]] if words[-1].endswith("+PTX") else [*words, *added])


def read_list(variable: str, value: str) -> tuple[Architecture, ...] | None:
    """Read a variable's value; None for `native`, `all` and what no rule should judge."""
    if len(value) > _LONGEST:
        return None
    if variable == "TORCH_CUDA_ARCH_LIST":
        for name, numbers in _NAMES.items():
            value = re.sub(rf"\b{name}\b", numbers, value)
    found = []
    for word in re.split(r"[;,\s]+", value.strip("\"' ;,")):
        one = _torch(word) or _cmake(word, plain=variable != "FLASH_ATTN_CUDA_ARCHS")
        if one is None:
            return None
        found.append(one)
    return tuple(found) or None


def shown(capability: Capability) -> str:
    """The way torch writes a capability: 8.0."""
    return f"{capability[0]}.{capability[1]}"


def _torch(word: str) -> Architecture | None:
    found = re.fullmatch(r"(\d{1,2})\.(\d)([af]?)(\+PTX)?", word)
    if found is None:
        return None
    return Architecture((int(found[1]), int(found[2])), True, bool(found[4]), found[3] == "a")


def _cmake(word: str, *, plain: bool = True) -> Architecture | None:
    """`80` means both kinds of code to CMake, `80-real` and `80-virtual` one; `sm_80` and `compute_80` as well."""
    found = re.fullmatch(r"(?:(sm|compute|lto)_)?(\d{1,2})(\d)([af]?)(?:-(real|virtual))?", word)
    if found is None or found[1] == "lto":
        return None
    sass = found[5] != "virtual" and found[1] != "compute"
    ptx = found[5] != "real" and found[1] != "sm" and (plain or found[1] == "compute")
    return Architecture((int(found[2]), int(found[3])), sass, ptx, found[4] == "a")


def _in_stage(dockerfile: Dockerfile, stage: Stage) -> Iterator[ArchList]:
    for instruction in stage.instructions:
        if instruction.keyword == "ENV":
            for name, value, token in _pairs(dockerfile, instruction):
                yield from _listed(dockerfile, stage, instruction, name, value, token, general=True)
        elif instruction.keyword == "ARG":
            for word, token in _arguments(dockerfile, instruction):
                name = word.partition("=")[0]
                if name in VARIABLES and name in stage.arguments:
                    written = word.partition("=")[2]
                    value = stage.arguments[name]
                    kept = token if written.strip("\"'") == value else None  # else --build-arg said it
                    yield from _listed(dockerfile, stage, instruction, name, value, kept, general=True)
        elif instruction.keyword == "RUN":
            for command in shell.commands(dockerfile, instruction):
                yield from _of_command(dockerfile, stage, instruction, command)


def _pairs(dockerfile: Dockerfile, instruction: Instruction) -> Iterator[tuple[str, str, Token | None]]:
    """Name, value and value's token of each variable that an ENV sets."""
    if not any(name in VARIABLES for name in instruction.words[::3]):
        return
    found = tokens(dockerfile, instruction).words
    for index in range(0, len(instruction.words) - 1, 3):
        token = found[index + 1] if len(found) == len(instruction.words) else None
        yield instruction.words[index], instruction.words[index + 1], token


def _arguments(dockerfile: Dockerfile, instruction: Instruction) -> Iterator[tuple[str, Token | None]]:
    if not any(word.partition("=")[0] in VARIABLES for word in instruction.words):
        return
    found = tokens(dockerfile, instruction).words
    for index, word in enumerate(instruction.words):
        yield word, found[index] if len(found) == len(instruction.words) else None


def _of_command(
    dockerfile: Dockerfile, stage: Stage, instruction: Instruction, command: shell.Command
) -> Iterator[ArchList]:
    for name, value in command.assignments.items():
        yield from _listed(dockerfile, stage, instruction, name, value, None, general=False, line=command.line)
    if command.program == "nvcc":
        found = tuple(_nvcc(command.arguments))
        if found:
            yield ArchList("nvcc", "", found, command.line, instruction, stage, False, None)
        return
    exports = command.program in ("export", "env")
    for word in command.arguments:
        if "ARCH" not in word:
            continue
        match = re.match(r"-D(CMAKE_CUDA_ARCHITECTURES)(?::\w+)?=(.*)", word, re.DOTALL)
        if match is None and exports:
            match = re.match(r"(\w+)=(.*)", word, re.DOTALL)
        if match:
            yield from _listed(
                dockerfile, stage, instruction, match[1], match[2], None, general=False, line=command.line
            )


def _listed(
    dockerfile: Dockerfile,
    stage: Stage,
    instruction: Instruction,
    name: str,
    value: str,
    token: Token | None,
    *,
    general: bool,
    line: int = 0,
) -> Iterator[ArchList]:
    if name not in VARIABLES:
        return
    text = substituted(value, stage)
    found = read_list(name, text)
    if found:
        yield ArchList(name, text.strip("\"'"), found, line or instruction.line, instruction, stage, general,
                       _inner(dockerfile, token, text.strip("\"'")) if token else None)  # fmt: skip


def _inner(dockerfile: Dockerfile, token: Token, value: str) -> Span | None:
    """Where the value itself stands in a word, without its quotes; None when variables make it up."""
    raw = content(dockerfile)[token.span.start : token.span.end]
    at = raw.rfind(value.encode())
    return Span(token.span.start + at, token.span.start + at + len(value.encode())) if at >= 0 else None


def _nvcc(arguments: tuple[str, ...]) -> Iterator[Architecture]:
    """-gencode arch=compute_80,code=sm_80, -arch=sm_80, and their long forms."""
    for index, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if name in ("-gencode", "--generate-code", "-arch", "--gpu-architecture"):
            value = value if equals else "".join(arguments[index + 1 : index + 2])
            code = value.partition("code=")[2] if "code=" in value else ""
            if name in ("-gencode", "--generate-code") and not code:
                continue
            for one in re.split(r"[\s,]+", code.strip("[]\"'") or value):
                found = _cmake(one)
                if found is not None:  # -arch=sm_80 keeps the portable code as well
                    yield found if code else found._replace(sass=True, ptx=True)
