"""setup and doctor: the machine that everything runs on."""

from __future__ import annotations

import json

from invoke import Context, Exit

from pipeline.tasks.shared import FORMAT, expected_errors, show_on_stdout, task, tell


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
            tell(f"ended: {', '.join(ended)}" if ended else "nothing runs here that setup started")
            return
        session.set_up(yes=yes, tell=tell)
        parts = examination.examine()
        show_on_stdout(show.doctor(parts))
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
            show_on_stdout(show.doctor(parts))
        if any(part.state in ("missing", "wrong") for part in parts):
            raise Exit(code=3)
