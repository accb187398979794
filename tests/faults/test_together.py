"""Runs that meet: two at once, one after another that was killed. The evidence of both is whole."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline import sign
from tests.faults.drill import DOCKERFILE, SMOKE, Drill, containers, squeezed

pytestmark = pytest.mark.real
SLOW = '  command: ["/probe", "serve", "3"]\n' + SMOKE
NEVER_READY = '  command: ["/probe", "sleep"]\n' + SMOKE.replace("20s", "10m")


def test_a_second_release_waits_for_the_first_and_the_evidence_of_both_holds(drill: Drill) -> None:
    drill.image(smoke=SLOW)
    first = drill.start("release")
    first.wait_for("waiting until it is ready")
    second = drill.start("release")
    second.wait_for(f"{drill.reference()} is being released by process {first.pid} of")
    ended = [first.end(), second.end()]
    assert [one.code for one in ended] == [0, 0], ended
    held = drill.run("verify", f"{drill.reference()}:latest", "--format", "json")
    assert held.code == 0, held.said
    evidence = held.document()
    assert evidence["digest"] == drill.record()["digest"]
    assert evidence["signatures"] == 1  # the same digest, signed by the same key: once is enough
    assert evidence["attestations"][sign.RECORD] == 2


def test_a_release_that_may_not_wait_names_the_one_that_is_under_way(drill: Drill) -> None:
    drill.image(smoke=NEVER_READY)
    first = drill.start("release")
    first.wait_for("waiting until it is ready")
    second = drill.run("release", "--wait", "1")
    assert second.code == 3
    assert squeezed(f"{drill.reference()} is being released by process {first.pid} of") in second.told
    assert squeezed("try: wait for it, or end it; waited 1 s") in second.told
    first.send(signal.SIGTERM)
    assert first.end().code == 3


def test_a_release_that_was_killed_leaves_nothing_that_stops_the_next(
    drill: Drill, pushed: Callable[[str], set[str]]
) -> None:
    drill.image(smoke=NEVER_READY)
    killed = drill.start("release")
    killed.wait_for("waiting until it is ready")
    assert len(containers(killed.pid)) == 1
    killed.send(signal.SIGKILL)
    assert killed.end().code == -signal.SIGKILL
    assert len(containers(killed.pid)) == 1  # nobody was there to remove it
    drill.image(smoke=SMOKE)
    ended = drill.run("release", "--wait", "1")
    assert ended.code == 0, ended.said
    assert containers(killed.pid) == []
    assert drill.record()["digest"].removeprefix("sha256:") in pushed(f"{drill.prefix}/tiny")


def test_a_release_that_is_killed_while_it_builds_can_be_run_again_at_once(drill: Drill) -> None:
    step = 'RUN --network=none ["/probe", "sleep"]'
    drill.image(dockerfile=f"{DOCKERFILE}{step}\n")
    killed = drill.start("release")
    killed.wait_for(step)
    killed.send(signal.SIGKILL)
    killed.end()
    drill.image(dockerfile=DOCKERFILE)
    ended = drill.run("release", "--wait", "1")
    assert ended.code == 0, ended.said


def test_the_container_of_a_run_that_is_under_way_is_left_alone_by_others(drill: Drill) -> None:
    drill.image("one", smoke=NEVER_READY)
    drill.image("other")
    one = drill.start("release", "--image", "one")
    one.wait_for("waiting until it is ready")
    assert drill.run("release", "--image", "other").code == 0
    assert len(containers(one.pid)) == 1
    one.send(signal.SIGINT)
    assert one.end().code == 3


def test_releases_that_make_the_first_key_at_once_agree_on_one_that_fits(
    new_drill: Callable[[str], Drill], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "keys"
    drills = [new_drill(f"first{number}") for number in range(2)]
    for one in drills:
        one.image()
    with ThreadPoolExecutor() as pool:
        ended = list(pool.map(lambda one: one.run("release", SEATRIAL_CONFIG=str(config)), drills))
    assert [one.code for one in ended] == [0, 0], ended
    assert sorted(path.name for path in config.iterdir()) == ["cosign.key", "cosign.pub"]
    shown = [drill.run("verify", f"{drill.reference()}:latest", SEATRIAL_CONFIG=str(config)).code for drill in drills]
    assert shown == [0, 0]
    assert "made a signing key pair" in ended[0].err + ended[1].err
    assert (
        subprocess.run(["ls", "-l", config / "cosign.key"], capture_output=True, text=True).stdout[:10]
        == "-rw-------"
    )
