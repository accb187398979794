"""A Dockerfile in, the health check of its image and what kind of server it asks out. Speaks to: nothing."""

from __future__ import annotations

import re
from typing import NamedTuple

from pipeline import facts
from pipeline.analysis import shell
from pipeline.analysis.requirements import canonical
from pipeline.analysis.shell import Command
from pipeline.analysis.walk import last_shipped
from pipeline.model import Dockerfile, Instruction, Stage, once_per_file
from pipeline.parse import flag_values

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_SERVERS = (
    "vllm-openai", "text-generation-inference", "text-embeddings-inference", "tritonserver", "sglang", "torchserve",
)  # fmt: skip
_SERVES = (
    r"\bvllm\b|\bsglang\b|\btritonserver\b|\btorchserve\b|text-generation-launcher|text-embeddings-router|\bllama-server\b"
    r"|llama_cpp\.server|\blmdeploy\b"
)
# Libraries whose programs read gigabytes of weights before they answer.
_LOADS = frozenset({
    "vllm", "sglang", "transformers", "diffusers", "sentence-transformers", "ctranslate2", "faster-whisper",
    "llama-cpp-python", "lmdeploy", "tensorrt-llm", "torchserve",
})  # fmt: skip


class HealthCheck(NamedTuple):
    """The HEALTHCHECK that counts. Times are seconds, with Docker's own defaults where the file names none or 0."""

    instruction: Instruction
    stage: Stage
    commands: tuple[Command, ...]
    start_period: float
    interval: float
    retries: int

    @property
    def patience(self) -> float:
        """Seconds after the start until a server that never answers is called unhealthy."""
        return self.start_period + self.retries * self.interval


@once_per_file
def health_check(dockerfile: Dockerfile) -> HealthCheck | None:
    """Return the last HEALTHCHECK of the shipped stages; None for none and for NONE."""
    last = last_shipped(dockerfile, "HEALTHCHECK")
    if last is None or last.instruction.words[0].upper() != "CMD":
        return None
    instruction = last.instruction
    return HealthCheck(
        instruction,
        last.stage,
        commands_of(instruction),
        _seconds(instruction, "start-period", 0.0),
        _seconds(instruction, "interval", 30.0),
        _retries(instruction),
    )


def commands_of(instruction: Instruction) -> tuple[Command, ...]:
    """The commands of a HEALTHCHECK, a CMD or an ENTRYPOINT; lines are only the instruction's."""
    words = instruction.words[instruction.keyword == "HEALTHCHECK" :]
    if not instruction.json_form:
        return tuple(shell.split(words[0], instruction.line)) if words else ()
    command = shell.command(words, instruction.line)
    script = shell.shell_script(command)
    return (command,) if script is None else tuple(shell.split(script, instruction.line))


@once_per_file
def started(dockerfile: Dockerfile) -> tuple[Command, ...]:
    """The commands of the ENTRYPOINT and of the CMD that count."""
    last = (last_shipped(dockerfile, keyword) for keyword in ("ENTRYPOINT", "CMD"))
    return tuple(command for one in last if one is not None for command in commands_of(one.instruction))


@once_per_file
def model_server(dockerfile: Dockerfile) -> str | None:
    """What in the image reads a model's weights when it starts: `vllm`, `transformers`; None when nothing tells."""
    name = facts.reference(dockerfile.final.image or "").repository.rpartition("/")[2]
    if name in _SERVERS:
        return name
    for command in started(dockerfile):
        found = re.search(_SERVES, " ".join(command.argv))
        if found:
            return found[0]
    for ran in shell.shipped(dockerfile):
        if "install" in ran.command.argv[:5] or "add" in ran.command.argv[:3]:
            for word in ran.command.arguments:
                plain = re.match(r"[A-Za-z0-9._-]+", word)
                if plain and canonical(plain[0]) in _LOADS:
                    return plain[0]
    return None


def _seconds(instruction: Instruction, flag: str, default: float) -> float:
    """A time span as Docker writes it: 1m30s. Zero and nothing are the default."""
    text = next(iter(flag_values(instruction, flag)), "")
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9.]+)([a-zµμ]+)", text)) or default


def _retries(instruction: Instruction) -> int:
    text = next(iter(flag_values(instruction, "retries")), "")
    return (int(text) if text else 0) or 3
