"""Dockerfiles that a GPU engineer would call good have nothing said about them, at any severity."""

from pathlib import Path

import pytest

from pipeline.lint import lint, ruleset
from policies import RULES
from tests.conftest import count

GOOD = sorted(Path(__file__).with_name("good").iterdir())


@pytest.mark.parametrize("folder", GOOD, ids=lambda folder: folder.name)
def test_a_good_dockerfile_is_met_with_silence(folder):
    rules = ruleset.read(ruleset.SHIPPED, frozenset(rule.id for rule in RULES))
    found = lint([folder], rules)
    assert found.files and not found.errors
    assert [(one.rule, one.line, one.message) for one in found.findings] == []
    count("good Dockerfiles left alone", len(GOOD))
