"""test-rules: whether the pages of somebody's own rules are true."""

from __future__ import annotations

from pathlib import Path

from invoke import Context, Exit

from pipeline.errors import BadFile, PolicyViolated
from pipeline.tasks.shared import expected_errors, task, tell


@task(positional=["folder"], help={"folder": "the folder that `own_rules` of a policy names"})
def test_rules(c: Context, folder: str) -> None:
    """Test rules of your own by their pages; runs their Python files.

    What a page says is caught must be caught, what it says is fine must be fine, what it shows as mended must come
    out of the fix.

    Exit 0: every page is true. 10: one is not. 3: a rule does not run, or has no page.
    """
    with expected_errors():
        from pipeline.lint import own_rules, rule_pages
        from policies import RULES

        place = Path(folder)
        rules = own_rules.load(place, frozenset(rule.id for rule in RULES)) if place.is_dir() else ()
        if not rules:
            raise BadFile("no rules in there", file=folder, hint="a rule is NAME.py with its page NAME.md")
        wrong = 0
        for rule in rules:
            found = rule_pages.untrue(rule)
            wrong += len(found)
            for one in found:
                print(f"{rule.docs}:{one.line}: {one.message}")
            if not found:
                print(f"{rule.id}: its page is true")
        if wrong:
            what = "1 thing that a page says is" if wrong == 1 else f"{wrong} things that pages say are"
            tell(f"seatrial: {what} not so")
            raise Exit(code=PolicyViolated.exit_code)
