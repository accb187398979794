"""What the tasks share: the session, expected failures as a message and an exit code, results on stdout."""

from __future__ import annotations

import errno
import functools
import io
import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import invoke
from invoke import Context, Exit

from pipeline import tools
from pipeline.errors import DiskFull, Interrupted, PipelineError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.session import Session

FORMAT = "text (for people) or json (the documented interface, nothing else on stdout)"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # a cancelled CI job, a closed terminal: as Ctrl-C
IMAGE = "an image of the tree, by its name"
ANYWHERE = "an image of the tree, a reference in a registry, or an archive or OCI layout by its path"


task = functools.partial(invoke.task, auto_shortflags=False)  # one letter would mean another thing for each task


@contextmanager
def expected_errors(format: str = "text") -> Iterator[None]:
    """Turn the failures that we planned for into one readable message and an exit code.

    With `json` the failure is a document on stdout as well, so that stdout is JSON either way.
    """
    if format not in ("text", "json"):
        raise Exit(f"seatrial: --format: unknown format `{format}`\n  try: text or json", code=3)
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


def _interrupted(number: int, frame: object) -> None:
    """End what runs, in every thread, then this one. A second signal must not break into the cleaning up."""
    for again in SIGNALS:
        signal.signal(again, _already)
    if tools.interrupt():
        raise KeyboardInterrupt


def _already(number: int, frame: object) -> None:
    """Do nothing. (Python complains when a signal that is on its way meets SIG_IGN.)"""


@contextmanager
def opened(c: Context, format: str = "text", policy: str = "") -> Iterator[Session]:
    """The workspace, the policy and a progress line; expected failures become a message and an exit code."""
    from pipeline import scratch
    from pipeline.progress import Progress
    from pipeline.session import Session
    from pipeline.settings import find_root

    with expected_errors(format), scratch.own(), Progress() as progress:
        root = find_root(c.config.get("seatrial_root"))
        yield Session(root=root, progress=progress, policy_file=Path(policy) if policy else None)


def result(value: Any, kind: str, format: str, text: Callable[[Any], RenderableType]) -> None:
    """Print a result: its document, or a person's table."""
    from pipeline.model import document

    if format == "json":
        print(json.dumps(document(value, kind), indent=2, ensure_ascii=False))
    else:
        show_on_stdout(text(value))


def show_on_stdout(renderable: RenderableType) -> None:
    """Print a table for a person. Off a terminal nothing is wrapped or padded: paths are there to be copied."""
    from rich.console import Console

    if sys.stdout.isatty():
        Console(highlight=False).print(renderable)
        return
    plain = Console(width=1000, highlight=False, file=io.StringIO())
    with plain.capture() as captured:
        plain.print(renderable)
    print(*(line.rstrip() for line in captured.get().splitlines()), sep="\n")


def tell(words: str) -> None:
    """Say something beside the result."""
    print(words, file=sys.stderr, flush=True)
