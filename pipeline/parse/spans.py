"""A Dockerfile and one of its instructions in, where each of its parts stands in the file's bytes out.

Speaks to: nothing. Parsing itself keeps lines only, which is what makes it fast; whoever wants to point at a word or
to mend one asks here. The words are read a second time, by the same rules, from the same logical line.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pipeline import lazily
from pipeline.model import Dockerfile, Instruction, Span, Token, Tokens, once_per_file
from pipeline.parse import words
from pipeline.parse.instructions import trigger
from pipeline.parse.lines import SPACE

_JSON_STRING = lazily.pattern(r'"(?:[^"\\]|\\.)*"')
_NAME_VALUE = ("ENV", "LABEL")


class Logical(NamedTuple):
    """A logical line and where its characters stand: `text[pieces[i][0]:]` begins at `pieces[i][1]` of the file."""

    text: str
    pieces: tuple[tuple[int, int], ...]  # (offset in text, offset in the file), both in characters
    end: int  # where its last physical line ends in the file, in characters, without the newline
    last_line: int  # the number of that line; heredocs follow it

    def place(self, offset: int) -> int:
        """Where a character of the logical line stands in the file, in characters."""
        found = self.pieces[bisect_right(self.pieces, (offset, 1 << 62)) - 1]
        return found[1] + offset - found[0]

    def line_of(self, offset: int, starts: tuple[int, ...]) -> int:
        """The number of the file's line that holds a character of the logical line."""
        return bisect_right(starts, self.place(offset))


@once_per_file
def line_starts(dockerfile: Dockerfile) -> tuple[int, ...]:
    """Where each line of the file begins, in characters."""
    starts, at = [0], -1
    text = dockerfile.text
    while (at := text.find("\n", at + 1)) >= 0:
        starts.append(at + 1)
    return tuple(starts)


@once_per_file
def logical(dockerfile: Dockerfile, instruction: Instruction) -> Logical:
    """Return the instruction's logical line (see `lines`) with the place of each of its characters."""
    text, starts = dockerfile.text, line_starts(dockerfile)
    escape = dockerfile.directives.get("escape", "\\")
    parts: list[str] = []
    pieces: list[tuple[int, int]] = []
    length, number, end = 0, instruction.line, 0
    while number <= len(starts):
        start = starts[number - 1]
        stop = starts[number] - 1 if number < len(starts) else len(text)
        raw = text[start:stop]
        if number == 1 and raw.startswith("\ufeff"):
            raw, start = raw[1:], start + 1
        line = raw.rstrip("\r")
        bare = line.lstrip(SPACE)
        number += 1
        if parts and (not bare or bare[0] == "#"):
            continue
        if not parts:
            start, line = start + len(line) - len(bare), bare
        body = line.rstrip(" \t")
        continued = body[-1:] == escape and body[-2:-1] != escape
        piece = body[:-1] if continued else line
        parts.append(piece)
        pieces.append((length, start))
        length, end = length + len(piece), start + len(line)
        if not continued:
            break
    return Logical(text="".join(parts), pieces=tuple(pieces), end=end, last_line=number - 1)


@once_per_file
def _byte_starts(dockerfile: Dockerfile) -> tuple[int, ...]:
    """Where each line of the file begins, in bytes."""
    lengths = (len(line.encode("utf-8", "surrogatepass")) + 1 for line in dockerfile.text.split("\n"))
    return tuple(itertools.accumulate(lengths, initial=0))[:-1]


def in_bytes(dockerfile: Dockerfile, start: int, end: int) -> Span:
    """Turn offsets in characters into a Span."""
    if dockerfile.text.isascii():
        return Span(start, end)
    return Span(_in_bytes(dockerfile, start), _in_bytes(dockerfile, end))


def _in_bytes(dockerfile: Dockerfile, offset: int) -> int:
    line = bisect_right(line_starts(dockerfile), offset) - 1
    before = dockerfile.text[line_starts(dockerfile)[line] : offset]
    return _byte_starts(dockerfile)[line] + len(before.encode("utf-8", "surrogatepass"))


def place(dockerfile: Dockerfile, offset: int) -> tuple[int, int]:
    """Return the line and the column, both from 1, of an offset in bytes. Columns count characters."""
    text, starts = dockerfile.text, line_starts(dockerfile)
    if text.isascii():
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1
    line = bisect_right(_byte_starts(dockerfile), offset)
    whole = text[starts[line - 1] : starts[line] if line < len(starts) else len(text)]
    before = whole.encode("utf-8", "surrogatepass")[: offset - _byte_starts(dockerfile)[line - 1]]
    return line, len(before.decode("utf-8", "ignore")) + 1


def span_of(dockerfile: Dockerfile, instruction: Instruction, start: int, end: int) -> Span:
    """Return the Span of `text[start:end]` of the instruction's logical line."""
    line = logical(dockerfile, instruction)
    first = line.place(start)
    last = first if end <= start else line.place(end - 1) + 1
    return in_bytes(dockerfile, first, last)


