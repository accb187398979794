"""lint, explain, rules, parse: what can be said before anything is built."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from invoke import Context, Exit

from pipeline.tasks.shared import FORMAT, expected_errors, opened, result, task


@task(
    positional=["path"],
    iterable=["path", "build_arg"],
    help={
        "path": "Dockerfiles or folders that hold some (repeatable; default: dockerfiles/, or this folder)",
        "build_arg": "K=V, as in docker build (repeatable)",
        "target": "judge this stage as the one that ships",
        "format": FORMAT,
        "output": "write the result to this file instead of stdout",
        "policy": "another policy.yaml",
        "fail_on": "error, warning or info: the least severity that fails",
    },
)
def lint(
    c: Context, path: Sequence[str], build_arg: Sequence[str] = (), target: str = "", format: str = "text",
    output: str = "", policy: str = "", fail_on: str = "error",
) -> None:  # fmt: skip
    """Judge Dockerfiles against the policy; builds nothing.

    seatrial lint                                   every Dockerfile below dockerfiles/
    seatrial lint services/ Dockerfile.gpu          these
    seatrial lint Dockerfile --build-arg CUDA=12.8.1 --target runtime
    seatrial lint --format json --output lint.json

    Exit 0: nothing as severe as --fail-on. 10: something is. 3: a file could not be read.
    """
    with opened(c, format, policy) as session:
        from pipeline import lint as linting

        tree = session.root / "dockerfiles"
        paths = [Path(one) for one in path] or [tree if tree.is_dir() else Path()]
        linting.known_severity(fail_on)
        found = linting.lint(paths, session.policy, build_args=linting.arguments(build_arg), target=target or None)
        text = linting.render(found, format)
        if output:
            from pipeline.report import files

            files.write_whole(Path(output), text)
        else:
            sys.stdout.write(text)
        code = linting.exit_code(found, fail_on)
        if code:
            raise Exit(code=code)


@task(positional=["rule"], help={"rule": "its id, as lint prints it"})
def explain(c: Context, rule: str) -> None:
    """Say what a rule means, and how to allow it."""
    from pipeline import lint_formats

    with expected_errors():
        print(lint_formats.explain(rule))


@task(help={"format": FORMAT})
def rules(c: Context, format: str = "text") -> None:
    """List the rules."""
    from pipeline import lint_formats, show
    from policies import RULES

    with expected_errors(format):
        result({"rules": lint_formats.rules_table(RULES)}, "rules", format, show.rules)


@task(positional=["file"], help={"file": "a Dockerfile"})
def parse(c: Context, file: str) -> None:
    """Print a Dockerfile's tree in BuildKit's notation."""
    from pipeline import parse as parser

    with expected_errors():
        print(parser.tree(parser.text_of(Path(file)), path=file))
