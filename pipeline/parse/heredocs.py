"""A logical line in, the heredocs that it opens out. Speaks to: nothing."""

from __future__ import annotations

import re

from pipeline import lazily
from pipeline.model import Heredoc
from pipeline.parse.expand import BadWord, Lexer, Unset
from pipeline.parse.lines import Refused

# Most lines and names hold nothing that the lexer treats otherwise: no quote, no escape, no variable, no odd blank.
_PLAIN = lazily.pattern(r"[\w ./<>=:,@%+&|;~^!?*#(){}\[\]-]*", re.ASCII)
_NAME = lazily.pattern(r"[\w.-]+", re.ASCII)
_OPENING = lazily.pattern(r"([0-9]*)<<(-?)[\t\n\f\r ]*([^<]*)\Z")
_LARGEST = 2**64 - 1  # what BuildKit makes of a file descriptor that fits no integer


def opened(line: str) -> list[Heredoc]:
    """Return the heredocs that the line opens, without content. Raises Refused for a name with an open quote."""
    if "<< " not in line and "<<- " not in line and _PLAIN.fullmatch(line):
        return [heredoc for word in line.split(" ") if "<<" in word if (heredoc := opening(word))]
    try:
        # The escape is always a backslash here, whatever the file's directive says.
        words = Lexer(raw_quotes=True, raw_escapes=True, unset=Unset.KEEP).words(line, {})
    except BadWord:
        return []  # an open quote is the shell's affair
    found = (opening(word) for word in words if "<<" in word)
    return [heredoc for heredoc in found if heredoc]


def opening(word: str) -> Heredoc | None:
    """Return the heredoc that one word opens, or None. Raises Refused."""
    match = _OPENING.match(word)
    if match is None or not match[3]:
        return None
    if _NAME.fullmatch(match[3]) and not match[1]:
        return Heredoc(name=match[3], content="", expand=True, chomp=match[2] == "-", descriptor=0)
    try:
        plain = Lexer(unset=Unset.KEEP).words(match[3], {})
        if len(plain) != 1:
            return None
        raw = Lexer(unset=Unset.KEEP, raw_quotes=True).words(match[3], {})
    except BadWord as error:
        raise Refused(f"the heredoc's name {match[3]}: {error}", hint="close the quote") from None
    if len(raw) != 1:
        raise Refused(f"the heredoc's name {match[3]} is not one word", hint="use letters and digits")
    digits = match[1].lstrip("0")
    return Heredoc(
        name=plain[0],
        content="",
        expand=_quotes(plain[0]) == _quotes(raw[0]),  # a quoted name: nothing in the content is expanded
        chomp=match[2] == "-",
        descriptor=_LARGEST if len(digits) > 20 else min(int(digits or "0"), _LARGEST),
    )


def _quotes(word: str) -> int:
    return word.count("'") + word.count('"')
