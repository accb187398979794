"""Where a shell script stands in a Dockerfile in, the file's bytes and lines of each of its bytes out.

Speaks to: nothing. A RUN's script is its logical line (continuations joined, comments gone) or a here-document.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pipeline.model import Dockerfile, Heredoc, Instruction, Span, once_per_file
from pipeline.parse import spans
from pipeline.parse.lines import SPACE

Pieces = list[tuple[int, int]]


class Source(NamedTuple):
    """A script and its place. Piece (a, b): the script's bytes from a on, up to the next piece, stand at b.

    Without pieces the file does not hold it as it stands: a JSON string, a quoted script with escapes.
    """

    text: bytes
    starts: Sequence[int]  # where each line of the file begins, in bytes; without pieces, each line of the script
    pieces: Pieces
    line: int = 1  # without pieces: the number of the first line

    def place(self, offset: int) -> int:
        """Where a byte of the script stands in the file."""
        pieces = self.pieces
        found = pieces[0] if len(pieces) == 1 else pieces[bisect_right(pieces, (offset, 1 << 62)) - 1]
        return found[1] + offset - found[0]

    def span(self, start: int, end: int) -> Span | None:
        """The Span of `text[start:end]`, continuations inside it included."""
        if not self.pieces:
            return None
        first = self.place(start)
        return Span(first, first if end <= start else self.place(end - 1) + 1)

    def line_at(self, offset: int) -> int:
        """The number of the line that holds a byte of the script."""
        if self.pieces:
            return bisect_right(self.starts, self.place(offset))
        return self.line + max(0, bisect_right(self.starts, offset) - 1)

    def part(self, start: int, end: int) -> Source:
        """The script in `text[start:end]`, a here-document or a quoted string that is read once more."""
        if not self.pieces:
            starts = [at - start for at in self.starts[bisect_right(self.starts, start) :] if at < end]
            return Source(self.text[start:end], [0, *starts] if self.starts else (), [], self.line_at(start))
        within = self.pieces[bisect_left(self.pieces, (start + 1, 0)) : bisect_left(self.pieces, (end, 0))]
        pieces = [(0, self.place(start)), *((at - start, place) for at, place in within)]
        return Source(self.text[start:end], self.starts, pieces)


def encoded(text: str) -> bytes:
    """The text's bytes; a NUL byte would end what the grammar reads, so it becomes a character like others."""
    return text.encode("utf-8", "surrogatepass").replace(b"\0", b"_")


def loose(script: str, line: int, *, lines: bool = False) -> Source:
    """A script that stands nowhere as it is. With `lines` its lines count from `line`, else all of it is there."""
    text = encoded(script)
    starts = [0, *(at + 1 for at in _newlines(text))] if lines else []
    return Source(text, starts, [], line)


def header(dockerfile: Dockerfile, instruction: Instruction) -> Source:
    """The instruction's own line, from the shell's first word on, with its here-documents behind it."""
    logical = spans.logical(dockerfile, instruction)
    word = instruction.words[-1]
    stripped = logical.text.rstrip(SPACE)
    begin = len(stripped) - len(word)
    starts = line_starts(dockerfile)
    text = encoded(stripped[begin:])
    if dockerfile.text.isascii():
        cut = max(0, bisect_right(logical.pieces, (begin, 1 << 62)) - 1)
        pieces = [(0, logical.place(begin))]
        pieces += [(at - begin, place) for at, place in logical.pieces[cut + 1 :] if at < len(stripped)]
    else:
        pieces = _pieces_in_bytes(dockerfile, logical, begin, len(stripped))
    if not instruction.heredocs:
        return Source(text, starts, pieces)
    parts, length, number = [text], len(text), logical.last_line
    for heredoc in instruction.heredocs:
        body, inner, number = _body(dockerfile, heredoc, number, chomp=False)
        pieces += [(length + 1 + at, place) for at, place in inner]
        end = encoded(heredoc.name)
        parts.append(b"\n" + body + end)
        pieces.append((length + 1 + len(body), starts[number - 1]))
        length += 1 + len(body) + len(end)
    return Source(b"".join(parts), starts, pieces)


def script(dockerfile: Dockerfile, instruction: Instruction) -> Source:
    """The instruction's first here-document, as a script of its own."""
    heredoc = instruction.heredocs[0]
    number = spans.logical(dockerfile, instruction).last_line
    text, pieces, _ = _body(dockerfile, heredoc, number, chomp=heredoc.chomp)
    return Source(text, line_starts(dockerfile), pieces)


@once_per_file
def line_starts(dockerfile: Dockerfile) -> tuple[int, ...]:
    """Where each line of the file begins, in bytes."""
    if dockerfile.text.isascii():
        return spans.line_starts(dockerfile)
    raw = dockerfile.text.encode("utf-8", "surrogatepass")
    return (0, *(at + 1 for at in _newlines(raw)))


def _newlines(raw: bytes) -> Iterable[int]:
    at = -1
    while (at := raw.find(b"\n", at + 1)) >= 0:
        yield at


def _pieces_in_bytes(dockerfile: Dockerfile, logical: spans.Logical, begin: int, stop: int) -> Pieces:
    """The same pieces, both offsets in bytes. Each piece lies on one line of the file."""
    characters, starts = spans.line_starts(dockerfile), line_starts(dockerfile)
    pieces, length = [], 0
    ends = [*(at for at, _ in logical.pieces[1:]), stop]
    for (at, _), end in zip(logical.pieces, ends, strict=True):
        first, last = max(at, begin), min(end, stop)
        if last <= first:
            continue
        place = logical.place(first)
        line = bisect_right(characters, place) - 1
        before = dockerfile.text[characters[line] : place]
        pieces.append((length, starts[line] + len(before.encode("utf-8", "surrogatepass"))))
        length += len(logical.text[first:last].encode("utf-8", "surrogatepass"))
    return pieces or [(0, starts[-1])]


def _body(dockerfile: Dockerfile, heredoc: Heredoc, number: int, *, chomp: bool) -> tuple[bytes, Pieces, int]:
    """A here-document's text, its pieces, and the number of the line that ends it; it follows line `number`."""
    starts = line_starts(dockerfile)
    lines = heredoc.content.count("\n")
    text = encoded(heredoc.content)
    after = number + lines + 1
    if not chomp and "\r" not in dockerfile.text:
        return text, [(0, starts[number])] if lines else [], after
    pieces, parts, length = [], [], 0
    for index, line in enumerate(text.split(b"\n")[:-1]):
        bare = line.lstrip(b"\t") if chomp else line
        pieces.append((length, starts[number + index] + len(line) - len(bare)))
        parts.append(bare + b"\n")
        length += len(bare) + 1
    return b"".join(parts), pieces, after
