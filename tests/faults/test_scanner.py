"""Scanners that are missing, changed, crash or lie: none of that may read as "nothing found"."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import tools
from tests.faults.drill import Drill, squeezed

pytestmark = pytest.mark.real


@pytest.fixture
def own_scanner(programs: Callable[..., Path]) -> Callable[[int], dict[str, str]]:
    def environment(how: int) -> dict[str, str]:
        program = programs("scanner", f"-DHOW={how}")
        return {"SEATRIAL_TRIVY": str(program), "SEATRIAL_TRIVY_SHA256": tools.sha256_of(program)}

    return environment


def test_without_a_scanner_the_scan_is_skipped_and_the_policy_says_no(
    drill: Drill, pushed: Callable[[str], set[str]]
) -> None:
    drill.image()
    ended = drill.run("release", SEATRIAL_TRIVY=str(drill.root / "no-trivy"))
    assert ended.code == 10, ended.said
    record = drill.record()
    assert record["scan"]["skipped"] if "skipped" in record["scan"] else record["scan"]["because"]
    (reason,) = (row for row in record["verdict"]["reasons"] if row["severity"] == "error")
    assert reason["rule"] == "not-scanned"
    assert "no-trivy, which is no file" in reason["message"]
    assert not pushed(f"{drill.prefix}/tiny")


def test_a_scanner_whose_bytes_are_others_is_not_started(drill: Drill, pushed: Callable[[str], set[str]]) -> None:
    drill.image()
    ended = drill.run("release", SEATRIAL_TRIVY_SHA256="0" * 64)
    assert ended.code == 3, ended.said
    assert squeezed("SEATRIAL_TRIVY_SHA256 says 000") in ended.told, ended.said
    assert squeezed("it was not started") in ended.told, ended.said
    assert not drill.reports.exists()
    assert not pushed(f"{drill.prefix}/tiny")


@pytest.mark.parametrize(
    ("how", "said"),
    [(1, ["trivy exited", "panic: runtime error"]), (2, ["trivy", "JSON"])],
    ids=["crashes", "prints no JSON"],
)
def test_a_scanner_that_gives_no_answer_ends_the_release(
    drill: Drill, pushed: Callable[[str], set[str]], own_scanner: Callable[[int], dict[str, str]], how: int,
    said: list[str],
) -> None:  # fmt: skip
    drill.image()
    ended = drill.run("release", **own_scanner(how))
    assert ended.code == 3, ended.said
    for words in said:
        assert squeezed(words) in ended.told, ended.said
    assert squeezed("try: ") in ended.told, ended.said
    assert not drill.reports.exists()
    assert not pushed(f"{drill.prefix}/tiny")


def test_a_scanner_that_crashes_does_not_wait_for_a_smoke_test_that_never_ends(
    drill: Drill, own_scanner: Callable[[int], dict[str, str]]
) -> None:
    drill.image(smoke='  command: ["/probe", "sleep"]\n  readiness: {name: port, httpGet: {port: 8080}}\n'
                      "  ready_within: 10m\n")  # fmt: skip
    ended = drill.run("release", **own_scanner(1))
    assert ended.code == 3
    assert squeezed("trivy exited") in ended.told, ended.said


def test_a_smoke_test_that_cannot_be_done_does_not_wait_for_a_scanner_that_never_ends(
    drill: Drill, own_scanner: Callable[[int], dict[str, str]]
) -> None:
    drill.image(smoke="  volumes: ['./model:/model:ro']\n")
    ended = drill.run("release", **own_scanner(3))
    assert ended.code == 3
    assert squeezed("`smoke.volumes` names") in ended.told, ended.said
