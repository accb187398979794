"""A Lint and the texts that it speaks of in, one document out, for people or for another program. Speaks to: nothing.

One module a format. What a format imports is loaded when it is asked for: text is what everybody waits for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadFile
from pipeline.lint.formats.counting import counts
from pipeline.lint.formats.text import as_text

if TYPE_CHECKING:
    from pipeline.lint.formats.json import as_document, as_json
    from pipeline.lint.formats.pages import explain, rules_table
    from pipeline.model import Finding, Lint, Rule

__all__ = [
    "FORMATS",
    "as_document",
    "as_json",
    "as_text",
    "counts",
    "explain",
    "known_format",
    "render",
    "rules_table",
]

FORMATS = ("text", "json", "sarif", "junit", "github", "gitlab", "markdown")


def known_format(format: str) -> None:
    """Raise BadFile for a format that there is not, before anything is looked at."""
    if format not in FORMATS:
        raise BadFile(f"unknown format `{format}`", file="--format", hint=", ".join(FORMATS))


def render(
    lint: Lint,
    format: str,
    sources: Mapping[str, str],
    *,
    known: Sequence[Finding] = (),
    own: Sequence[Rule] = (),
    fail_on: str = "error",
    colour: bool = False,
) -> str:
    """Return the findings in a format. `sources` are the texts by file. Raises BadFile for an unknown format.

    `known` are the findings that a baseline took out, `own` the rules that a policy brought along, `fail_on` is the
    least severity that fails. Programs get files named from the root of the repository that we stand in.
    """
    known_format(format)
    if format == "text":
        return as_text(lint, sources, show_waived=True, known=len(known), colour=colour)
    if format == "json":
        from pipeline.lint.formats import json

        return json.as_json(lint, known)
    from pipeline.lint.fingerprints import root

    if format == "sarif":
        from pipeline.lint.formats import sarif

        return sarif.render(lint, sources, root(), known, own)
    if format == "junit":
        from pipeline.lint.formats import junit

        return junit.render(lint, root(), fail_on)
    if format == "github":
        from pipeline.lint.formats import github

        return github.render(lint, root())
    if format == "gitlab":
        from pipeline.lint.formats import gitlab

        return gitlab.render(lint, sources, root())
    from pipeline.lint.formats import markdown

    return markdown.render(lint, root(), len(known))


def __getattr__(name: str) -> Any:
    """Find a function of another module of this package on first use (PEP 562)."""
    if name in ("as_document", "as_json"):
        from pipeline.lint.formats import json

        return getattr(json, name)
    if name in ("explain", "rules_table"):
        from pipeline.lint.formats import pages

        return getattr(pages, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
