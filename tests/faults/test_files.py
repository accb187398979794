"""Files that people write: each mistake is told with its file, line and column, and nothing is started."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.faults.drill import POLICY, SMOKE, Drill


def refused(drill: Drill, *said: str) -> None:
    ended = drill.run("release")
    assert ended.code == 3, ended.said
    assert ended.out == ""
    assert ended.err.startswith("seatrial: ")
    assert "\n  try: " in ended.err
    for words in said:
        assert words in ended.err, ended.err
    assert not drill.reports.exists()


def test_a_folder_without_images_says_what_to_put_there(drill: Drill) -> None:
    refused(drill, "dockerfiles", "no image to build", "image.yaml")


def test_a_dockerfile_without_image_yaml_is_named(drill: Drill) -> None:
    (drill.image() / "image.yaml").unlink()
    refused(drill, "dockerfiles/tiny", "no image.yaml beside the Dockerfile", "name:")


@pytest.mark.parametrize(
    ("more", "smoke", "said"),
    [
        ("tagz: [v1]\n", SMOKE, ["image.yaml:3:1", "unknown key `tagz`", "did you mean `tags`?"]),
        ("tags: [v1\n", SMOKE, ["image.yaml:4:", "not YAML"]),
        ("", SMOKE + "  memory: plenty\n", ["image.yaml:7:3", "`smoke.memory`", "512MB"]),
        ("", "  readines: {}\n", ["image.yaml:4:3", "unknown key `readines`", "did you mean `readiness`?"]),
        ("dockerfile: ../other\n", SMOKE, ["image.yaml:3:1", "`dockerfile`", "below the image's folder"]),
        ("dockerfile: Dockerfil\n", SMOKE, ["image.yaml", "Dockerfil", "missing"]),
    ],
    ids=["unknown key", "not YAML", "no size", "unknown key inside", "outside", "no Dockerfile"],
)
def test_a_mistake_in_image_yaml_is_told_with_its_place(drill: Drill, more: str, smoke: str, said: list[str]) -> None:
    drill.image(more=more, smoke=smoke)
    refused(drill, *said)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (POLICY.replace("runs-as-root", "run-as-root"), ["policy.yaml:4:13", "did you mean `runs-as-root`?"]),
        (POLICY.replace("databases: []", "database: []"), ["policy.yaml:5:12", "did you mean `databases`?"]),
        (POLICY.replace("default: drill", "default: dril"), ["policy.yaml", "no profile `dril`", "drill"]),
        (POLICY + "  other: {extends: other}\n", ["policy.yaml", "extend each other: other → other"]),
        ("default: [\n", ["policy.yaml:2:1", "not YAML"]),
        ("", ["policy.yaml:1:1", "must hold keys and values"]),
    ],
    ids=["unknown rule", "unknown key", "unknown profile", "circle", "not YAML", "empty"],
)
def test_a_mistake_in_policy_yaml_is_told_with_its_place(drill: Drill, policy: str, said: list[str]) -> None:
    drill.image()
    drill.policy(policy)
    refused(drill, *said)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            "{rule: x, imag: tiny, reason: for now, accepted_by: me, until: 2030-01-01}",
            ["waivers.yaml:2:", "mean `image`?"],
        ),
        ("{rule: x, reason: for now, accepted_by: me, until: tomorrow}", ["waivers.yaml:2:", "until", "tomorrow"]),
        ("{rule: x, reason: for now, until: 2030-01-01}", ["waivers.yaml:2:", "accepted_by", "missing"]),
    ],
    ids=["unknown key", "no date", "nobody accepted it"],
)
def test_a_mistake_in_waivers_yaml_is_told_with_its_place(drill: Drill, row: str, said: list[str]) -> None:
    drill.image()
    drill.policy(waivers=f"waivers:\n  - {row}\n")
    refused(drill, *said)


def test_a_policy_file_that_is_not_there_is_named(drill: Drill) -> None:
    drill.image()
    ended = drill.run("release", "--policy", "policies/strict.yaml")
    assert ended.code == 3
    assert "policies/strict.yaml: no such file" in ended.err


@pytest.mark.parametrize(
    ("dockerfile", "said"),
    [
        ("FROM scratch\nCOPPY a b\n", ["Dockerfile:2", "COPPY"]),
        ("COPY a b\nFROM scratch\n", ["Dockerfile:1", "FROM"]),
        ("", ["Dockerfile:1", "no instruction"]),
        ("FROM scratch\nRUN <<END\nnever closed\n", ["Dockerfile", "END"]),
    ],
    ids=["unknown instruction", "before FROM", "empty", "heredoc without end"],
)
def test_a_dockerfile_that_does_not_parse_is_told_with_its_line(
    drill: Drill, dockerfile: str, said: list[str]
) -> None:
    drill.image(dockerfile=dockerfile)
    refused(drill, *said)


def test_images_that_build_on_each_other_in_a_circle_are_named(drill: Drill) -> None:
    for name, base in (("first", "second"), ("second", "third"), ("third", "first")):
        drill.image(name, dockerfile=f"# a comment\nFROM {base}\n")
    refused(drill, "Dockerfile:2", "in a circle", "first", "second", "third", "outside the circle")


def test_a_name_that_no_image_has_gets_the_nearest_one(drill: Drill) -> None:
    drill.image("server")
    ended = drill.run("release", "--image", "sever")
    assert ended.code == 3
    assert "no image `sever`" in ended.err
    assert "did you mean `server`?" in ended.err


def test_a_mistake_in_one_image_stops_the_tree_before_anything_is_built(
    drill: Drill, pushed: Callable[[str], set[str]]
) -> None:
    drill.image("good")
    drill.image("wrong", dockerfile="FORM scratch\n")
    refused(drill, "wrong/Dockerfile:1", "FORM")
    assert not pushed(f"{drill.prefix}/good")
