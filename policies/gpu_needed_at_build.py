"""gpu-needed-at-build: a RUN asks for a GPU, and there is none while an image is built."""

import re
from collections.abc import Iterator

from pipeline.analysis.shell import Command, Ran, needed
from pipeline.model import Context, Dockerfile, Instruction, Problem, Rule, Severity, Span, Stage
from pipeline.parse import tokens

_PROGRAMS = frozenset({"nvidia-smi", "deviceQuery", "bandwidthTest", "nvidia-debugdump", "gpustat", "dcgmi"})
# These raise where there is no GPU.
_RAISES = (
    r"torch\.cuda\.(?:get_device_(?:name|capability|properties)|current_device|mem_get_info|init|synchronize)\("
    r"|\.(?:cuda\(\)|to\(['\"]cuda)|assert\b[^\n;]{0,200}\b(?:cuda\.is_available|is_gpu_available|list_physical_devices)"
    r"|nvmlInit\(|jax\.devices\(['\"](?:gpu|cuda)"
)
# These answer, and always the same.
_ANSWERS = (
    r"torch\.cuda\.(?:is_available|device_count)\(|tf\.test\.is_gpu_available\(|list_physical_devices\(['\"]GPU"
    r"|\bcuda\.is_available\("
)
_WORTH_A_LOOK = (*_PROGRAMS, "cuda", "nvmlInit", "list_physical_devices", "is_gpu_available", "jax.devices")
_CAREFUL = r"\btry:|\belse\b|\bif\s+(?:torch\.)?(?:cuda|torch)\b|map_location"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield nvidia-smi and its like, and Python that asks for a GPU, in each RUN that the target needs."""
    if not any(word in dockerfile.text for word in _WORTH_A_LOOK):
        return
    ran = needed(dockerfile)
    looked_at: set[int] = set()
    perhaps: set[int] = set()  # RUNs with an `if` before this command: whether it runs cannot be told
    for number, one in enumerate(ran):
        if one.command.inside == "condition":
            perhaps.add(one.instruction.line)
        if one.command.program not in _PROGRAMS and not one.command.program.startswith("python"):
            continue
        if one.instruction.line in perhaps or any(flag.startswith("--device=") for flag in one.instruction.flags):
            continue  # the build was given one
        following = ran[number + 1].command if number + 1 < len(ran) and _same(ran[number + 1], one) else None
        if one.command.program in _PROGRAMS:
            if not _forgiven(one.command, following):
                message = f"{one.command.program} finds no GPU: an image is built without one"
                yield Problem(one.command.line, message, stage=one.stage.label, at=one.command.span)
        else:
            yield from _script(one, following)
            if one.instruction.heredocs and one.instruction.line not in looked_at:
                looked_at.add(one.instruction.line)
                yield from _heredocs(dockerfile, one.instruction, one.stage)


def _same(other: Ran, one: Ran) -> bool:
    return other.instruction is one.instruction


def _forgiven(command: Command, following: Command | None) -> bool:
    """Does the RUN go on without it: `if nvidia-smi`, `nvidia-smi || true`, `command -v nvidia-smi`?"""
    if command.words[0] == "command" or command.inside in ("condition", "function"):
        return True
    return following is not None and following.joined in ("||", ";", "\n")


def _script(one: Ran, following: Command | None) -> Iterator[Problem]:
    """`python -c …`."""
    words = one.command.arguments
    if "-c" not in words[:-1]:
        return
    message = _asks(words[words.index("-c") + 1])
    if message and not (following is not None and following.joined == "||"):
        yield Problem(one.command.line, message, stage=one.stage.label, at=one.command.span)


def _heredocs(dockerfile: Dockerfile, instruction: Instruction, stage: Stage) -> Iterator[Problem]:
    """`RUN python3 <<EOF`."""
    spans = tokens(dockerfile, instruction).heredocs
    for heredoc, span in zip(instruction.heredocs, spans, strict=False):
        message = _asks(heredoc.content)
        found = re.search(f"{_RAISES}|{_ANSWERS}", heredoc.content) if message else None
        if message and found:
            start = span.start + len(heredoc.content[: found.start()].encode("utf-8", "surrogatepass"))
            end = start + len(found[0].encode("utf-8", "surrogatepass"))
            inside = Span(start, end) if end <= span.end and not heredoc.chomp else span
            yield Problem(instruction.line, message, stage=stage.label, at=inside)


def _asks(script: str) -> str | None:
    """What is wrong with a Python script in a build; None for nothing."""
    if re.search(_CAREFUL, script):
        return None
    if re.search(_RAISES, script):
        return "this Python stops without a GPU, and an image is built without one"
    if re.search(_ANSWERS, script):
        return "this asks for a GPU while the image is built, and a build has none: the answer says nothing"
    return None


RULE = Rule(
    id="gpu-needed-at-build",
    severity=Severity.WARNING,
    hint="ask when the container runs (a smoke test, the entrypoint); name architectures with TORCH_CUDA_ARCH_LIST",
    look=look,
)
