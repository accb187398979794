"""The verdict is a gate: what did not pass is not pushed, and what builds on it is not built."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.drill import DOCKERFILE, POLICY, Drill

pytestmark = pytest.mark.real
STRICT = POLICY.replace('runs-as-root: "off"', "runs-as-root: error")


def test_a_failed_lint_builds_nothing_and_pushes_nothing(drill: Drill, pushed: Callable[[str], set[str]]) -> None:
    drill.policy(STRICT)
    drill.image()
    ended = drill.run("release")
    assert ended.code == 10
    assert "runs-as-root" in ended.out
    assert "build" not in ended.err.replace("tiny: check", "")
    record = drill.record()
    assert record["verdict"]["outcome"] == "failed"
    assert record["build"] is None and record["digest"] is None
    assert not pushed(f"{drill.prefix}/tiny")


def test_what_builds_on_a_failed_image_is_skipped_and_the_others_go_on(
    drill: Drill, pushed: Callable[[str], set[str]]
) -> None:
    drill.policy(STRICT)
    drill.image("base")
    drill.image("upper", dockerfile="FROM base\nUSER 1000\n")
    drill.image("top", dockerfile="FROM upper\nUSER 1000\n")
    drill.image("other", dockerfile=DOCKERFILE + "USER 1000\n")
    ended = drill.run("release", "--format", "json")
    assert ended.code == 10, ended.said
    rows = {row["image"]: (row["outcome"], row["because"], row["exit_code"]) for row in ended.document()["releases"]}
    assert rows["base"][0] == "failed"
    assert rows["upper"] == ("skipped", "its base base did not pass", 10)
    assert rows["top"] == ("skipped", "its base upper was skipped", 10)
    assert rows["other"] == ("passed", None, 0)
    assert [bool(pushed(f"{drill.prefix}/{name}")) for name in ("base", "upper", "top", "other")] == [0, 0, 0, 1]


def test_a_record_that_did_not_pass_cannot_be_pushed_or_signed_by_hand(
    drill: Drill, pushed: Callable[[str], set[str]]
) -> None:
    drill.image(more="budget: {bytes: 1KB}\n")
    assert drill.run("release").code == 10
    for stage in ("push", "sign"):
        ended = drill.run(stage, "tiny")
        assert ended.code == 10
        assert "the verdict is failed" in ended.err
    assert not pushed(f"{drill.prefix}/tiny")
