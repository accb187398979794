"""What a probe compares, and what it says when an answer is not the expected one."""

import pytest
from pydantic import ValidationError

from pipeline.recipe import Probe
from pipeline.smoke.probes import difference, shortened


@pytest.mark.parametrize(
    ("expected", "actual", "found"),
    [
        ({"digit": 7}, {"digit": 7, "provider": "CPU"}, None),
        ({"digit": 7}, {"digit": 1}, "body.digit is 1, expected 7"),
        ({"digit": 7}, {}, "body.digit is missing"),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "body.a.b[1] is 3, expected 2"),
        ([1], [1, 2], "body is [1, 2], expected 1 items"),
        ({"a": 1}, [], "body is [], expected an object"),
    ],
)
def test_the_first_difference_is_named_by_its_path(expected, actual, found):
    assert difference(expected, actual) == found


def test_a_probe_is_exactly_one_question():
    with pytest.raises(ValidationError, match="exactly one of"):
        Probe.model_validate({"name": "x", "tcpSocket": {"port": 1}, "exec": {"command": ["true"]}})
    with pytest.raises(ValidationError, match="exactly one of"):
        Probe.model_validate({"name": "x"})


def test_a_long_answer_is_shortened():
    assert len(shortened("x" * 10_000)) < 500
