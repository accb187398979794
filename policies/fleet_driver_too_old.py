"""fleet-driver-too-old: a CUDA version that a driver of the fleet cannot run."""

from collections.abc import Iterator

from packaging.version import Version

from pipeline import facts
from pipeline.analysis.bases import problem_with, shipped_base
from pipeline.analysis.wheels import shipped_wheels
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the base, and each wheel that brings a CUDA of its own, that some driver in `fleet.drivers` cannot run.

    Parameter `compatibility`: `minor` (the default) trusts NVIDIA's minor version compatibility, `none` asks for the
    driver that came with the toolkit, `forward` also trusts the cuda-compat package in the base (data-centre GPUs).
    """
    written = context.recipe.fleet.drivers if context.recipe is not None else ()
    drivers = sorted({version for text in written if (version := facts.driver(text)) is not None})
    trust = str(context.parameters.get("compatibility", "minor"))
    if not drivers:
        return
    stage = shipped_base(dockerfile)
    base = facts.gpu_base(stage.image)
    if base is not None and base.cuda is not None:
        too_old = [(driver, why) for driver in drivers if (why := _why_not_base(base, driver, trust))]
        if too_old:
            yield problem_with(stage, dockerfile, _message(f"CUDA {base.cuda} of {stage.image}", too_old))
    for wheel in shipped_wheels(dockerfile, context):
        cuda = wheel.cuda or facts.wheel_cuda(wheel.name, wheel.version, wheel.variant)
        if wheel.brings_cuda and cuda is not None:
            too_old = [(driver, why) for driver in drivers if (why := _why_not(cuda, driver, trust))]
            if too_old:
                message = _message(f"CUDA {cuda} in the wheel of {wheel.title}", too_old)
                yield Problem(wheel.line, message, stage=wheel.stage)


def _why_not_base(base: facts.GpuBase, driver: Version, trust: str) -> str | None:
    """Why an image does not start on a driver, or None. Its own gate, NVIDIA_REQUIRE_CUDA, counts as well."""
    assert base.cuda is not None
    accepted = facts.accepted_branches(base.cuda) if base.name == "nvidia/cuda" else None
    if trust == "forward" and accepted is not None and driver.major in accepted:
        return None
    why = _why_not(base.cuda, driver, trust)
    needed = facts.minimum_driver(Version(f"{base.cuda.major}.{base.cuda.minor}"))
    refused = accepted is not None and driver.major not in accepted
    if why is None and refused and needed is not None and driver.major < needed.major:
        return f"the image's NVIDIA_REQUIRE_CUDA refuses branch {driver.major}"
    return why


def _why_not(cuda: Version, driver: Version, trust: str) -> str | None:
    """Why a CUDA version does not run on a driver, or None. `535` without more is the newest of its branch."""
    needed = facts.minimum_driver(cuda) if trust == "none" else facts.oldest_driver(cuda)
    if needed is None:
        return None
    short = driver.major < needed.major if len(driver.release) == 1 else driver < needed
    return f"it needs {facts.driver_text(needed)} or newer" if short else None


def _message(what: str, too_old: list[tuple[Version, str]]) -> str:
    return f"{what} does not run on all of the fleet: " + "; ".join(
        f"driver {facts.driver_text(driver)}, {why}" for driver, why in too_old
    )


RULE = Rule(
    id="fleet-driver-too-old",
    severity=Severity.ERROR,
    hint="choose an older CUDA version, or update those drivers and `fleet.drivers` in image.yaml",
    look=look,
    takes={"compatibility": "text"},
)
