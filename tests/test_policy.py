"""policy.yaml and waivers.yaml: what they mean, and what a mistake in them looks like."""

import re
from pathlib import Path

import pytest

from pipeline import policy
from pipeline.errors import BadFile
from pipeline.lint import ruleset
from policies import RULES

SHIPPED = Path(__file__).parents[1] / "policies" / "policy.yaml"
IDS = frozenset(rule.id for rule in RULES)


def written(tmp_path, text, waivers=None):
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    if waivers is not None:
        (tmp_path / "waivers.yaml").write_text(waivers)
    return file


def test_the_shipped_policy_is_valid_and_every_profile_resolves():
    shipped = policy.read(SHIPPED, IDS)
    assert shipped.profile(None) == shipped.profile(shipped.content.default)
    for name in shipped.content.profiles:
        assert shipped.profile(name).scan.databases[-1] == "shipped"


def test_a_profile_that_extends_another_says_only_what_differs():
    shipped = policy.read(SHIPPED, IDS)
    serving, base = shipped.profile("gpu-serving"), shipped.profile("base-image")
    assert base.limits == serving.limits
    rules = ruleset.of(shipped)
    assert "runs-as-root" in rules.profile("gpu-serving").severities(RULES)
    assert "runs-as-root" not in rules.profile("base-image").severities(RULES)


def test_a_bare_off_switches_a_rule_off_although_yaml_reads_it_as_false(tmp_path):
    file = written(tmp_path, "default: a\nprofiles:\n  a:\n    rules:\n      runs-as-root: off\n")
    found = ruleset.of(policy.read(file, IDS)).profile("a")
    assert "runs-as-root" not in found.severities(RULES)


def test_rules_of_taste_are_quiet_until_a_profile_names_them_or_asks_for_all(tmp_path):
    file = written(
        tmp_path,
        "default: a\nprofiles:\n  a: {}\n  b: {rules: {keyword-casing: on}}\n"
        "  c: {every_rule: true, rules: {unused-argument: off}}\n",
    )
    found = ruleset.of(policy.read(file, IDS))
    holds = {name: found.profile(name).severities(RULES) for name in "abc"}
    assert "keyword-casing" not in holds["a"] and "keyword-casing" in holds["b"]
    assert {rule.id for rule in RULES} - set(holds["c"]) == {"unused-argument"}


def test_what_lint_needs_is_remembered_until_the_policy_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "cache"))
    file = written(tmp_path, "default: a\nprofiles:\n  a:\n    rules:\n      runs-as-root: info\n")
    first = ruleset.read(file, IDS)
    with monkeypatch.context() as patched:
        patched.setattr(policy, "read", lambda *_: pytest.fail("read again"))
        assert ruleset.read(file, IDS) == first
    file.write_text(file.read_text().replace("info", "error"))
    assert ruleset.read(file, IDS).profile("a").severities(RULES)["runs-as-root"] == "error"
    file.write_text("default: nowhere\nprofiles: {}\n")
    with pytest.raises(BadFile):
        ruleset.read(file, IDS)


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("default: a\nprofiles:\n  a:\n    limit: {}\n", 4, "did you mean `limits`?"),
        ("default: a\nprofiles:\n  a:\n    limits:\n      byte: 3GB\n", 5, "did you mean `bytes`?"),
        ("default: a\nprofiles:\n  a:\n    limits:\n      bytes: much\n", 5, "it reads 'much'"),
        ("default: a\nprofiles:\n  a:\n    rules:\n      runs-as-rot: error\n", 5, "did you mean `runs-as-root`?"),
        ("default: a\nprofiles:\n  a:\n    rules: [\n", 5, "check quotes"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_the_nearest_word(tmp_path, text, line, hint):
    with pytest.raises(BadFile) as caught:
        policy.read(written(tmp_path, text), IDS)
    assert caught.value.line == line
    assert hint in caught.value.hint
    assert caught.value.column


def test_a_profile_nobody_wrote_and_profiles_that_extend_each_other_are_refused(tmp_path):
    with pytest.raises(BadFile, match="no profile `b`"):
        policy.read(written(tmp_path, "default: b\nprofiles:\n  a: {}\n"), IDS)
    with pytest.raises(BadFile, match="extend each other"):
        policy.read(written(tmp_path, "default: a\nprofiles:\n  a: {extends: b}\n  b: {extends: a}\n"), IDS)


def test_aliases_are_refused_because_they_can_blow_up(tmp_path):
    with pytest.raises(BadFile, match="aliases are not allowed"):
        policy.read(written(tmp_path, "default: &x a\nprofiles:\n  a: {extends: *x}\n"), IDS)


def test_a_waiver_needs_a_person_a_reason_and_a_date(tmp_path):
    text = "default: a\nprofiles:\n  a: {}\n"
    with pytest.raises(BadFile, match=r"`waivers\.0\.until` is missing"):
        policy.read(written(tmp_path, text, "waivers:\n  - {rule: x, reason: because, accepted_by: me}\n"), IDS)


def test_the_digest_changes_with_the_waivers(tmp_path):
    text = "default: a\nprofiles:\n  a: {}\n"
    before = policy.read(written(tmp_path, text), IDS).digest
    row = "waivers:\n  - {rule: CVE-2024-1, reason: because, accepted_by: me, until: 2030-01-01}\n"
    assert policy.read(written(tmp_path, text, row), IDS).digest != before


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (
            "untrusted-registry: {parameters: {registries: [docker.io]}}",
            "no parameter of untrusted-registry `registries`",
        ),
        ("untrusted-registry: {parameters: {allowed: docker.io}}", "`allowed` must be a list of texts"),
        ("missing-label: {parameters: {labels: org.x}}", "`labels` must be a list of texts"),
        ("too-many-layers: {parameters: {most: many}}", "`most` must be a whole number"),
        ("runs-as-root: {parameters: {x: 1}}", "no parameter of runs-as-root `x`"),
    ],
)
def test_a_parameter_that_a_rule_does_not_take_is_told_at_its_line(tmp_path, setting, words):
    file = written(tmp_path, f"default: a\nprofiles:\n  a:\n    rules:\n      {setting}\n")
    with pytest.raises(BadFile, match=r"policy\.yaml:5") as refused:
        policy.read(file, IDS)
    assert words in refused.value.what


def test_every_parameter_that_a_rule_asks_for_is_declared():
    for rule in RULES:
        code = (SHIPPED.parent / f"{rule.id.replace('-', '_')}.py").read_text()
        asked = set(re.findall(r'context\.parameters\.get\("(\w+)"', code)) - {"tree"}
        assert asked == set(rule.takes or ()), rule.id
