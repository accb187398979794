"""What rules know of a place in a Dockerfile: user, folder, base; and what ignored-directive's page cannot show."""

import pytest

from pipeline.analysis import walk
from pipeline.analysis.bases import begins_at_root
from pipeline.model import Context
from pipeline.parse import parse
from policies import ignored_directive


def test_user_and_folder_hold_from_the_next_instruction_on_and_in_the_stages_above() -> None:
    file = parse(
        "FROM debian:12 AS base\nWORKDIR /srv\nUSER app\nWORKDIR api\nFROM base\nRUN make\nWORKDIR ../x\nRUN make\n"
    )
    states = walk.states(file)
    assert states[2] == walk.State(None, "/", False)
    assert states[3] == walk.State(None, "/srv", True)
    assert states[4].user == "app"
    assert states[6] == walk.State("app", "/srv/api", True)
    assert states[8].folder == "/srv/x"


@pytest.mark.parametrize(
    ("base", "at_root"),
    [
        ("debian:12", True),
        ("docker.io/library/debian:12", True),
        ("mirror.example.com:5000/hub/library/debian@sha256:" + "0" * 64, True),
        ("nvidia/cuda:12.9.1-base-ubuntu24.04", True),
        ("ghcr.io/team/debian:12", False),
        ("library/team/debian", False),
        ("pytorch/pytorch:2.8.0", False),
    ],
)
def test_only_the_official_image_is_known_to_begin_at_the_root(base: str, at_root: bool) -> None:
    assert begins_at_root(base) is at_root


def test_a_variable_without_a_value_makes_the_folder_unknown_until_it_is_absolute_again() -> None:
    file = parse("FROM debian:12\nWORKDIR $A\nWORKDIR b\nWORKDIR /c\nRUN make\n")
    assert [walk.states(file)[line].folder for line in (3, 4, 5)] == [None, None, "/c"]


def test_a_folder_that_grows_for_ever_is_no_longer_followed() -> None:
    file = parse("FROM debian:12\n" + "WORKDIR aaaaaaaaaa\n" * 2000 + "RUN make\n")
    assert walk.states(file)[2002].folder is None


def test_a_file_full_of_misspellings_is_asked_about_some_of_them_only() -> None:
    file = parse("FROM debian:12\n")
    answers = [walk.nearest(file, f"stag{number}", ["stage"]) for number in range(1000)]
    assert answers[0] == "stage" and answers[-1] is None


@pytest.mark.parametrize(
    ("directive", "hint"),
    [
        ("# check=skip=JSONArgsRecomended", "did you mean JSONArgsRecommended?"),
        ("# check=error=true;skip=StageNameCasing,undefinedvar", "did you mean UndefinedVar?"),
        ("# check=skip=StageNameCasing, UndefinedVar", None),
        ("# check=skip=all", None),
        ("# check=skip=SomethingOfNextYear", None),
    ],
)
def test_a_check_that_is_skipped_and_does_not_exist_is_told(directive: str, hint: str | None) -> None:
    problems = list(ignored_directive.look(parse(f"{directive}\nFROM debian:12\n"), Context()))
    assert [problem.hint for problem in problems] == ([hint] if hint else [])
    assert all(problem.line == 1 for problem in problems)
