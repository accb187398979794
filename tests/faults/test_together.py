"""Runs that meet: two at once, one after another that was killed. The evidence of both is whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import sign
from tests.faults.drill import DOCKERFILE, SMOKE, Drill, containers, marked, squeezed

pytestmark = pytest.mark.real
ROOT = Path(__file__).parents[2]
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


def test_a_preparation_that_was_killed_half_way_does_not_pass_for_made(drill: Drill) -> None:
    """The same inputs as before, made again with --fresh: what lies there afterwards is half of a model."""
    program = "#!/bin/sh\necho half >model\nwhile test -e slow; do sleep 1; done\necho whole >model\n"
    folder = drill.image(
        dockerfile=f"{DOCKERFILE}COPY model /\n",
        more="prepare:\n  - {name: train, run: [./train], inputs: [train], outputs: [model]}\n",
    )
    (folder / "train").write_text(program)
    (folder / "train").chmod(0o755)
    assert drill.run("build", "tiny").code == 0
    (folder / "slow").touch()
    killed = drill.start("build", "tiny", "--fresh")
    killed.wait_for(lambda: (folder / "model").read_text() == "half\n")
    killed.send(signal.SIGKILL)
    killed.end()
    for pid, _ in marked(str(drill.root)):
        os.kill(pid, signal.SIGKILL)  # the machine went down, and took the program with it
    (folder / "slow").unlink()
    assert drill.run("build", "tiny").code == 0
    assert (folder / "model").read_text() == "whole\n"


def test_the_container_of_a_run_that_is_under_way_is_left_alone_by_others(drill: Drill) -> None:
    drill.image("one", smoke=NEVER_READY)
    drill.image("other")
    one = drill.start("release", "--image", "one")
    one.wait_for("waiting until it is ready")
    assert drill.run("release", "--image", "other").code == 0
    assert len(containers(one.pid)) == 1
    one.send(signal.SIGINT)
    assert one.end().code == 3


def test_runs_that_make_the_first_key_at_once_agree_on_one_pair_that_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CONFIG", "CACHE", "STATE"):
        monkeypatch.setenv(f"SEATRIAL_{name}", str(tmp_path / name))
    argv = [sys.executable, "-c", "from pipeline import sign; print(sign.keys().fingerprint)"]
    runs = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(5)]
    told = {run.communicate(timeout=60)[0].strip() for run in runs}
    keys = sign.keys()
    assert told == {keys.fingerprint}
    assert sorted(path.name for path in (tmp_path / "CONFIG").iterdir()) == ["cosign.key", "cosign.pub"]
    assert (tmp_path / "CONFIG/cosign.key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "file").write_text("evidence")
    sign.sign_file(tmp_path / "file", keys)
    sign.check_file(tmp_path / "file", keys.public)
