"""A rule's id in, its page out; the rules in, a table out. Speaks to: policies/*.md."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources

from pipeline.errors import BadFile
from pipeline.model import Rule, Severity, page_of
from pipeline.waived import WAIVER_RULES


def explain(rule_id: str, own: Iterable[Rule] = ()) -> str:
    """Return the page of a rule, as Markdown, or what a reason of a verdict means. `own` are rules of a policy.

    Raises BadFile for one that nobody knows, with the nearest one.
    """
    brought = {rule.id: rule.page for rule in own if rule.page is not None}
    if rule_id in brought:
        return brought[rule_id]
    rules, reasons = tuple(_ids()), _reasons()
    known = (*rules, *reasons, *brought)
    if rule_id not in known:
        near = difflib.get_close_matches(rule_id, known, n=1, cutoff=0.5)
        raise BadFile(
            f"no rule is called `{rule_id[:80]}`",
            file="policies",
            hint=f"did you mean `{near[0]}`?" if near else "`rules` lists them all",
        )
    if rule_id not in rules:
        return reasons[rule_id]
    return _page(rule_id)


def rules_table(
    rules: Iterable[Rule], severities: Mapping[str, Severity] | None = None
) -> tuple[dict[str, str], ...]:
    """Return a row for each rule: rule, severity, fix, summary, docs.

    The severity is `off` for what `severities` leaves out; without them, for rules that are quiet until a profile
    names them. `fix` is what the rule's page shows: `safe`, `unsafe` or nothing.
    """
    rows = []
    for rule in rules:
        own = rule.severity if rule.by_default else None
        weight = own if severities is None else severities.get(rule.id)
        rows.append(
            {
                "rule": rule.id,
                "severity": weight.value if weight else "off",
                "fix": _mends(rule),
                "summary": rule.summary,
                "docs": rule.docs or page_of(rule.id),
            }
        )
    return tuple(rows)


def _mends(rule: Rule) -> str:
    page = _page(rule.id) if rule.page is None else rule.page
    shown = page.partition("## Mended")[2].partition("## Fine")[0]
    if "```dockerfile mended\n" in shown:
        return "safe"
    return "unsafe" if "```dockerfile mended unsafe\n" in shown else ""


def _page(rule_id: str) -> str:
    return resources.files("policies").joinpath(page_of(rule_id).removeprefix("policies/")).read_text("utf-8")


def _reasons() -> dict[str, str]:
    """The rows of policies/verdict.md, each as a sentence."""
    page = resources.files("policies").joinpath("verdict.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| `")
    ]
    return {
        name.strip("`"): f"{name.strip('`')} ({stage}, weight {weight})\n\n{words}\n"
        for name, stage, weight, words in rows
    }


def _ids() -> Iterator[str]:
    from policies import RULES

    yield from (rule.id for rule in RULES)
    yield from WAIVER_RULES
