"""Each rule's page is its test: what it says is caught must be caught, and nothing else."""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import fix
from pipeline.check import check
from pipeline.lint.inputs import compose
from pipeline.model import Context, Finding, Rule
from pipeline.parse import parse
from pipeline.recipe import Recipe
from pipeline.waived import WAIVER_RULES
from policies import RULES

POLICIES = Path(__file__).parents[1] / "policies"
BLOCK = re.compile(
    r"^```(dockerfile|yaml image|yaml parameters|yaml context|yaml compose)\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
FOLDERS = tempfile.TemporaryDirectory()  # removed when the tests end
TODAY = date(2026, 11, 23)  # the day on which the waivers' pages are true
IDS = (*(rule.id for rule in RULES), *WAIVER_RULES)


@dataclass(frozen=True)
class Example:
    """A Dockerfile of a page, with the image.yaml, the parameters and the build's files that stand above it.

    Below a compose file it is what the only service there runs, and the findings are those on that service.
    """

    text: str
    context: Context
    compose: str | None = None

    @property
    def marked(self) -> str:
        """The text with the `# expect:` lines."""
        return self.text if self.compose is None else self.compose

    def but(self, marked: str) -> "Example":
        """The same with another text in the place of the marked one."""
        if self.compose is None:
            return replace(self, text=marked)
        file = folder_with({"compose.yaml": marked}) / "compose.yaml"
        (one,) = compose.services(file, file.parent)
        return replace(self, compose=marked, context=self.context._replace(service=one.service))


def page(rule_id: str) -> str:
    return (POLICIES / f"{rule_id.replace('-', '_')}.md").read_text(encoding="utf-8")


def examples(rule_id: str) -> Iterator[Example]:
    yield from examples_in(page(rule_id))


def examples_in(text: str) -> Iterator[Example]:
    recipe: Recipe | None = None
    parameters: dict[str, Any] = {}
    folder: Path | None = None
    served: str | None = None
    for kind, body in BLOCK.findall(text):
        if kind == "yaml image":
            recipe = Recipe.model_validate({"name": "example", "repository": "team/example", **yaml.safe_load(body)})
        elif kind == "yaml parameters":
            parameters = yaml.safe_load(body)
        elif kind == "yaml context":
            folder = folder_with(yaml.safe_load(body))
        elif kind == "yaml compose":
            served = body
        else:
            example = Example(body, Context(recipe=recipe, parameters=parameters, folder=folder), served)
            yield example if served is None else example.but(served)
            recipe, parameters, folder, served = None, {}, None, None


def folder_with(files: dict[str, str]) -> Path:
    """A build's folder that holds these files."""
    folder = Path(tempfile.mkdtemp(dir=FOLDERS.name))
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def expected_lines(text: str, rule_id: str) -> set[int]:
    lines = enumerate(text.splitlines(), start=1)
    return {number + 1 for number, line in lines if line.strip() == f"# expect: {rule_id}"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_page_examples_are_true(rule: Rule) -> None:
    for example in examples(rule.id):
        found = check(parse(example.text), [rule], context=example.context, known=IDS, today=TODAY)
        assert {finding.line for finding in found} == expected_lines(example.marked, rule.id), example.marked


@pytest.mark.parametrize("rule_id", WAIVER_RULES)
def test_pages_about_waivers_are_true(rule_id: str) -> None:
    for example in examples(rule_id):
        found = check(parse(example.text), RULES, context=example.context, today=TODAY)
        about = [finding for finding in found if finding.rule in WAIVER_RULES]
        assert {finding.line for finding in about if finding.rule == rule_id} == expected_lines(example.text, rule_id)
        assert {finding.rule for finding in about} <= {rule_id}, example.text


@pytest.mark.parametrize("rule_id", IDS)
def test_page_shows_both_sides(rule_id: str) -> None:
    caught, _, fine = page(rule_id).partition("## Fine")
    assert "## Caught" in caught and "## Allowing it" in fine
    assert all(expected_lines(example.marked, rule_id) for example in examples_in(caught))
    assert not any(expected_lines(example.marked, rule_id) for example in examples_in(fine))
    assert "```dockerfile" in caught and "```dockerfile" in fine


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_page_names_a_way_out_and_it_works(rule: Rule) -> None:
    allowing = page(rule.id).partition("## Allowing it")[2]
    waiver = re.search(r"`(# policy: allow(?:-file)? .*? -- REASON)`", allowing)
    assert waiver, "the page must show the comment that allows it"
    example = next(example for example in examples(rule.id) if expected_lines(example.marked, rule.id))
    line = min(expected_lines(example.marked, rule.id))
    lines = example.marked.splitlines(keepends=True)
    lines[line - 2] = waiver[1] + "\n"  # in the place of the first `# expect:`
    example = example.but("".join(lines))
    found = check(parse(example.text), [rule], context=example.context, today=TODAY)
    assert [finding.waived for finding in found if finding.line == line] == ["REASON"]


def test_no_rule_is_forgotten() -> None:
    modules = {path.stem for path in POLICIES.glob("*.py")} - {"__init__"}
    assert modules == {rule.id.replace("-", "_") for rule in RULES}
    pages = {path.stem for path in POLICIES.glob("*.md")} - {"verdict"}  # the reasons that no rule of the check gives
    assert pages == {rule_id.replace("-", "_") for rule_id in IDS}


def test_matters_of_taste_stand_last_in_the_list() -> None:
    quiet = [not rule.by_default for rule in RULES]
    assert quiet == sorted(quiet)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_module_and_page_name_the_rule(rule: Rule) -> None:
    module = (POLICIES / f"{rule.id.replace('-', '_')}.py").read_text(encoding="utf-8")
    assert module.startswith(f'"""{rule.id}: ')
    assert page(rule.id).startswith(f"# {rule.id}\n")
    assert rule.summary and rule.hint


MENDED = re.compile(
    r"^```dockerfile\n(.*?)^```\n+^```dockerfile mended( unsafe)?\n(.*?)^```$", re.DOTALL | re.MULTILINE
)


def mendings(rule_id: str) -> list[tuple[str, bool, str]]:
    """The pairs of a page's `## Mended`: before, whether --unsafe is needed, after."""
    section = page(rule_id).partition("## Mended")[2].partition("## Fine")[0]
    return [(before, bool(unsafe), after) for before, unsafe, after in MENDED.findall(section)]


MENDING = [rule for rule in RULES if "## Mended" in page(rule.id)]


@pytest.mark.parametrize("rule", MENDING, ids=lambda rule: rule.id)
def test_a_page_that_says_mended_is_right(rule: Rule) -> None:
    pairs = mendings(rule.id)
    assert pairs, "write a ```dockerfile block and a ```dockerfile mended block after it"
    for before, unsafe, after in pairs:
        strip = re.compile(rf"^# expect: {rule.id}\n", re.MULTILINE)
        text = strip.sub("", before)

        def look(text: str) -> tuple[Finding, ...]:
            return check(parse(text), [rule], today=TODAY)

        assert fix.mend(text, look, unsafe=unsafe).text == after
        assert fix.mend(after, look, unsafe=unsafe).text == after, "mending twice must change nothing"
        assert len(look(after)) < len(look(text))
        if unsafe:
            assert fix.mend(text, look).text == text, "without --unsafe nothing may change"
