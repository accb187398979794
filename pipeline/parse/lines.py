"""Text in, logical lines out: directives, comments, continuations, heredoc bodies. Speaks to: nothing.

A logical line is what BuildKit hands to an instruction: comments and empty lines between its parts are gone,
the parts are joined without a newline. Line numbers are those of the file and count from 1.
"""

from __future__ import annotations

from pipeline import lazily
from pipeline.model import Heredoc

# What Go calls white space. Python's str.strip() takes four control characters more, BuildKit does not.
SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
LONGEST_LINE = 65_535  # bytes: BuildKit reads lines through a buffer of 64 KiB

_DIRECTIVE = lazily.pattern(r"([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(.+?)[\t\n\f\r ]*\Z")
_DIRECTIVES = ("syntax", "escape", "check")


class Refused(Exception):
    """BuildKit would not take this. Who knows the file and the line turns it into a BadFile."""

    def __init__(self, what: str, *, hint: str, line: int | None = None) -> None:
        super().__init__(what)
        self.what, self.hint, self.line = what, hint, line


class Lines:
    """A cursor over a Dockerfile's logical lines. Directives are read on construction; raises Refused."""

    __slots__ = ("at", "comments", "directives", "escape", "raw")

    def __init__(self, text: str) -> None:
        self.raw = text.removeprefix("\ufeff").split("\n")
        self.comments: list[tuple[int, str]] = []
        self.directives: dict[str, str] = {}
        self.escape = "\\"
        if not self.raw[-1]:
            self.raw.pop()
        if len(text) > LONGEST_LINE // 4:
            self._refuse_long_lines()
        self.at = self._read_directives()

    def _refuse_long_lines(self) -> None:
        for number, line in enumerate(self.raw, start=1):
            if len(line) > LONGEST_LINE // 4 and len(line.encode("utf-8", "surrogatepass")) > LONGEST_LINE:
                raise Refused(
                    f"the line is longer than {LONGEST_LINE} bytes, more than BuildKit reads",
                    hint="put the data into a file and COPY it",
                    line=number,
                )

    def _read_directives(self) -> int:
        """Read `# syntax=`, `# escape=` and `# check=`; anything else, even an empty line, ends them."""
        for at, line in enumerate(self.raw):
            line = line.rstrip("\r").lstrip(SPACE)
            match = _DIRECTIVE.match(line[1:].lstrip(SPACE)) if line.startswith("#") else None
            name = match[1].lower() if match else ""
            if match is None or name not in _DIRECTIVES:
                return at
            if name in self.directives:
                raise Refused(f"a second `{name}` directive", hint="keep one of them", line=at + 1)
            self.directives[name] = match[2]
            if name == "escape":
                if match[2] not in ("\\", "`"):
                    raise Refused(f"`{match[2]}` cannot be the escape character", hint="use \\ or `", line=at + 1)
                self.escape = match[2]
        return len(self.raw)

    def next(self) -> tuple[str, int] | None:
        """Return the next logical line and the number of its first line, or None at the end.

        Afterwards `at` is the number of its last line.
        """
        raw, escape, at = self.raw, self.escape, self.at
        end = len(raw)
        while at < end:
            line = raw[at].rstrip("\r").lstrip(SPACE)
            at += 1
            if not line:
                continue
            if line[0] == "#":
                self.comments.append((at, line[1:].strip(SPACE)))
                continue
            self.at = at
            body = line.rstrip(" \t")
            # An escape before the last one makes that one a plain character.
            if body[-1:] != escape or body[-2:-1] == escape:
                return line, at
            return self._continued(body[:-1]), at
        self.at = end
        return None

    def _continued(self, first: str) -> str:
        raw, escape, at = self.raw, self.escape, self.at
        parts = [first]
        while at < len(raw):
            line = raw[at].rstrip("\r")
            at += 1
            bare = line.lstrip(SPACE)
            if not bare:
                continue
            if bare[0] == "#":
                self.comments.append((at, bare[1:].strip(SPACE)))
                continue
            body = line.rstrip(" \t")
            if body[-1:] != escape or body[-2:-1] == escape:
                parts.append(line)
                break
            parts.append(body[:-1])
        self.at = at
        return "".join(parts)

    def heredoc(self, opening: Heredoc) -> Heredoc:
        """Take the lines up to the terminator as the heredoc's content. Raises Refused where there is none."""
        raw, start = self.raw, self.at
        for at in range(start, len(raw)):
            line = raw[at].rstrip("\r")
            if opening.chomp:
                line = line.lstrip("\t")
            if line == opening.name:
                self.at = at + 1
                content = "".join(f"{line}\n" for line in raw[start:at])
                return Heredoc(
                    name=opening.name,
                    content=content,
                    expand=opening.expand,
                    chomp=opening.chomp,
                    descriptor=opening.descriptor,
                )
        raise Refused(
            f"the heredoc <<{opening.name} never ends",
            hint=f"write `{opening.name}` alone on a line, without blanks around it, after its content",
        )
