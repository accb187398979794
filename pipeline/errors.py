"""Every failure that the pipeline expects.

    PipelineError            exit 3    the job could not be done
    ├── ToolMissing          exit 3    an outside program is not installed
    ├── ToolFailed           exit 3    it ran, and returned non-zero, took too long or answered nonsense
    ├── ToolUntrusted        exit 3    its bytes are not the ones that tools.lock names
    ├── EngineDown           exit 3    no container engine answers, or it went away in the middle
    ├── BadFile              exit 3    a file that a user writes is missing or wrong: file, line, column
    ├── BuildFailed          exit 3    an instruction failed, or a base image could not be had
    ├── RegistryFailed       exit 3    the registry is down, refuses, or broke off
    ├── BadImage             exit 3    an image or archive that cannot be read, or must not be trusted
    ├── Busy                 exit 3    another release of the same image is under way
    ├── DiskFull             exit 3    no room left, here or in the engine
    ├── Interrupted          exit 3    Ctrl-C or SIGTERM; everything that was started is gone
    └── PolicyViolated       exit 10   the pipeline worked; the answer is no
        └── EvidenceBroken   exit 10   a signature, attestation or record does not hold

Anything else is a bug: let it escape with its traceback. Exit 1 is never used: Invoke and Python use it.
"""

from __future__ import annotations

from pathlib import Path


class PipelineError(Exception):
    """The base of every expected failure: what happened, and what to try next."""

    exit_code = 3

    def __init__(self, what: str, *, hint: str) -> None:
        super().__init__(what)
        self.hint = hint

    def __str__(self) -> str:
        return f"{super().__str__()}\n  try: {self.hint}"

    @property
    def what(self) -> str:
        """What happened, without the hint."""
        return super().__str__()


class ToolMissing(PipelineError):
    """An outside program is not installed."""


class ToolFailed(PipelineError):
    """An outside program ran and failed. `returncode` is None when it ran out of time."""

    def __init__(self, what: str, *, hint: str, returncode: int | None = None, stderr: str = "") -> None:
        super().__init__(what, hint=hint)
        self.returncode = returncode
        self.stderr = stderr


class ToolUntrusted(PipelineError):
    """A program's sha256 is not the one in tools.lock; it was not started."""


class EngineDown(PipelineError):
    """No container engine answers."""


class BadFile(PipelineError):
    """A file that a user writes is missing or wrong. Lines and columns count from 1."""

    def __init__(
        self, what: str, *, hint: str, file: Path | str, line: int | None = None, column: int | None = None
    ) -> None:
        place = ":".join(str(part) for part in (file, line, column) if part is not None)
        super().__init__(f"{place}: {what}", hint=hint)
        self.file, self.line, self.column = str(file), line, column


class BuildFailed(PipelineError):
    """An instruction failed or a base could not be had; `line` is the Dockerfile's, where it is known."""

    def __init__(self, what: str, *, hint: str, line: int | None = None) -> None:
        super().__init__(what, hint=hint)
        self.line = line


class RegistryFailed(PipelineError):
    """The registry is down, refuses, or broke off."""


class BadImage(PipelineError):
    """An image or archive that cannot be read, or that must not be trusted."""


class Busy(PipelineError):
    """Another process holds what we need; the message says who."""


class DiskFull(PipelineError):
    """No room left on this machine's disk or on the engine's."""


class Interrupted(PipelineError):
    """Ctrl-C or SIGTERM arrived; what was started has been stopped."""


class PolicyViolated(PipelineError):
    """The pipeline worked; the image is not good enough."""

    exit_code = 10


class EvidenceBroken(PolicyViolated):
    """A signature, an attestation or a record does not hold for this digest."""
