"""The documents say what the code says: every key, every file, every command."""

import json
import re
import subprocess  # the command line itself is what is asked
import sys
from pathlib import Path

import pytest

from pipeline.lint import own_rules, rule_pages, ruleset
from pipeline.schemas import SCHEMAS, text_of
from policies import RULES

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "docs/reference.md", "docs/decisions.md")]


def keys(schema):
    for holder in (schema, *schema.get("$defs", {}).values()):
        yield from holder.get("properties", {})


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_reference_names_every_key_a_user_can_write(name):
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert [key for key in sorted(set(keys(json.loads(text_of(name))))) if f"`{key}`" not in page] == []


def test_the_reference_names_every_variable_that_the_code_reads():
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    code = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "pipeline").rglob("*.py"))
    read = sorted(set(re.findall(r"SEATRIAL_[A-Z_0-9]*[A-Z0-9]\b(?!_)", code)))
    assert [name for name in read if f"`{name}`" not in page] == []


def test_the_rule_that_the_reference_shows_is_caught_by_the_page_that_it_shows(tmp_path):
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n# policies/rules/no_reload.py\n(.*?)^```$", reference, re.M | re.S)
    (page,) = re.findall(r"^````markdown\n(.*?)^````$", reference, re.M | re.S)
    (tmp_path / "no_reload.py").write_text(code, encoding="utf-8")
    (tmp_path / "no_reload.md").write_text(page, encoding="utf-8")
    (rule,) = own_rules.load(tmp_path, frozenset())
    assert rule.id == "no-reload"
    assert rule_pages.untrue(rule) == ()


def test_the_policy_and_the_waivers_that_the_reference_shows_can_be_read(tmp_path):
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    (policy,) = re.findall(r"^```yaml\n(default: .*?)^```$", reference, re.M | re.S)
    (waivers,) = re.findall(r"^```yaml\n(waivers:.*?)^```$", reference, re.M | re.S)
    (tmp_path / "policy.yaml").write_text(policy, encoding="utf-8")
    (tmp_path / "waivers.yaml").write_text(waivers, encoding="utf-8")
    rules = ruleset.read(tmp_path / "policy.yaml", frozenset(rule.id for rule in RULES))
    assert rules.profile("training").rules["devel-image-shipped"]["severity"] == "warning"
    assert [waiver.rule for waiver in rules.waivers] == ["cuda-twice"]


def test_the_reference_lists_every_rule_that_takes_parameters_and_no_other():
    asked = {}
    for rule in RULES:
        source = (ROOT / "policies" / f"{rule.id.replace('-', '_')}.py").read_text(encoding="utf-8")
        names = set(re.findall(r'parameters\.get\("(\w+)"', source)) - {"tree"}  # the tree itself fills that one in
        asked |= {rule.id: names} if names else {}
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"^These rules take parameters(.*?)\n\n", reference, re.M | re.S)
    assert set(re.findall(r"`([a-z-]+)`", listed)) == {*asked, *(name for names in asked.values() for name in names)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", text)
    named = re.findall(r"`((?:pipeline|policies|tests|docs|dockerfiles|bench)/[\w./-]+)`", text)
    missing = [name for name in links if not (page.parent / name).exists()]
    missing += [name for name in named if not (ROOT / name).exists()]
    assert missing == []


def test_every_task_that_the_readme_names_exists():
    listed = subprocess.run([sys.executable, "-m", "invoke", "--search-root", str(ROOT), "--list", "-F", "json"],
                            capture_output=True, text=True, check=True).stdout  # fmt: skip
    tasks = {task["name"] for task in json.loads(listed)["tasks"]}
    named = set(re.findall(r"\./inv ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert named
    assert named <= tasks
