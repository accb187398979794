"""Lines of a text and columns in characters in, columns as editors count them out. Speaks to: nothing.

Our columns count characters from 1. SARIF and the language server protocol count UTF-16 code units, and neither sees
a byte order mark.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property

from pipeline.model import Span

MARK = "\ufeff"


class Columns:
    """The lines of one text. Lines and columns count from 1; a column after the last character is the line's end."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def lines(self) -> list[str]:
        """The lines, without their newlines."""
        return self.text.split("\n")

    @cached_property
    def _raw(self) -> bytes:
        return self.text.encode("utf-8", "surrogatepass")

    @cached_property
    def _starts(self) -> list[int]:
        starts, at = [0], -1
        while (at := self._raw.find(b"\n", at + 1)) >= 0:
            starts.append(at + 1)
        return starts

    def units(self, line: int, column: int) -> int:
        """The column in UTF-16 code units of a column in characters."""
        before = self._line(line)[: max(column - 1, 0)]
        if line == 1:
            before = before.removeprefix(MARK)
        return len(before) + 1 + (0 if before.isascii() else sum(1 for char in before if char > "\uffff"))

    def end(self, line: int) -> int:
        """The column in UTF-16 code units after the last character of a line that shows."""
        return self.units(line, len(self._line(line).rstrip("\r \t")) + 1)

    def start(self, line: int) -> int:
        """The column in UTF-16 code units of the first character of a line that shows."""
        text = self._line(line)
        return self.units(line, len(text) - len(text.lstrip(" \t" + MARK)) + 1)

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column in UTF-16 code units of an offset in bytes."""
        line = bisect_right(self._starts, offset)
        before = self._raw[self._starts[line - 1] : offset].decode("utf-8", "ignore")
        return line, self.units(line, len(before) + 1)

    def region(self, span: Span) -> tuple[int, int, int, int]:
        """Line, column, end line, end column of a span of bytes."""
        return (*self.place(span.start), *self.place(span.end))

    def _line(self, line: int) -> str:
        return self.lines[line - 1] if 0 < line <= len(self.lines) else ""
