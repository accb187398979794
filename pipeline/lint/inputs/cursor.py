"""A text and a place in it that moves on: what an HCL reader looks at next. Speaks to: nothing."""

from __future__ import annotations

import re
from bisect import bisect_left

from pipeline.errors import BadFile

_DEEPEST = 40
_BLANK = r"(?:[ \t\r]|/\*[\s\S]*?\*/|(?:#|//)[^\n]*)*"
_WIDE_BLANK = r"(?:\s|/\*[\s\S]*?\*/|(?:#|//)[^\n]*)*"


class Cursor:
    """A place in the text. Deeper than a person would nest is refused, before Python refuses it."""

    def __init__(self, text: str, file: str, first_line: int = 1) -> None:
        self.text, self.file, self.at, self.first_line = text, file, 0, first_line
        self.line_ends = [found.start() for found in re.finditer(r"\n", text)]
        self.heredoc_line: int | None = None

    def string_key(self) -> str | None:
        """A quoted label, which holds no variables."""
        found = self.match(r'"[^"\\\n$]*"')
        return found[1:-1] if found is not None else None

    def blank(self, wide: bool = False) -> None:
        """Skip spaces and comments; `wide`: ends of lines too."""
        found = re.compile(_WIDE_BLANK if wide else _BLANK).match(self.text, self.at)
        self.at = found.end() if found else self.at

    def take(self, sign: str) -> bool:
        """Step over the sign, if it stands here."""
        if not self.text.startswith(sign, self.at):
            return False
        self.at += len(sign)
        return True

    def operator(self, sign: str) -> bool:
        """The sign, when it is not the beginning of a longer one."""
        if sign in ("=", "!", "<", ">", "/") and self.text[self.at + 1 : self.at + 2] in ("=", ">", "/", "*", "<"):
            return False
        return self.take(sign)

    def match(self, pattern: str) -> str | None:
        """Step over what the pattern matches here, and return it."""
        found = re.compile(pattern).match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found[0]

    def want(self, sign: str) -> None:
        """Step over the sign. Raises BadFile when something else stands here."""
        if not self.take(sign):
            raise self.bad(f"here should stand `{sign}`")

    def line(self) -> int:
        """The line of this place."""
        return self.first_line + bisect_left(self.line_ends, self.at)

    def deeper(self, depth: int) -> None:
        """Raise BadFile for a depth that nobody writes."""
        if depth > _DEEPEST:
            raise self.bad("nested too deeply")

    def bad(self, what: str) -> BadFile:
        """The error for this place."""
        near = self.text[self.at : self.at + 30].partition("\n")[0]
        return BadFile(f"not HCL: {what}, near `{near}`" if near else f"not HCL: {what}", file=self.file,
                       line=self.line(), hint="check quotes, brackets and commas near there")  # fmt: skip
