"""A rule with its page in, what is not true about the page out. Speaks to: nothing.

A page is its own test, ours and those of a policy: what stands under `## Caught` below `# expect: RULE` must be
found, nothing else; what `## Mended` shows must come out of the fix; what `## Allowing it` says must allow it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from pipeline import fix
from pipeline.check import check
from pipeline.model import Context, Finding, Rule
from pipeline.parse import parse

BLOCK = r"^```(dockerfile(?: mended(?: unsafe)?)?|yaml image|yaml parameters)[ \t]*\n(.*?)^```[ \t]*$"
SECTIONS = ("## Caught", "## Fine", "## Allowing it")


class Example(NamedTuple):
    """A Dockerfile of a page: its first line there, its section, its text, and what it is judged with."""

    line: int
    section: str
    kind: str  # "dockerfile", "dockerfile mended", "dockerfile mended unsafe"
    text: str
    context: Context


class Untrue(NamedTuple):
    """Something that a page says and that is not so, with the line of the page."""

    line: int
    message: str


def examples(page: str) -> Iterator[Example]:
    """Yield the Dockerfiles of a page. An image.yaml or parameters above one give it its context."""
    import yaml

    from pipeline.recipe import Recipe

    recipe: Any = None
    parameters: dict[str, Any] = {}
    for found in re.finditer(BLOCK, page, re.DOTALL | re.MULTILINE):
        kind, body = found[1], found[2]
        line = page.count("\n", 0, found.start(2)) + 1
        if kind == "yaml image":
            recipe = Recipe.model_validate({"name": "example", "repository": "team/example", **yaml.safe_load(body)})
        elif kind == "yaml parameters":
            parameters = yaml.safe_load(body)
        else:
            headings = re.findall(r"^## .*$", page[: found.start()], re.MULTILINE)
            section = headings[-1] if headings else ""
            yield Example(line, section, kind, body, Context(recipe=recipe, parameters=parameters))
            recipe, parameters = None, {}


def expected(text: str, rule_id: str) -> set[int]:
    """The lines that must be found: those below a `# expect: RULE`."""
    lines = enumerate(text.splitlines(), start=1)
    return {number + 1 for number, line in lines if line.strip() == f"# expect: {rule_id}"}


def untrue(rule: Rule) -> tuple[Untrue, ...]:
    """Return everything that is wrong with the page that a rule brought along; nothing when it is true."""
    page = rule.page or ""
    wrong = [Untrue(1, f"the page must have `{name}`") for name in SECTIONS if f"\n{name}\n" not in page]
    if not page.startswith(f"# {rule.id}\n"):
        wrong.append(Untrue(1, f"the page must begin with `# {rule.id}`"))
    if wrong:
        return tuple(wrong)
    try:
        shown = tuple(examples(page))
    except (ValueError, TypeError) as error:
        return (Untrue(1, f"a yaml block cannot be read: {error}"),)
    wrong += [
        Untrue(1, f"`{section}` must show a ```dockerfile block")
        for section in SECTIONS[:2]
        if not any(one.section == section for one in shown)
    ]
    for at, example in enumerate(shown):
        if example.kind == "dockerfile":
            wrong += _about_example(rule, example)
        elif at and example.section == "## Mended":
            wrong += _about_mending(rule, shown[at - 1], example)
    return (*wrong, *_about_allowing(rule, page, shown))


def _about_example(rule: Rule, example: Example) -> Iterator[Untrue]:
    wanted = expected(example.text, rule.id)
    if bool(wanted) != (example.section in ("## Caught", "## Mended")):
        words = "must say where, with `# expect:`" if not wanted else "must expect nothing"
        yield Untrue(example.line, f"a block under `{example.section}` {words}")
    try:
        found = {finding.line for finding in _found(rule, example.text, example)}
    except Exception as error:
        yield Untrue(example.line, f"cannot be judged: {type(error).__name__}: {error}")
        return
    for line in sorted(wanted - found):
        yield Untrue(example.line + line - 1, f"{rule.id} does not find this line")
    for line in sorted(found - wanted):
        yield Untrue(example.line + line - 1, f"{rule.id} finds this line, and the page does not expect it")


def _about_mending(rule: Rule, before: Example, after: Example) -> Iterator[Untrue]:
    text = re.sub(rf"^[ \t]*# expect: {rule.id}\n", "", before.text, flags=re.MULTILINE)
    mended = fix.mend(text, lambda text: _found(rule, text, before), unsafe=after.kind.endswith("unsafe")).text
    if mended != after.text:
        yield Untrue(after.line, f"the fix makes something else of it:\n{mended}")


def _about_allowing(rule: Rule, page: str, shown: tuple[Example, ...]) -> Iterator[Untrue]:
    """The comment that the page shows, in the place of the first `# expect:`, must waive the finding below it."""
    start = page.index("\n## Allowing it\n")
    line = page.count("\n", 0, start) + 2
    waiver = re.search(rf"# policy: allow(?:-file)? {rule.id} .*?-- \S[^`\n]*", page[start:])
    if waiver is None:
        yield Untrue(line, f"must show the comment that allows it: `# policy: allow {rule.id} -- REASON`")
        return
    example = next((one for one in shown if one.kind == "dockerfile" and expected(one.text, rule.id)), None)
    if example is None:
        return
    first = min(expected(example.text, rule.id))
    lines = example.text.splitlines(keepends=True)
    lines[first - 2] = re.sub(r" until \S+", "", waiver[0]) + "\n"
    found = [one for one in _found(rule, "".join(lines), example) if one.line == first]
    if not found or any(one.waived is None for one in found):
        yield Untrue(line, "the comment does not allow it")


def _found(rule: Rule, text: str, example: Example) -> tuple[Finding, ...]:
    every = check(parse(text), [rule], context=example.context)
    return tuple(finding for finding in every if finding.rule == rule.id)
