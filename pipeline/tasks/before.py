"""lint, explain, rules, parse: what can be said before anything is built."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from invoke import Context, Exit

from pipeline.model import Rule
from pipeline.tasks.shared import FORMAT, expected_errors, result, task, tell

if TYPE_CHECKING:
    from pipeline.lint.ruleset import Ruleset


@task(
    positional=["path"],
    iterable=["path", "build_arg"],
    help={
        "path": "Dockerfiles, compose or bake files, or folders that hold some (repeatable; default: dockerfiles/, "
        "or this folder)",
        "build_arg": "K=V, as in docker build (repeatable)",
        "target": "judge this stage as the one that ships",
        "format": "text, json, sarif, junit, github, gitlab or markdown",
        "output": "write the result to this file instead of stdout",
        "policy": "another policy.yaml",
        "fail_on": "error, warning or info: the least severity that fails",
        "baseline": "a file that knows findings: only others are shown and fail",
        "write_baseline": "write that file with what is found now, and exit 0",
    },
)
def lint(
    c: Context, path: Sequence[str], build_arg: Sequence[str], target: str = "", format: str = "text",
    output: str = "", policy: str = "", fail_on: str = "error", baseline: str = "",
    write_baseline: str = "",
) -> None:  # fmt: skip
    """Judge Dockerfiles against the policy; builds nothing.

    seatrial lint                                   what is below dockerfiles/, or below here where there is none
    seatrial lint .                                 all below here, compose and bake files too
    seatrial lint services/ Dockerfile.gpu          these
    seatrial lint Dockerfile --build-arg CUDA=12.8.1 --target runtime
    seatrial lint --format sarif --output lint.sarif
    seatrial lint --write-baseline baseline.json    and from then on: --baseline baseline.json

    Exit 0: nothing as severe as --fail-on. 10: something is. 3: a file could not be read.
    """
    with expected_errors("json" if format == "json" else "text"):
        from pipeline.lint import Asked, answer
        from pipeline.settings import find_root

        asked = Asked(
            tuple(path), tuple(build_arg), target, format, output, policy, fail_on, baseline, write_baseline
        )
        text, code, notes = answer(asked, find_root(c.config.get("seatrial_root")))
        for note in notes:
            tell(note)
        sys.stdout.write(text)
        if code:
            raise Exit(code=code)


@task(positional=["rule"], help={"rule": "its id, as lint prints it"})
def explain(c: Context, rule: str) -> None:
    """Say what a rule means, and how to allow it."""
    from pipeline.lint import formats as lint_formats

    with expected_errors():
        print(lint_formats.explain(rule, _brought(c, rule)))


def _brought(c: Context, rule: str = "") -> tuple[Rule, ...]:
    """The rules that the policy here brings along; nothing is read for a rule that is one of ours."""
    from policies import RULES

    return () if rule in {one.id for one in RULES} else _ruleset(c).brought


def _ruleset(c: Context) -> Ruleset:
    """The rules' side of the policy that holds here."""
    from pipeline.lint import ruleset
    from pipeline.settings import find_root
    from policies import RULES

    ours = frozenset(one.id for one in RULES)
    return ruleset.read(ruleset.find(find_root(c.config.get("seatrial_root"))), ours)


@task(help={"profile": "as this profile of the policy weighs them (default: the policy's default)", "format": FORMAT})
def rules(c: Context, profile: str = "", format: str = "text") -> None:
    """List the rules, with their weight under the policy here."""
    from pipeline import show
    from pipeline.lint import formats as lint_formats
    from policies import RULES

    with expected_errors(format):
        held = _ruleset(c)
        every = (*RULES, *held.brought)
        weights = held.profile(profile or None).severities(every)
        result({"rules": lint_formats.rules_table(every, weights)}, "rules", format, show.rules)


@task(positional=["file"], help={"file": "a Dockerfile"})
def parse(c: Context, file: str) -> None:
    """Print a Dockerfile's tree in BuildKit's notation."""
    from pipeline import parse as parser

    with expected_errors():
        print(parser.tree(parser.text_of(Path(file)), path=file))
