"""What is being done in, a line on stderr out: alive on a terminal, one plain line a step everywhere else."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.status import Status


class Progress:
    """Shows what runs. Use as a context manager, and pass `say` on."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._status: Status | None = None
        self._started = time.monotonic()

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            self._status = self._console.status("", spinner="dots")
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()
        sys.stderr.flush()

    def pause(self) -> None:
        """Clear the line, so that a result can be printed; the next `say` shows it again."""
        if self._status is not None:
            self._status.stop()

    def say(self, image: str, what: str) -> None:
        """Say what is being done for an image."""
        elapsed = f"{time.monotonic() - self._started:5.1f} s"
        first = what.splitlines()[0] if what else ""
        if self._status is not None:
            self._status.start()
            self._status.update(f"[bold]{escape(image)}[/] {escape(first[:100])} [dim]{elapsed}[/]")
        else:
            self._console.print(f"{elapsed}  {image}: {first[:160]}", markup=False)
