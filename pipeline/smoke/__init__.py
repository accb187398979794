"""Image and image.yaml's `smoke` in, what a container of it did out. Speaks to: the engine's API.

The container runs hardened: no new privileges, every capability dropped, limits on memory and processes, a read-only
root. It is removed whatever happens. What answers is compared here; whether that is enough is the policy's question.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from pipeline import tools
from pipeline.errors import Interrupted
from pipeline.model import Gpu, Image, Outcome, Smoke
from pipeline.recipe import Recipe
from pipeline.smoke import engine, probes
from pipeline.smoke.gpu import Device, find_device, read_facts

LOG_LINES = 60


def smoke(image: Image, recipe: Recipe, *, say: Callable[[str], None] = lambda _: None) -> Smoke:
    """Run the image as its recipe says, ask its probes, stop it with SIGTERM.

    Raises EngineDown when the engine goes away, PipelineError when the recipe names what this machine lacks.
    What the container itself does wrong is an outcome, never an error.
    """
    started = time.monotonic()
    with engine.connected() as client:
        engine.sweep(client)
        device = find_device(client.info()) if recipe.smoke.gpu != "none" else None
        with engine.removed(engine.create(client, image, recipe, device)) as container:
            return _observe(container, image, recipe, device, started, say)


def _observe(
    container: Any, image: Image, recipe: Recipe, device: Device | None, started: float, say: Callable[[str], None]
) -> Smoke:
    settings = recipe.smoke
    outcomes: list[Outcome] = []
    hidden = tuple(filter(None, (os.environ.get(name) for name in settings.env_from_host)))
    ready_after = stopped_after = exit_code = None
    began = time.monotonic()
    starts = engine.start(container)
    outcomes.append(starts)
    if starts.outcome == "passed":
        say("waiting until it is ready")
        ready = _wait(container, recipe, began)
        outcomes.append(ready)
        is_ready = ready.outcome == "passed"
        ready_after = ready.seconds if is_ready else None
        for probe in settings.probes:
            if tools.stopping():
                raise Interrupted("the smoke test was stopped", hint="run the command again")
            say(probe.name)
            outcomes.append(probes.ask(container, probe, recipe.folder) if is_ready else _not_asked(probe.name))
    gpu = Gpu(requested=settings.gpu, visible=None, driver=None, simulated=bool(device and device.simulated))
    if settings.gpu != "none":
        if device is not None and starts.outcome == "passed":
            gpu = read_facts(container, gpu)
        outcomes.append(_gpu_outcome(gpu, device))
    if starts.outcome == "passed":
        stops, stopped_after, exit_code = _stop(container, settings.stop_within)
        outcomes.append(stops)
    return Smoke(
        image=image.name,
        digest=image.digest,
        gpu=gpu,
        ready_after_s=ready_after,
        stopped_after_s=stopped_after,
        exit_code=exit_code,
        outcomes=tuple(_without(one, hidden) for one in outcomes),
        hardening=engine.hardening(recipe),
        logs=_masked(engine.logs(container, LOG_LINES), hidden),
        seconds=round(time.monotonic() - started, 3),
    )


def _wait(container: Any, recipe: Recipe, began: float) -> Outcome:
    """Ask readiness again and again until it passes, the container ends, or `ready_within` is over."""
    deadline = began + recipe.smoke.ready_within
    pause = 0.05
    saw: str | None = None
    while True:
        if tools.stopping():
            raise Interrupted("the smoke test was stopped", hint="run the command again")
        ended = engine.ended(container)
        if ended is not None:
            return Outcome(probe="becomes ready", outcome="failed", because=f"it ended with exit code {ended}",
                           saw=_tail(container), seconds=round(time.monotonic() - began, 3))  # fmt: skip
        asked = probes.readiness(container, recipe)
        seconds = round(time.monotonic() - began, 3)
        if asked.outcome == "passed":
            return Outcome(probe="becomes ready", outcome="passed", because=None, saw=asked.saw, seconds=seconds)
        saw = asked.saw or asked.because
        if time.monotonic() > deadline:
            return Outcome(probe="becomes ready", outcome="failed",
                           because=f"not ready within {recipe.smoke.ready_within:g} s",
                           saw=saw, seconds=seconds)  # fmt: skip
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)


def _stop(container: Any, patience: float) -> tuple[Outcome, float | None, int | None]:
    """SIGTERM, and SIGKILL when patience is over. 137 is a kill, and 143 is an end by SIGTERM."""
    ended = engine.ended(container)
    if ended is not None:
        return Outcome(probe="keeps running", outcome="failed", because=f"it ended by itself with exit code {ended}",
                       saw=_tail(container), seconds=None), None, ended  # fmt: skip
    seconds, exit_code = engine.stop(container, patience)
    if exit_code == 137:
        because = f"it ignored SIGTERM for {patience:g} s and was killed"
        return _stopped("failed", because, seconds), seconds, exit_code
    if exit_code not in (0, 143):
        return _stopped("failed", f"it ended with exit code {exit_code}", seconds), seconds, exit_code
    return _stopped("passed", None, seconds), seconds, exit_code


def _stopped(outcome: str, because: str | None, seconds: float) -> Outcome:
    return Outcome(probe="stops on SIGTERM", outcome=outcome, because=because, saw=None, seconds=seconds)


def _gpu_outcome(gpu: Gpu, device: Device | None) -> Outcome:
    if device is None:
        because = "no GPU on this host: no CDI device of nvidia.com/gpu and no NVIDIA runtime"
        return Outcome(probe="sees a GPU", outcome="skipped", because=because, saw=None, seconds=None)
    if gpu.visible:
        saw = f"{gpu.visible} visible, driver {gpu.driver or 'unknown'}" + (" (SIMULATED)" if gpu.simulated else "")
        return Outcome(probe="sees a GPU", outcome="passed", because=None, saw=saw, seconds=None)
    because = f"{device.name} was injected, and the container sees no GPU"
    return Outcome(probe="sees a GPU", outcome="failed", because=because, saw=None, seconds=None)


def _not_asked(name: str) -> Outcome:
    return Outcome(probe=name, outcome="skipped", because="it never became ready", saw=None, seconds=None)


def _tail(container: Any) -> str:
    return probes.shortened(engine.logs(container, 10))


def _without(outcome: Outcome, hidden: tuple[str, ...]) -> Outcome:
    """The outcome with every value that came from the host's environment masked."""
    if not hidden:
        return outcome
    because, saw = (_masked(text, hidden) if text else text for text in (outcome.because, outcome.saw))
    return Outcome(probe=outcome.probe, outcome=outcome.outcome, because=because, saw=saw, seconds=outcome.seconds)


def _masked(text: str, hidden: tuple[str, ...]) -> str:
    for value in hidden:
        text = text.replace(value, "***")
    return text
