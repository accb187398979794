"""A FROM and the image that it should name in, the edit that makes it so out. Speaks to: nothing.

The words stay as the file has them: `nvidia/cuda:${CUDA}-devel-ubuntu22.04` becomes `…${CUDA}-runtime-…`, and where
the part to change comes out of an ARG's default, that default is what changes.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

from pipeline.analysis.walk import global_arguments
from pipeline.mend import replaced, written
from pipeline.model import Dockerfile, Edit, Span, Stage, once_per_file
from pipeline.parse import tokens

_VARIABLE = r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})"
_LONGEST = 1000  # characters of a reference, or a part of one
_DEPTH = 5  # ARGs whose defaults are made of other ARGs


class _Piece(NamedTuple):
    """A piece of a word: as written, and what it comes to. `name` is the ARG that it stands for."""

    written: str
    value: str
    name: str | None


def rebased(dockerfile: Dockerfile, stage: Stage, image: str, *, alone: bool = False) -> Edit | None:
    """Return the edit after which the stage's FROM names `image`; None where no single place decides it.

    With `alone`, an ARG that other lines use as well is not touched.
    """
    if stage.image is None or stage.parent is not None:
        return None
    words = tokens(dockerfile, stage.instructions[0]).words
    span = words[0].span if words else None
    if span is None or written(dockerfile, span) != stage.base:
        return None
    return _edit(dockerfile, span, stage.image, image, alone, _DEPTH)


def _edit(dockerfile: Dockerfile, span: Span, old: str, new: str, alone: bool, depth: int) -> Edit | None:
    """Change what stands at `span` and comes to `old`, so that it comes to `new`."""
    text = written(dockerfile, span)
    if text == old:
        return replaced(span, new)
    pieces = _pieces(dockerfile, text)
    if depth == 0 or pieces is None or "".join(piece.value for piece in pieces) != old:
        return None
    start, end, changed = _difference(old, new)
    at, raw = 0, span.start
    for piece in pieces:
        size = len(piece.written.encode("utf-8", "surrogatepass"))
        if at <= start and end <= at + len(piece.value) and piece.value:
            value = piece.value[: start - at] + changed + piece.value[end - at :]
            if piece.name is None:
                return replaced(Span(raw, raw + size), value)
            place = _defaults(dockerfile).get(piece.name)
            if place is None or (alone and _uses(dockerfile)[piece.name] > 1):
                return None
            return _edit(dockerfile, place, piece.value, value, alone, depth - 1)
        at, raw = at + len(piece.value), raw + size
    return None


def _difference(old: str, new: str) -> tuple[int, int, str]:
    """Where two references differ, in whole parts between `-`, `:` and `/`: start and end in `old`, text of `new`."""
    one, other = re.split(r"([-:/@])", old), re.split(r"([-:/@])", new)
    first = 0
    while first < min(len(one), len(other)) and one[first] == other[first]:
        first += 1
    last = 0
    while last < min(len(one), len(other)) - first and one[-1 - last] == other[-1 - last]:
        last += 1
    start = len("".join(one[:first]))
    return start, len(old) - len("".join(one[len(one) - last :])), "".join(other[first : len(other) - last])


def _pieces(dockerfile: Dockerfile, text: str) -> list[_Piece] | None:
    """Split a word at its variables; None when one is written in a form that has more to it."""
    values = _globals(dockerfile)
    found, at = [], 0
    for match in re.finditer(_VARIABLE, text):
        name = match[1] or match[2]
        if name not in values:
            return None
        before = text[at : match.start()]
        found += [_Piece(before, before, None), _Piece(match[0], values[name], name)]
        at = match.end()
    found.append(_Piece(text[at:], text[at:], None))
    return None if any(piece.name is None and "$" in piece.written for piece in found) else found


@once_per_file
def _globals(dockerfile: Dockerfile) -> dict[str, str]:
    """The ARGs above the first FROM, with what their defaults come to; absurdly long ones are left out."""
    values: dict[str, str] = {}
    for instruction in global_arguments(dockerfile):
        for word in instruction.words:
            name, equals, value = word.partition("=")
            if equals:
                plain = value.strip("\"'")
                whole = re.sub(_VARIABLE, lambda match: values.get(match[1] or match[2], match[0]), plain[:_LONGEST])
                values.pop(name, None)
                if len(plain) <= _LONGEST and len(whole) <= _LONGEST:
                    values[name] = whole
    return values


@once_per_file
def _defaults(dockerfile: Dockerfile) -> dict[str, Span]:
    """Where the default of each global ARG stands, without quotes."""
    found: dict[str, Span] = {}
    for instruction in global_arguments(dockerfile):
        for token in tokens(dockerfile, instruction).words:
            name, equals, _ = token.text.partition("=")
            raw = written(dockerfile, token.span)
            match = re.fullmatch(r"\w+=([\"']?)([^\"'\\]*)\1", raw) if equals else None
            found.pop(name, None)
            if match is not None:
                start = token.span.start + len(raw[: match.start(2)].encode())
                found[name] = Span(start, start + len(match[2].encode()))
    return found


@once_per_file
def _uses(dockerfile: Dockerfile) -> Counter[str]:
    """How often each variable is used in the file."""
    return Counter(re.findall(r"\$\{?([A-Za-z_]\w*)", dockerfile.text))
