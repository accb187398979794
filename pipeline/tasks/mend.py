"""fix: Dockerfiles mended in place, or shown first."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from invoke import Context, Exit

from pipeline.errors import BadFile, PolicyViolated
from pipeline.tasks.shared import FORMAT, opened, task


@task(
    positional=["path"],
    iterable=["path", "rule", "build_arg"],
    help={
        "path": "Dockerfiles or folders that hold some (repeatable; default: dockerfiles/, or this folder)",
        "diff": "change nothing; show what would change, and exit 10 if anything would",
        "unsafe": "also the fixes that may change what the image does",
        "pin": "also write the digest behind each base's tag, from its registry; bring old digests up to date",
        "rule": "only this rule's fixes (repeatable)",
        "build_arg": "K=V, as in docker build (repeatable)",
        "target": "judge this stage as the one that ships",
        "policy": "another policy.yaml",
        "format": FORMAT,
    },
)
def fix(
    c: Context, path: Sequence[str], rule: Sequence[str], build_arg: Sequence[str], diff: bool = False,
    unsafe: bool = False, pin: bool = False, target: str = "", policy: str = "", format: str = "text",
) -> None:  # fmt: skip
    """Mend what the rules can mend.

    Byte by byte: comments, here-documents and line ends stay as they are.

    seatrial fix --diff                 look first
    seatrial fix services/              mend what is safe
    seatrial fix Dockerfile --unsafe    also what may change the image: read the diff
    seatrial fix --pin                  name:tag becomes name:tag@sha256:…

    Exit 0: done. 3: a file could not be read, or an image could not be pinned. 10: --diff found something to change.
    """
    with opened(c, format, policy) as session:
        from pipeline import fix as mending
        from pipeline import lint
        from pipeline.fix import show
        from pipeline.lint import ruleset
        from pipeline.parse.grammar import near
        from policies import RULES

        rules = ruleset.of(session.policy)
        known = {one.id for one in (*RULES, *rules.brought)}
        for name in rule:
            if name not in known:
                meant = near(name, known)
                raise BadFile(f"no rule is called `{name}`", file="--rule",
                              hint=f"did you mean `{meant}`?" if meant else "`rules` lists them all")  # fmt: skip
        paths = [Path(one) for one in path] or [lint.default_path(session.root)]
        resolve = None
        if pin:
            from pipeline.registry import resolver

            resolve = resolver(session.policy.mirrors)
        found = mending.fix(
            paths,
            rules,
            build_args=lint.arguments(build_arg),
            target=target or None,
            only=tuple(rule),
            unsafe=unsafe,
            write=not diff,
            resolve=resolve,
        )
        session.progress.pause()
        sys.stdout.write(show.as_json(found) if format == "json" else show.as_text(found, unsafe=unsafe))
        if found.errors or any(one.not_pinned for one in found.files):
            raise Exit(code=3)
        if diff and any(one.changed for one in found.files):
            raise Exit(code=PolicyViolated.exit_code)
