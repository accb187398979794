"""Containers that misbehave: exit 10, with the probe, what it saw and the last lines of the log."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.drill import SMOKE, Drill, squeezed

pytestmark = pytest.mark.real
IMPATIENT = SMOKE.replace("20s", "1s")


@pytest.mark.parametrize(
    ("smoke", "probe", "because", "saw", "log"),
    [
        ('  command: ["/probe", "give-up"]\n' + SMOKE, "becomes ready", "it ended with exit code 3",
         "no model at /model: giving up", "no model at /model: giving up"),
        ('  command: ["/probe", "sleep"]\n' + IMPATIENT, "becomes ready", "not ready within 1 s",
         "no answer", "asleep"),
        (SMOKE + "  probes: [{name: predicts, httpGet: {port: 8080, path: /bad}}]\n", "predicts", "status 500",
         "500 the model is broken", "GET /bad: the model is broken"),
        ('  command: ["/probe", "deaf"]\n' + SMOKE.replace("2s", "1s"), "stops on SIGTERM",
         "it ignored SIGTERM for 1 s and was killed", None, "listening on 8080"),
        ('  command: ["/no-such-program"]\n' + SMOKE, "starts",
         "the program, its interpreter, or a mounted path does not exist", "no-such-program", ""),
    ],
    ids=["exits at once", "never ready", "answers 500", "ignores SIGTERM", "no such program"],
)  # fmt: skip
def test_a_container_that_misbehaves_does_not_ship(
    drill: Drill, pushed: Callable[[str], set[str]], smoke: str, probe: str, because: str, saw: str | None, log: str
) -> None:
    drill.image(smoke=smoke)
    ended = drill.run("release")
    assert ended.code == 10, ended.said
    assert squeezed(f"{probe}: {because}") in ended.told
    assert saw is None or squeezed(saw) in ended.told
    tested = drill.record()["smoke"]
    outcome = next(row for row in tested["outcomes"] if row["outcome"] == "failed")
    assert outcome["probe"] == probe
    assert because in outcome["because"]
    assert log in tested["logs"]
    assert not pushed(f"{drill.prefix}/tiny")


def test_the_smoke_task_alone_shows_the_containers_last_lines(drill: Drill) -> None:
    drill.image(smoke=SMOKE + "  probes: [{name: predicts, httpGet: {port: 8080, path: /bad}}]\n")
    ended = drill.run("smoke", "tiny")
    assert ended.code == 10
    assert "the container's last lines" in ended.out
    assert "GET /bad: the model is broken" in ended.out


def test_a_recipe_that_asks_for_what_is_not_here_is_an_error_and_no_verdict(drill: Drill) -> None:
    drill.image(smoke=SMOKE + "  volumes: ['./model:/model:ro']\n")
    ended = drill.run("release")
    assert ended.code == 3
    assert "`smoke.volumes` names" in ended.out
    assert "try: create it" in ended.out
