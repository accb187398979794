"""The command line: one Invoke task for each thing that a person does, in the order of the flow.

A task reads its arguments, calls one function, prints the result on stdout. Everything else goes to stderr. Exit
codes: 0 passed, 3 the job could not be done, 10 the policy says no. `seatrial TASK --help` explains each.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from invoke import Context, Exit, task

from pipeline import tools
from pipeline.errors import BadFile, DiskFull, Interrupted, PipelineError, PolicyViolated

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.session import Session

FORMAT = "text (for people) or json (the documented interface, nothing else on stdout)"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # a cancelled CI job, a closed terminal: as Ctrl-C
IMAGE = "an image of the tree, by its name; a folder with an image.yaml"


@contextmanager
def expected_errors(format: str = "text") -> Iterator[None]:
    """Turn the failures that we planned for into one readable message and an exit code.

    With `json` the failure is a document on stdout as well, so that stdout is JSON either way.
    """
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a shell's background job
            signal.signal(number, _interrupted)
    try:
        yield
        return
    except KeyboardInterrupt:
        error: PipelineError = Interrupted("interrupted; what was started has been stopped", hint="run it again")
    except PipelineError as expected:
        error = expected
    except OSError as unexpected:
        if unexpected.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = unexpected.filename or unexpected
        error = DiskFull(f"no room left: {where}", hint="free some space; nothing was half-written")
    if format == "json":
        from pipeline.report import failure

        print(json.dumps(failure.document(error), indent=2))
    raise Exit(f"seatrial: {error}", code=error.exit_code)


def _interrupted(number: int, frame: object) -> NoReturn:
    """End what runs, in every thread, then this one. A second signal must not break into the cleaning up."""
    for again in SIGNALS:
        signal.signal(again, _already)
    tools.interrupt()
    raise KeyboardInterrupt


def _already(number: int, frame: object) -> None:
    """Do nothing. (Python complains when a signal that is on its way meets SIG_IGN.)"""


# --- the machine ----------------------------------------------------------------------------------


@task(help={"yes": "install system packages without asking (implied with CI=true)",
            "stop": "end the engine and the registry that setup started, and nothing else"})  # fmt: skip
def setup(c: Context, yes: bool = False, stop: bool = False) -> None:
    """Bring this machine to where everything runs.

    On Debian and Ubuntu it installs the engine, buildx, cosign, oras, a registry and the pinned Trivy where they are
    missing, and starts the engine and a loopback registry where none answers. What is there already is left alone.
    """
    from pipeline import doctor as examination
    from pipeline import session, show
    from pipeline import setup as machine

    with expected_errors():
        if stop:
            ended = machine.stop()
            _tell(f"ended: {', '.join(ended)}" if ended else "nothing runs here that setup started")
            return
        session.set_up(yes=yes, tell=_tell)
        parts = examination.examine()
        _print(show.doctor(parts))
        if any(part.state in ("missing", "wrong") for part in parts):
            raise Exit(code=3)


@task(help={"format": FORMAT})
def doctor(c: Context, format: str = "text") -> None:
    """Say what is here, what is missing, and what to do."""
    from pipeline import doctor as examination
    from pipeline import show

    with expected_errors(format):
        parts = examination.examine()
        if format == "json":
            print(json.dumps(examination.as_json(parts), indent=2))
        else:
            _print(show.doctor(parts))
        if any(part.state in ("missing", "wrong") for part in parts):
            raise Exit(code=3)


# --- before the build -----------------------------------------------------------------------------


@task(
    positional=["path"],
    iterable=["path", "build_arg"],
    help={
        "path": "Dockerfiles or folders that hold some (repeatable; default: dockerfiles/)",
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
    with _session(c, format, policy) as session:
        from pipeline import lint as linting

        paths = [Path(one) for one in path] or [session.root / "dockerfiles"]
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
        _result({"rules": lint_formats.rules_table(RULES)}, "rules", format, show.rules)


@task(positional=["file"], help={"file": "a Dockerfile"})
def parse(c: Context, file: str) -> None:
    """Print a Dockerfile's tree in BuildKit's notation."""
    from pipeline import parse as parser

    with expected_errors():
        print(parser.tree(parser.text_of(Path(file)), path=file))


# --- one stage ------------------------------------------------------------------------------------


@task(positional=["image"], help={"image": IMAGE, "fresh": "every step again, bases pulled again", "format": FORMAT})
def build(c: Context, image: str, fresh: bool = False, format: str = "text") -> None:
    """Build an image of the tree, and what it builds on."""
    with _session(c, format) as session:
        from pipeline import flow, show, single

        options = flow.Options(fresh=fresh)
        found = single.built(session.workspace, image, session.policy, options, session.progress.say)
        session.progress.pause()
        _result(found, "build", format, show.build)


@task(positional=["image"], help={"image": f"{IMAGE}, or an archive or OCI layout by its path", "format": FORMAT})
def measure(c: Context, image: str, format: str = "text") -> None:
    """Weigh an image: layers by Dockerfile line, waste, packages."""
    with _session(c, format) as session:
        from pipeline import show, single

        if Path(image).exists():
            found = single.measured_archive(Path(image))
        else:
            found = single.measured(session.workspace, image, session.policy, session.progress.say)
        session.progress.pause()
        _result(found, "measure", format, show.measure)


@task(positional=["image"], help={"image": IMAGE, "format": FORMAT})
def scan(c: Context, image: str, format: str = "text") -> None:
    """Scan an image: vulnerabilities, secrets, packages, SBOM."""
    with _session(c, format) as session:
        from pipeline import show, single

        found = single.scanned(session.workspace, image, session.policy, session.progress.say)
        session.progress.pause()
        _result(found, "scan", format, show.scan)


@task(positional=["image"], help={"image": IMAGE, "format": FORMAT})
def smoke(c: Context, image: str, format: str = "text") -> None:
    """Start an image, ask its probes, stop it.

    As image.yaml's `smoke` says: hardened, with a GPU where there is one. Exit 10 when a probe fails.
    """
    with _session(c, format) as session:
        from pipeline import show, single

        found = single.smoked(session.workspace, image, session.policy, session.progress.say)
        session.progress.pause()
        _result(found, "smoke", format, show.smoke)
        if any(outcome.outcome == "failed" for outcome in found.outcomes):
            raise Exit(code=PolicyViolated.exit_code)


@task(positional=["image"], help={"image": IMAGE})
def push(c: Context, image: str) -> None:
    """Push the newest proven digest of an image.

    A digest whose newest record does not say "passed" is refused: exit 10.
    """
    with _session(c) as session:
        from pipeline import single

        recipe = session.workspace.named(image)
        print(single.push_proven(recipe, session.newest_record(image), session.progress.say))


@task(positional=["image"], help={"image": IMAGE})
def sign(c: Context, image: str) -> None:
    """Sign the newest proven digest and attest its record."""
    with _session(c) as session:
        from pipeline import single

        recipe = session.workspace.named(image)
        print(single.sign_proven(recipe, session.newest_record(image), session.progress.say).reference)


# --- the whole flow, and any day after -------------------------------------------------------------


@task(
    positional=["image"],
    iterable=["image"],
    help={
        "image": "images of the tree (repeatable; default: all), with what they build on",
        "fresh": "build every step and preparation again",
        "publish": "push, sign and attest what passed (--no-publish: stop at the verdict)",
        "wait": "seconds to wait for another release of the same image",
        "policy": "another policy.yaml",
        "format": FORMAT,
    },
)
def release(
    c: Context, image: Sequence[str], fresh: bool = False, publish: bool = True, wait: float = 1800.0,
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
    with _session(c, format, policy) as session:
        from pipeline import flow, show
        from pipeline.session import release_document, set_up
        from pipeline.setup import ready

        session.workspace, session.policy  # noqa: B018 - a bad file is told before the machine is touched
        if ready():
            session.progress.pause()
            set_up(yes=False, tell=_tell)
        options = flow.Options(fresh=fresh, publish=publish, patience=wait)
        ended = []
        for one in flow.release_tree(
            session.workspace, image, session.policy, options, session.save, session.progress.say
        ):
            ended.append(one)
            session.progress.pause()
            if format == "text":
                _print(show.release(one, session.reports))
        _result(release_document(ended), "release", format, lambda _: show.releases(ended, session.reports))
        code = max((one.exit_code for one in ended), key=(0, 10, 3).index)
        if code:
            raise Exit(code=code)


@task(
    positional=["target"],
    help={
        "target": "image@sha256:…, image:tag, or with --offline a record.json or its folder",
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
    with _session(c, format) as session:
        from pipeline import settings, show
        from pipeline import verify as checking

        public = Path(key or os.environ.get("SEATRIAL_PUBLIC_KEY") or settings.config() / "cosign.pub")
        if offline:
            evidence = checking.verify_offline(Path(target), public)
        else:
            reference = checking.pinned(target)
            beside = Path(record) if record else session.record_of(reference)
            evidence = checking.verify(reference, public, record=beside)
        _result(evidence, "evidence", format, show.evidence)


@task(positional=["record"], help={"record": "a record.json (default: every record in reports/)"})
def report(c: Context, record: str = "") -> None:
    """Render records again: report.html, report.md and the index."""
    with _session(c) as session:
        from pipeline.report import files

        found = [Path(record)] if record else sorted(session.reports.glob("*/*/record.json"))
        if not found:
            raise BadFile("no record", file=session.reports, hint="`release` writes them")
        for one in found:
            print(files.render(one, index=False))
        print(files.write_index(found[-1].parent.parent.parent))


# --- what the tasks share -------------------------------------------------------------------------


@contextmanager
def _session(c: Context, format: str = "text", policy: str = "") -> Iterator[Session]:
    """The workspace, the policy and a progress line; expected failures become a message and an exit code."""
    from pipeline import scratch
    from pipeline.progress import Progress
    from pipeline.session import Session, find_root

    with expected_errors(format), scratch.own(), Progress() as progress:
        root = find_root(c.config.get("seatrial_root"))
        yield Session(root=root, progress=progress, policy_file=Path(policy) if policy else None)


def _result(value: Any, kind: str, format: str, text: Callable[[Any], RenderableType]) -> None:
    """Print a result: its document, or a person's table."""
    from pipeline.model import document

    if format == "json":
        print(json.dumps(document(value, kind), indent=2, ensure_ascii=False))
    elif format == "text":
        _print(text(value))
    else:
        raise BadFile(f"unknown format `{format}`", file="--format", hint="text or json")


def _print(renderable: RenderableType) -> None:
    from rich.console import Console

    # Off a terminal nothing is wrapped: paths and digests are there to be copied.
    Console(width=None if sys.stdout.isatty() else 1000, highlight=False).print(renderable)


def _tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
