"""A Dockerfile or an image in, the drivers and GPUs that it starts on out. Speaks to: nothing.

Three things decide, each for itself: the CUDA that the image and its wheels bring (it needs a driver of its family),
the image's own NVIDIA_REQUIRE_CUDA (the container runtime refuses to start it), and the machine code in its wheels
(a GPU without it says "no kernel image"). What no file tells is `unknown`, never yes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packaging.version import Version

from pipeline import facts
from pipeline.facts.requirements import Word
from pipeline.gpu.brings import Need, base_need, conda_needs, declared, env_line, is_cuda_image, wheel_needs
from pipeline.model import Context, Dockerfile

_CHECKED = ("NVIDIA_DISABLE_REQUIRE", "NVIDIA_REQUIRE_CUDA", "CUDA_VERSION")
_RANK: dict[Word, int] = {"no": 0, "unknown": 1, "yes": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetAnswer:
    """Whether the image starts on one entry of the fleet, why, and the line that decides (None: no line does)."""

    on: str  # `driver 535.104.05`, `GPU 8.0`
    answer: Word
    because: str
    file: str | None
    line: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """What an image needs, and where it starts. `gathered` is the day of the oldest table of facts behind it."""

    subject: str  # as it was asked for
    file: str | None
    image: str | None  # the base that ships, or the image itself
    vendor: str | None  # nvidia, amd; None: nothing here needs a GPU as far as the files tell
    driver: str | None  # the oldest driver on which all of it runs
    accepted_branches: tuple[int, ...] | None  # older branches that nvidia/cuda's own check lets in
    lowest: str | None  # compute capabilities that all needs hold code for, as far as that is known
    highest: str | None
    needs: tuple[Need, ...]
    fleet: tuple[FleetAnswer, ...]
    gathered: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    """The image that is judged: its base and where that stands, its needs, its environment."""

    reference: str | None
    file: str | None
    line: int | None
    base: facts.GpuBase | None
    needs: tuple[Need, ...]
    environment: Mapping[str, str]
    check: tuple[str | None, int | None] = (None, None)  # where the image itself sets what the runtime checks


def of_dockerfiles(
    chain: Sequence[tuple[Dockerfile, Context]], subject: str, drivers: Sequence[str], gpus: Sequence[str]
) -> Starts:
    """Judge what a Dockerfile ships on each driver (`535`, `535.104.05`) and GPU (`8.0`, `A100`).

    `chain` is the Dockerfile, then that of the image it builds on where we have it, and so on.
    """
    from pipeline.analysis.bases import shipped_base
    from pipeline.analysis.installs.conda import conda_cuda
    from pipeline.analysis.wheels import shipped_wheels

    last, _ = chain[-1]
    stage = shipped_base(last)
    environment: dict[str, str] = {}
    needs = [*base_need(stage.image, facts.gpu_base(stage.image), last.path, stage.line)]
    for dockerfile, context in reversed(chain):
        environment |= dockerfile.final.environment
        needs += wheel_needs(dockerfile.path, shipped_wheels(dockerfile, context))
        needs += conda_needs(dockerfile.path, conda_cuda(dockerfile, context))
    if not needs:
        needs += declared(chain, environment)
    image = _Image(reference=stage.image, file=last.path, line=stage.line, base=facts.gpu_base(stage.image),
                   needs=tuple(needs), environment=environment, check=env_line(chain, _CHECKED))  # fmt: skip
    return _starts(image, subject, chain[0][0].path, drivers, gpus)


def of_reference(
    reference: str, environment: Mapping[str, str] | None, drivers: Sequence[str], gpus: Sequence[str]
) -> Starts:
    """Judge an image by its tag, and by its environment where an engine has it."""
    base = facts.gpu_base(reference)
    image = _Image(reference=reference, file=None, line=None, base=base, environment=environment or {},
                   needs=tuple(base_need(reference, base, None, None)))  # fmt: skip
    return _starts(image, reference, None, drivers, gpus)


def _starts(image: _Image, subject: str, file: str | None, drivers: Sequence[str], gpus: Sequence[str]) -> Starts:
    needs = image.needs
    needed = [version for need in needs if need.oldest_driver and (version := facts.driver(need.oldest_driver))]
    known = [need.capabilities for need in _with_code(needs) if need.capabilities]
    amd = image.base is not None and image.base.vendor == "amd"
    return Starts(
        subject=subject,
        file=file,
        image=image.reference,
        vendor="amd" if amd else "nvidia" if needs else None,
        driver=facts.driver_text(max(needed)) if needed else None,
        accepted_branches=_branches(image.base),
        lowest=_text(max((_plain(one[0]) for one in known), default=None)),
        highest=_text(min((_plain(one[-1]) for one in known), default=None)),
        needs=needs,
        fleet=(
            *(_on_driver(image, text) for text in drivers),
            *(_on_gpu(image, text) for text in gpus),
        ),
        gathered=facts.gathered(),
    )


def _on_driver(image: _Image, text: str) -> FleetAnswer:
    """One driver: the image's own check first, then what the CUDA of each one needs."""
    on = f"driver {text}"
    driver = facts.driver(text)
    if driver is None:
        return _verdict(on, "unknown", "that is no driver version, like 535 or 535.104.05")
    if image.base is not None and image.base.vendor == "amd":
        return _verdict(on, "no", "a ROCm image, which needs an AMD GPU", image)
    gate = _gate(image, driver)
    file, line = image.check if image.check[0] else (image.file, image.line)
    verdicts = []
    if gate is not None:
        verdicts.append(FleetAnswer(on=on, answer=gate.answer, because=gate.because, file=file, line=line))
    verdicts += [_family(need, driver, on, gate) for need in image.needs]
    return _worst(verdicts, on, "nothing that ships needs a driver, as far as the files tell")


