"""A script's bytes in, its here-documents out, and the script with them taken out. Speaks to: nothing.

The grammar reads here-documents in the simplest cases only: not two on a line, none before the command, nothing but
redirections behind. So they are found here, and the grammar is shown `< NAME` and blanks in their place.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import NamedTuple

_LEXEME = (
    rb"""\\.|'[^']*'|"[^"\\]*(?:\\.[^"\\]*)*"|(?:(?<=[\s;&|()])|\A)\#[^\n]*|\(\([^\n()]{0,200}\)\)|<<<"""
    rb"""|(<<-?)[ \t]*((?:'[^'\n]*'|"[^"\n]*"|\\.|[^\s;&|<>()'"\\`$])+)|(\n)"""
)


class Body(NamedTuple):
    """A here-document: where its text begins and ends in the script, and how it was opened."""

    operator: str  # << or <<-
    name: str
    start: int
    end: int


def taken_out(text: bytes) -> tuple[bytes, dict[int, Body]]:
    """Return the script without its here-documents, as long as before, and each by the offset of its `<<`."""
    if b"<<" not in text:
        return text, {}
    lines: dict[bytes, list[int]] = {}
    at = 0
    for line in text.split(b"\n"):
        lines.setdefault(line.lstrip(b"\t"), []).append(at)
        at += len(line) + 1
    found: dict[int, Body] = {}
    shown = bytearray(text)
    waiting: list[re.Match[bytes]] = []
    position = 0
    while match := re.compile(_LEXEME, re.DOTALL).search(text, position):
        position = match.end()
        if match[1]:
            waiting.append(match)
        elif match[3] and waiting:
            for opening in waiting:
                name = re.sub(rb"""['"\\]""", b"", opening[2])
                end = _end(text, lines, name, position, tabs=opening[1] == b"<<-")
                if end is None:
                    continue  # never closed: then it was none
                found[opening.start()] = Body(opening[1].decode(), name.decode("utf-8", "replace"), position, end)
                shown[opening.start() : opening.end(1)] = b"<".ljust(len(opening[1]))
                after = text.find(b"\n", end)
                after = len(text) if after < 0 else after
                shown[position:after] = re.sub(rb"[^\n]", b" ", text[position:after])
                position = min(after + 1, len(text))
            position = max(match.end(), position - 1)  # the newline that ends the last one counts
            waiting.clear()
    return bytes(shown), found


def _end(text: bytes, lines: dict[bytes, list[int]], name: bytes, position: int, *, tabs: bool) -> int | None:
    """Where the line begins that ends a here-document whose text begins at `position`."""
    places = lines.get(name, [])
    first = bisect_left(places, position)
    for place in places[first : first + 50]:
        if tabs or text.startswith(name, place):
            return place
    return None
