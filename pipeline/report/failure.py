"""A PipelineError in, its JSON document out. Speaks to: nothing.

With `--format json` a job that could not be done answers with this document, so that stdout is JSON either way.
"""

from __future__ import annotations

from typing import Any

from pipeline.errors import PipelineError


def document(error: PipelineError) -> dict[str, Any]:
    """Return the error as `seatrial/error/v1`: kind, what, hint, exit_code, file, line, column."""
    return {
        "schema": "seatrial/error/v1",
        "kind": type(error).__name__,
        "what": error.what,
        "hint": error.hint,
        "exit_code": error.exit_code,
        "file": getattr(error, "file", None),  # only errors about a place have them
        "line": getattr(error, "line", None),
        "column": getattr(error, "column", None),
    }
