"""release, verify, report: the whole flow, and any day after."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from invoke import Context, Exit

from pipeline.errors import BadFile
from pipeline.tasks.shared import FORMAT, opened, result, show_on_stdout, task, tell


@task(
    positional=["image"],
    iterable=["image"],
    help={
        "image": "images of the tree (repeatable; default: all), with what they build on",
        "fresh": "build every step and preparation again",
        "publish": "push, sign and attest what passed (--no-publish: stop at the verdict)",
        "wait": "how long to wait for another release of the same image: 30s, 5m",
        "policy": "another policy.yaml",
        "format": FORMAT,
    },
)
def release(
    c: Context, image: Sequence[str], fresh: bool = False, publish: bool = True, wait: str = "30m",
    policy: str = "", format: str = "text",
) -> None:  # fmt: skip
    """Take images through the whole flow, to a signed digest.

    seatrial release                                the whole tree, bases first
    seatrial release fastapi-gpu                    one image and what it builds on
    seatrial release --no-publish                   everything but push, signature and attestations

    parse, check, build; then measure, scan and smoke test side by side; one verdict with every reason; and only after
    a yes push by digest, sign, attest, read back, tag. Records and reports lie in reports/<image>/<digest>/.
    Exit 0: everything passed or was skipped with its reason. 10: a verdict says no. 3: something could not be done.
    """
    with opened(c, format, policy) as session:
        from pipeline import flow, show, tree
        from pipeline.session import release_document, set_up
        from pipeline.setup import ready
        from pipeline.yamlfile import seconds

        options = flow.Options(fresh=fresh, publish=publish, patience=seconds(wait, "--wait"))
        session.workspace.order(image), session.policy
        if ready():
            session.progress.pause()
            set_up(yes=False, tell=tell)
        ended = []
        for one in tree.release_tree(
            session.workspace, image, session.policy, options, session.save, session.progress.say, session.records
        ):
            ended.append(one)
            session.progress.pause()
            if format == "text":
                show_on_stdout(show.release(one, session.reports))
        result(release_document(ended, image), "release", format, lambda _: show.releases(ended, session.reports))
        code = max((one.exit_code for one in ended), key=(0, 10, 3).index)
        if code:
            raise Exit(code=code)


@task(
    positional=["target"],
    help={
        "target": "repository@sha256:…, repository:tag, or a name of the tree; --offline: a record or its folder",
        "key": "the signer's public key (default: this machine's)",
        "record": "a record.json that must say what was attested (default: the one in reports/, if any)",
        "offline": "ask no registry: check the record by the signature beside it",
        "format": FORMAT,
    },
)
def verify(
    c: Context, target: str, key: str = "", record: str = "", offline: bool = False, format: str = "text"
) -> None:
    """Check why a digest was allowed to ship.

    seatrial verify registry/team/app@sha256:…      with this machine's public key
    seatrial verify registry/team/app:1.4 --key signer.pub
    seatrial verify --offline reports/app/<digest>  no registry: the record and the signature beside it

    Exit 0: it holds. 10: it does not. 3: nobody could be asked.
    """
    with opened(c, format) as session:
        from pipeline import settings, show
        from pipeline import verify as checking

        public = Path(key or os.environ.get("SEATRIAL_PUBLIC_KEY") or settings.config() / "cosign.pub")
        if offline:
            evidence = checking.verify_offline(Path(target), public)
        else:
            reference = checking.pinned(session.reference(target))
            beside = Path(record) if record else session.record_of(reference)
            evidence = checking.verify(reference, public, record=beside)
        result(evidence, "evidence", format, show.evidence)


@task(positional=["record"], help={"record": "a record.json (default: every record in reports/)"})
def report(c: Context, record: str = "") -> None:
    """Render records again: report.html, report.md and the index."""
    with opened(c) as session:
        from pipeline.report import files

        found = [Path(record)] if record else sorted(session.reports.glob("*/*/record.json"))
        if not found:
            raise BadFile("no record", file=session.reports, hint="`release` writes them")
        for one in found:
            print(files.render(one, index=False))
        print(files.write_index(found[-1].parent.parent.parent))