@once_per_file
def tokens(dockerfile: Dockerfile, instruction: Instruction) -> Tokens:
    """Return where the keyword, each flag and each word of an instruction stands."""
    line = logical(dockerfile, instruction)
    text = line.text
    escape = dockerfile.directives.get("escape", "\\")

    def token(start: int, end: int, read: str | None = None) -> Token:
        return Token(text[start:end] if read is None else read, span_of(dockerfile, instruction, start, end))

    start = len(text) - len(text.lstrip(SPACE))
    end = _blank(text, start)
    keyword = token(start, end)
    flags: list[Token] = []
    at = _flags(text, end, escape, flags, token, instruction.flags)
    found = _words(instruction, text, at, escape, token)
    starts = line_starts(dockerfile)
    heredocs, number = [], line.last_line
    for heredoc in instruction.heredocs:
        length = heredoc.content.count("\n")
        heredocs.append(in_bytes(dockerfile, starts[number], starts[number + length]))
        number += length + 1
    last = line.end
    if heredocs:
        stop = starts[number] - 1 if number < len(starts) else len(dockerfile.text)
        last = stop - (dockerfile.text[stop - 1 : stop] == "\r")
    whole = in_bytes(dockerfile, line.place(start), last)
    return Tokens(whole=whole, keyword=keyword, flags=tuple(flags), words=tuple(found), heredocs=tuple(heredocs))


_Maker = Callable[..., Token]  # (start, end, what it reads as) of the logical line


def _blank(text: str, at: int) -> int:
    """Where the word that begins at `at` ends, at the blanks that BuildKit splits a keyword off at."""
    found = words.BLANKS.search(text, at)
    return found.start() if found else len(text)


def _flags(text: str, at: int, escape: str, found: list[Token], token: _Maker, read: tuple[str, ...]) -> int:
    """Collect the flags; return where the arguments begin."""
    at = _skip(text, at)
    if not text.startswith("--", at):
        return at
    for flag in read:
        at = _skip(text, at)
        start, quote = at, ""
        while at < len(text) and (quote or text[at] not in SPACE):
            letter = text[at]
            if letter == quote:
                quote = ""
            elif not quote and letter in "'\"":
                quote = letter
            elif letter == escape:
                at += 1
            at += 1
        found.append(token(start, min(at, len(text)), flag))
    at = _skip(text, at)
    if text[at : at + 2] == "--" and text[at + 2 : at + 3] in ("", *SPACE):  # a bare `--` ends the flags
        at = _skip(text, at + 2)
    return at


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in SPACE:
        at += 1
    return at


def _words(instruction: Instruction, text: str, at: int, escape: str, token: _Maker) -> Iterator[Token]:
    keyword, read = instruction.keyword, list(instruction.words)
    if keyword == "ONBUILD":
        inner = trigger(instruction, escape)
        if inner is not None:
            end = _blank(text, at)
            yield token(at, end, read[0])
            at = _flags(text, end, escape, [], token, inner.flags)
            yield from _words(inner, text, at, escape, token)
        return
    if keyword == "HEALTHCHECK" and read:
        end = re.compile(r"[\t\n\v\f\r ]|\Z").search(text, at).start()  # type: ignore[union-attr]  # \Z always matches
        yield token(at, end, read.pop(0))
        at = _skip(text, end)
    stop = len(text.rstrip(SPACE))
    if instruction.json_form:
        pieces = [(found.start(), found.end()) for found in _JSON_STRING.finditer(text, at)]
    elif keyword in _NAME_VALUE:
        yield from _pairs(text, at, stop, escape, token, read)
        return
    elif keyword == "ARG":
        pieces = [(found.start(), found.end()) for found in words.pattern(escape).finditer(text, at)]
    elif keyword in ("FROM", "EXPOSE", "COPY", "ADD", "VOLUME"):
        pieces = []
        while at < stop:
            end = min(_blank(text, at), stop)
            pieces.append((at, end))
            found = words.BLANKS.match(text, end)
            at = found.end() if found else stop
    else:
        pieces = [(at, stop if read[0] else at)] if read else []
    for (start, end), word in zip(pieces, read, strict=False):
        yield token(start, end, word)


def _pairs(text: str, at: int, stop: int, escape: str, token: _Maker, read: list[str]) -> Iterator[Token]:
    """Key, value, delimiter in turns; the delimiter of the old form, a blank, is an empty span before its value."""
    if read[2:3] == [""]:
        end = _blank(text, at)
        start = _skip(text, end)
        yield token(at, end, read[0])
        yield token(start, stop, read[1])
        yield token(start, start, "")
        return
    turns = iter(read)
    for found in words.pattern(escape).finditer(text, at):
        start, end = found.span()
        equals = text.find("=", start, end)
        yield token(start, equals, next(turns))
        yield token(equals + 1, end, next(turns))
        yield token(equals, equals + 1, next(turns))
