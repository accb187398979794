"""A shell pattern and a value in, the value cut or replaced out: `#`, `##`, `%`, `%%`, `/`, `//`. Speaks to: nothing.

`?` is one character, `*` any run of them, neither a newline. Pieces between stars are found one after the other,
so that no pattern can make the search explode as it would with one regular expression.
"""

from __future__ import annotations

import re

STAR, ANY = "*", "?"
_PAIRS = re.compile(r"\\.|.", re.DOTALL)


class BadPattern(Exception):
    """An escape that means nothing in a pattern."""


def check(pattern: str) -> None:
    """Raise BadPattern if it is none."""
    _tokens(pattern)


def remove_prefix(pattern: str, value: str, *, longest: bool) -> str:
    """Return `value` without the start that matches."""
    found = _Pattern(_tokens(pattern), longest).match(value, 0)
    return value if found is None else value[found:]


def remove_suffix(pattern: str, value: str, *, longest: bool) -> str:
    """Return `value` without the end that matches: the same, seen from the other side."""
    # An escape moves with its character. One that has none, at the end, comes to stand before the others.
    backwards = "".join(reversed(_PAIRS.findall(pattern)))
    found = _Pattern(_tokens(backwards), longest).match(value[::-1], 0)
    return value if found is None else value[: len(value) - found]


def replace(pattern: str, value: str, replacement: str, *, every: bool) -> str:
    """Return `value` with the first match, or every match, replaced. Matches are as long as can be."""
    compiled = _Pattern(_tokens(pattern), longest=True)
    parts: list[str] = []
    done = at = 0
    while at <= len(value):
        found = compiled.find(value, at)
        if found is None:
            break
        start, end = found
        parts.append(value[done:start])
        if end > done or start == 0:  # an empty match right behind the one before does not count
            parts.append(replacement)
        done = end
        at = max(at + 1, end)
        if not every:
            break
    return "".join(parts) + value[done:]


class _Pattern:
    def __init__(self, tokens: list[tuple[str, str]], longest: bool) -> None:
        pieces = [""]
        for kind, letter in tokens:
            if kind == STAR:
                if pieces[-1] or len(pieces) == 1:
                    pieces.append("")
            else:
                pieces[-1] += "." if kind == ANY else re.escape(letter)
        self.first = re.compile(pieces[0])
        last = len(pieces) - 1
        self.rest = [
            re.compile((".*" if longest and at == last else ".*?") + piece)
            for at, piece in enumerate(pieces[1:], start=1)
        ]

    def match(self, value: str, at: int) -> int | None:
        """Where the match that starts at `at` ends."""
        for piece in (self.first, *self.rest):
            found = piece.match(value, at)
            if found is None:
                return None
            at = found.end()
        return at

    def find(self, value: str, at: int) -> tuple[int, int] | None:
        """The leftmost match from `at` on."""
        while (first := self.first.search(value, at)) is not None:
            end = self.match(value, first.start())
            if end is not None:
                return first.start(), end
            # What a star could not reach from here, it reaches from nowhere later on this line.
            newline = value.find("\n", first.start())
            if newline < 0:
                return None
            at = newline + 1
        return None


def _tokens(pattern: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    letters = iter(pattern)
    for letter in letters:
        if letter in (STAR, ANY):
            tokens.append((letter, letter))
        elif letter == "\\":
            escaped = next(letters, "")
            # `}` and `/` are escaped for the substitution's own sake, the others for the pattern's.
            if escaped not in ("}", "/", "*", "?", "\\"):
                raise BadPattern(f"`\\{escaped}` means nothing in a pattern")
            tokens.append(("", escaped))
        else:
            tokens.append(("", letter))
    return tokens
