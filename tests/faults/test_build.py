"""Builds that cannot be done: the message names the Dockerfile line and what was said, and nothing is pushed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.drill import DOCKERFILE, Drill, squeezed

pytestmark = pytest.mark.real


def test_a_run_that_fails_shows_its_line_and_its_last_words(drill: Drill, pushed: Callable[[str], set[str]]) -> None:
    drill.image(dockerfile=DOCKERFILE + '# it will not work\nRUN --network=none ["/probe", "give-up"]\n')
    ended = drill.run("release")
    assert ended.code == 3
    assert squeezed("Dockerfile:5: ") in ended.told, ended.said
    assert squeezed("failed: exit code: 3") in ended.told, ended.said
    assert squeezed("no model at /model: giving up") in ended.told, ended.said
    assert squeezed("try: correct that instruction") in ended.told, ended.said
    assert not drill.reports.exists()
    assert not pushed(f"{drill.prefix}/tiny")


def test_a_file_that_the_context_lacks_is_named_with_its_line(drill: Drill) -> None:
    drill.image(dockerfile=DOCKERFILE + "COPY model.onnx /\n")
    ended = drill.run("release")
    assert ended.code == 3
    assert squeezed("Dockerfile:4: ") in ended.told, ended.said
    assert squeezed('"/model.onnx": not found') in ended.told, ended.said


def test_a_base_whose_registry_does_not_exist_is_named(drill: Drill) -> None:
    drill.image(dockerfile="FROM registry.invalid/base:1\n")
    ended = drill.run("release")
    assert ended.code == 3
    assert squeezed("Dockerfile:1: the base image registry.invalid/base:1 cannot be had") in ended.told, ended.said
    assert squeezed("try: check its name, its registry") in ended.told, ended.said


def test_a_base_that_its_registry_does_not_hold_is_named(drill: Drill) -> None:
    base = f"{drill.registry}/{drill.prefix}/nothing:1"
    drill.image(dockerfile=f"# comment\nFROM {base}\n")
    ended = drill.run("release")
    assert ended.code == 3
    assert squeezed(f"Dockerfile:2: the base image {base} cannot be had: ") in ended.told, ended.said
    assert squeezed("not found") in ended.told, ended.said


def test_a_build_that_takes_too_long_is_stopped(drill: Drill) -> None:
    drill.image(dockerfile=DOCKERFILE + 'RUN --network=none ["/probe", "sleep"]\n', more="build_timeout: 2s\n")
    ended = drill.run("release")
    assert ended.code == 3
    assert squeezed("ran longer than 2 s and was stopped") in ended.told, ended.said


def test_one_image_that_cannot_be_built_does_not_stop_the_others(
    drill: Drill, pushed: Callable[[str], set[str]]
) -> None:
    drill.image("broken", dockerfile="FROM scratch\nCOPY nothing /\n")
    drill.image("child", dockerfile="FROM broken\n")
    drill.image("sound")
    ended = drill.run("release", "--format", "json")
    assert ended.code == 3
    rows = {row["image"]: (row["outcome"], row["exit_code"]) for row in ended.document()["releases"]}
    assert rows == {"broken": ("error", 3), "child": ("skipped", 3), "sound": ("passed", 0)}
    assert pushed(f"{drill.prefix}/sound") and not pushed(f"{drill.prefix}/child")
