"""A Lint in, the document seatrial/lint/v1 out (docs/json.md). Speaks to: nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pipeline.lint.formats.counting import counts
from pipeline.model import Finding, Lint, document


def as_json(lint: Lint, known: Sequence[Finding] = ()) -> str:
    """Return `as_document` as text."""
    found = as_document(lint, known)
    text = json.dumps(found, indent=2, ensure_ascii=False)
    if text.isascii() or text.encode("utf-8", "replace").decode() == text:
        return text + "\n"
    return json.dumps(found, indent=2) + "\n"  # a file's name that is not UTF-8 holds half characters


def as_document(lint: Lint, known: Sequence[Finding] = ()) -> dict[str, Any]:
    """Return the document `seatrial/lint/v1` as plain JSON types: findings, summary, errors.

    With a baseline that knows some, `known` holds those, and the summary counts them.
    """
    return {
        "schema": "seatrial/lint/v1",
        "findings": document(lint.findings),
        "summary": counts(lint, len(known)),
        "errors": document(lint.errors),
        **({"known": document(tuple(known))} if known else {}),
    }
