"""Ctrl-C and SIGTERM at every stage: exit 3, "interrupted", nothing pushed, and nothing left (drill.close looks)."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pipeline import tools
from tests.faults.drill import DOCKERFILE, SMOKE, Drill, Running, marked, squeezed
from tests.faults.network import Silent, Wire

pytestmark = pytest.mark.real
SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
NEVER_READY = '  command: ["/probe", "sleep"]\n' + SMOKE.replace("20s", "10m")


def interrupted(running: Running, number: signal.Signals) -> None:
    running.send(number)
    ended = running.end(25)
    assert ended.code == 3, ended.said
    assert "seatrial: interrupted; what was started has been stopped\n  try: run it again" in ended.err
    assert ended.out == ""


@SIGNALS
def test_while_the_machine_is_looked_at(drill: Drill, number: signal.Signals) -> None:
    """An engine that takes the connection and never answers."""
    drill.image()
    path = f"/tmp/seatrial-drill-{drill.root.parent.parent.name}-{number.name}.sock"  # a socket's path is short
    try:
        with closing(Silent(path)) as engine:
            running = drill.start("release", DOCKER_HOST=f"unix://{path}")
            running.wait_for(lambda: engine.taken)
            interrupted(running, number)
    finally:
        Path(path).unlink()


@SIGNALS
def test_while_it_builds(drill: Drill, number: signal.Signals) -> None:
    drill.image(dockerfile=DOCKERFILE + 'RUN --network=none ["/probe", "sleep"]\n')
    running = drill.start("release")
    running.wait_for('RUN --network=none ["/probe", "sleep"]')
    interrupted(running, number)
    assert not drill.reports.exists()


@SIGNALS
def test_while_a_step_prepares_files(drill: Drill, number: signal.Signals) -> None:
    step = "  - {name: train, run: [sleep, '3600'], outputs: [model]}\n"
    drill.image(more=f"prepare:\n{step}")
    running = drill.start("release")
    running.wait_for("tiny: train")
    interrupted(running, number)
    assert not drill.reports.exists()


@SIGNALS
def test_while_the_container_gets_ready(drill: Drill, number: signal.Signals) -> None:
    drill.image(smoke=NEVER_READY)
    running = drill.start("release")
    running.wait_for("waiting until it is ready")
    interrupted(running, number)
    assert not drill.reports.exists()


@SIGNALS
def test_while_one_stage_runs_alone(drill: Drill, number: signal.Signals) -> None:
    drill.image(smoke=NEVER_READY)
    running = drill.start("smoke", "tiny")
    running.wait_for("waiting until it is ready")
    interrupted(running, number)


@SIGNALS
def test_while_it_scans(drill: Drill, programs: Callable[..., Path], number: signal.Signals) -> None:
    program = programs("scanner", "-DHOW=3")
    drill.image()
    running = drill.start("release", SEATRIAL_TRIVY=str(program), SEATRIAL_TRIVY_SHA256=tools.sha256_of(program))
    running.wait_for(lambda: any("/trivy image" in words for _, words in marked(str(drill.scratch))))
    interrupted(running, number)
    assert not drill.reports.exists()


@SIGNALS
def test_while_it_pushes(drill: Drill, number: signal.Signals) -> None:
    with closing(Silent()) as silent:
        drill.image(repository=f"{silent.address}/{drill.prefix}/tiny")
        running = drill.start("release")
        running.wait_for(lambda: silent.taken)
        interrupted(running, number)
    assert drill.record()["pushed"] is None


@SIGNALS
def test_while_it_signs(drill: Drill, registry: str, number: signal.Signals) -> None:
    """The image is in the registry then, and no tag names it."""
    with closing(Wire(registry, stalls="PUT /v2/[^ ]*/manifests/sha256[:-]")) as wire:
        drill.image(repository=f"{wire.address}/{drill.prefix}/tiny")
        running = drill.start("release")
        running.wait_for(wire.stalled.is_set)
        interrupted(running, number)
    record = drill.record()
    assert record["pushed"] is None
    ended = drill.run("verify", f"{registry}/{drill.prefix}/tiny:latest")
    assert ended.code == 3
    assert squeezed("the registry has no") in ended.told


@SIGNALS
def test_while_it_waits_for_another_release(drill: Drill, number: signal.Signals) -> None:
    drill.image(smoke=NEVER_READY)
    first = drill.start("release")
    first.wait_for("waiting until it is ready")
    second = drill.start("release")
    second.wait_for(f"is being released by process {first.pid}")
    interrupted(second, number)
    interrupted(first, number)


def test_a_second_ctrl_c_does_not_break_into_the_cleaning_up(drill: Drill) -> None:
    drill.image(smoke=NEVER_READY)
    running = drill.start("release")
    running.wait_for("waiting until it is ready")
    running.send(signal.SIGINT)
    running.send(signal.SIGTERM)
    interrupted(running, signal.SIGINT)