def _gate(image: _Image, driver: Version) -> facts.Answer | None:
    """What NVIDIA's runtime says: by the image's own variables, or by those that we know its base to have."""
    base = image.base
    if any(name.startswith("NVIDIA_") and "REQUIRE" in name for name in image.environment):
        return facts.requirement_holds(image.environment, driver)
    if base is None or base.name != "nvidia/cuda" or base.cuda is None:
        return None
    gate = facts.nvidia_require_cuda(base.cuda)
    if gate is not None:
        return facts.requirement_holds({"NVIDIA_REQUIRE_CUDA": gate}, driver)
    held = facts.requirement_holds({"NVIDIA_REQUIRE_CUDA": f"cuda>={base.cuda.major}.{base.cuda.minor}"}, driver)
    if held.answer != "no":
        return held
    return facts.Answer(answer="unknown", because=f"which older drivers nvidia/cuda {base.cuda} accepts is not known")


def _family(need: Need, driver: Version, on: str, gate: facts.Answer | None) -> FleetAnswer:
    """Minor version compatibility: from the oldest driver of a CUDA family on, all of the family runs."""
    oldest = facts.driver(need.oldest_driver) if need.oldest_driver else None
    if oldest is None:
        return _verdict(on, "unknown", f"which CUDA {need.what} has, or needs, is not known", need)
    short = driver.major < oldest.major if len(driver.release) == 1 else driver < oldest
    if not short:
        return _verdict(on, "yes", f"CUDA {need.cuda} runs from driver {need.oldest_driver} on", need)
    because = f"CUDA {need.cuda} of {need.what} needs driver {need.oldest_driver} or newer"
    if gate is not None and gate.answer == "yes" and is_cuda_image(need):
        because = f"only through the base's cuda-compat package, on data centre GPUs: {because}"
        return _verdict(on, "unknown", because, need)
    return _verdict(on, "no", because, need)


def _on_gpu(image: _Image, text: str) -> FleetAnswer:
    """One GPU: each must hold code that runs on it."""
    wanted = facts.capability(text)
    on = f"GPU {text}" if wanted is None or str(wanted) == text else f"GPU {text} ({wanted})"
    if wanted is None:
        return _verdict(on, "unknown", "no GPU and no compute capability that is known")
    if image.base is not None and image.base.vendor == "amd":
        return _verdict(on, "no", "a ROCm image, which needs an AMD GPU", image)
    verdicts = [_code(need, wanted, on) for need in _with_code(image.needs)]
    if image.needs and not verdicts:
        return _verdict(on, "unknown", "only CUDA's libraries ship, as far as the files tell", image.needs[0])
    return _worst(verdicts, on, "nothing that ships holds GPU code, as far as the files tell")


def _with_code(needs: Sequence[Need]) -> list[Need]:
    """The needs whose code decides. Wheels bring their own libraries: beside one, the base's range says nothing."""
    found = [need for need in needs if need.capabilities != ()]
    wheels = [need for need in found if need.capabilities and not is_cuda_image(need)]
    return [need for need in found if not is_cuda_image(need)] if wheels else found


def _code(need: Need, wanted: Version, on: str) -> FleetAnswer:
    if not need.capabilities:
        return _verdict(on, "unknown", f"which GPUs {need.what} holds code for is not known", need)
    range_ = f"{need.capabilities[0]} to {need.capabilities[-1]}"
    if facts.covers(need.capabilities, wanted):
        if is_cuda_image(need):
            return _verdict(on, "yes", f"CUDA {need.cuda} supports {range_}", need)
        return _verdict(on, "yes", f"{need.what} holds code for {range_}", need)
    if is_cuda_image(need) and wanted > _plain(need.capabilities[-1]):
        because = f"newer than what CUDA {need.cuda} knows ({range_}): only code that carries PTX runs there"
        return _verdict(on, "unknown", because, need)
    if is_cuda_image(need):
        return _verdict(on, "no", f"CUDA {need.cuda} supports {range_} only", need)
    return _verdict(on, "no", f"{need.what} holds code for {', '.join(need.capabilities)} only", need)


def _verdict(on: str, answer: Word, because: str, place: Need | _Image | None = None) -> FleetAnswer:
    file, line = (place.file, place.line) if place is not None else (None, None)
    return FleetAnswer(on=on, answer=answer, because=because, file=file, line=line)


def _worst(verdicts: Sequence[FleetAnswer], on: str, otherwise: str) -> FleetAnswer:
    """The first no, else the first unknown; a yes says all of its reasons."""
    if not verdicts:
        return _verdict(on, "yes", otherwise)
    worst = min(verdicts, key=lambda one: _RANK[one.answer])
    if worst.answer != "yes":
        return worst
    reasons = dict.fromkeys(one.because for one in verdicts)
    return FleetAnswer(on=on, answer="yes", because="; ".join(reasons), file=worst.file, line=worst.line)


def _branches(base: facts.GpuBase | None) -> tuple[int, ...] | None:
    return facts.accepted_branches(base.cuda) if base and base.name == "nvidia/cuda" and base.cuda else None


def _plain(capability: str) -> Version:
    return Version(capability.removesuffix("+PTX"))


def _text(version: Version | None) -> str | None:
    return str(version) if version else None
