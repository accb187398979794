"""A compose file's text in, the waivers in its comments out. Speaks to: nothing.

The same words as in a Dockerfile, on a line of their own: they speak for the next line that says something.
"""

from __future__ import annotations

from collections.abc import Callable

from pipeline.errors import BadFile
from pipeline.model import Waiver
from pipeline.parse.lines import Refused
from pipeline.parse.waivers import one


def waivers(text: str, file: str) -> tuple[Waiver, ...]:
    """Return the waivers in their order; `line` is that of the line they speak of. Raises BadFile."""
    if "policy:" not in text:
        return ()
    found: list[Waiver] = []
    lines = text.split("\n")
    below = 0  # the line, counted from 0, that the comments above it speak of
    for number, line in enumerate(lines):
        words = line.strip()
        if words.startswith("#") and words[1:].strip().startswith("policy:"):
            below = max(below, number)
            while below < len(lines) and lines[below].strip()[:1] in ("", "#"):
                below += 1
            found += _read(number + 1, words[1:].strip(), below + 1 if below < len(lines) else None, file)
    return tuple(found)


def _read(line: int, text: str, below: int | None, file: str) -> list[Waiver]:
    try:
        waiver = one(line, text, _spoken_of(line, below), file)
    except Refused as refused:
        raise BadFile(refused.what, file=file, line=refused.line, hint=refused.hint) from None
    return [waiver] if waiver else []


def _spoken_of(line: int, below: int | None) -> Callable[[], int]:
    def tell() -> int:
        if below is None:
            hint = "move it above the line that it speaks of"
            raise Refused("a waiver with nothing below it", hint=hint, line=line)
        return below

    return tell
