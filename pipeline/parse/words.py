"""An instruction's arguments in, words out, quotes and escapes still in them. Speaks to: nothing.

This is how BuildKit splits before it substitutes variables; `expand` does what comes after.
"""

from __future__ import annotations

import re
from functools import cache

from pipeline import lazily
from pipeline.parse.lines import SPACE

BLANKS = lazily.pattern(r"[\t\v\f\r ]+")
_NEVER = re.escape(SPACE)
_PLAIN_FLAG = re.compile(r"--[A-Za-z0-9_./:=,@+%-]+(?=[\t\n\v\f\r ]|\Z)")  # no quote, no escape: most of them


@cache
def pattern(escape: str) -> re.Pattern[str]:
    """What one word of ENV, LABEL and ARG matches."""
    # An open quote runs to the end. A lone escape at the very end matches nothing and so disappears.
    e = re.escape(escape)
    return re.compile(rf"""(?:[^{_NEVER}'"{e}]+|{e}.|'[^']*'?|"(?:[^"{e}]+|{e}.)*"?)+""", re.DOTALL)


def split(rest: str, escape: str) -> list[str]:
    """Split at blanks that are neither quoted nor escaped, as ENV, LABEL and ARG do."""
    return pattern(escape).findall(rest)


def blank_separated(rest: str) -> list[str]:
    """Split at blanks only, as FROM, EXPOSE and the plain forms of COPY, ADD and VOLUME do."""
    return BLANKS.split(rest) if rest else []


def flags(rest: str, escape: str) -> tuple[list[str], str]:
    """Return the leading `--flag` words without their quotes, and what stands after them.

    BuildKit goes through flags byte by byte, so one byte of a longer character can count as a blank there.
    """
    rest = rest.lstrip("\t\n\v\f\r ")
    if not rest.startswith("--"):
        return [], rest
    if rest.isascii():
        return _flags(rest, escape)
    found, rest = _flags(rest.encode("utf-8", "surrogatepass").decode("latin-1"), escape)
    return found, rest.encode("latin-1").decode("utf-8", "replace")


def _flags(text: str, escape: str) -> tuple[list[str], str]:
    found: list[str] = []
    at, end = 0, len(text)
    while at < end:
        if text[at] in SPACE:
            at += 1
            continue
        plain = _PLAIN_FLAG.match(text, at)
        if plain:
            found.append(plain[0])
            at = plain.end()
            continue
        if not text.startswith("--", at):
            return found, text[at:]
        word, quoted, at = _flag(text, at, escape)
        if word == "--":
            return found, text[at:]
        if word or quoted:
            found.append(word)
    return found, ""


def _flag(text: str, at: int, escape: str) -> tuple[str, bool, int]:
    """One flag from `at` on: its text, whether a quote was in it, and where it ends."""
    letters: list[str] = []
    quote, quoted = "", False
    while at < len(text):
        letter = text[at]
        if not quote and letter in SPACE:
            break
        at += 1
        if letter == quote:
            quote = ""
        elif not quote and letter in "'\"":
            quote, quoted = letter, True
        elif letter != escape:
            letters.append(letter)
        elif at < len(text):
            letters.append(text[at])
            at += 1
    return "".join(letters), quoted, at
