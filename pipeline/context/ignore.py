""".dockerignore in, which paths of a build context stay out. Speaks to: nothing.

read ── parse ── Ignore.excludes(path)          what one pattern matches is `ignore_patterns`'
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.context import globs
from pipeline.context import patterns as ignore_patterns
from pipeline.errors import BadFile

NAME = ".dockerignore"
MOST = 2000  # patterns
_KEPT = 50_000  # folders whose answer is remembered
_SPACE = " \t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))  # Go's


class Pattern(NamedTuple):
    """One line of the file. `text` is cleaned and without its `!`."""

    text: str
    exception: bool  # it was written with a `!`: what it matches comes back in
    line: int
    matches: Callable[[str], bool]


class Ignore:
    """The patterns of one .dockerignore. Paths are relative to the context, with slashes."""

    def __init__(self, patterns: tuple[Pattern, ...], file: str) -> None:
        self.patterns, self.file = patterns, file
        self._folders: dict[str, tuple[bool, ...]] = {}
        heads = [one.text.removesuffix("/**").removesuffix("/*") for one in patterns if one.exception]
        self._exceptions = None if any(set(head) & set("*[]?^\\") for head in heads) else tuple(heads)

    def excludes(self, path: str) -> bool:
        """Does the builder leave this path out of the context? A folder that is out can hold files that are in."""
        path = _clean(path).lstrip("/")
        return False if path == "." else self._judged(path)[0]

    def prunes(self, folder: str) -> bool:
        """Is the folder out together with all that it holds? Then nobody need look into it."""
        if self._exceptions is None or not self.excludes(folder):  # an exception with wildcards may match anywhere
            return False
        below = _clean(folder).lstrip("/") + "/"
        return not any(f"{head}/".startswith(below) for head in self._exceptions)

    def _judged(self, path: str) -> tuple[bool, tuple[bool, ...]]:
        """The verdict on a path, and which patterns matched it or a folder above it."""
        above: tuple[bool, ...] = ()
        slash = path.find("/")
        while slash >= 0:
            folder = path[:slash]
            if folder not in self._folders:
                if len(self._folders) > _KEPT:
                    self._folders.clear()
                self._folders[folder] = self._asked(folder, above)[1]
            above = self._folders[folder]
            slash = path.find("/", slash + 1)
        return self._asked(path, above)

    def _asked(self, path: str, above: tuple[bool, ...]) -> tuple[bool, tuple[bool, ...]]:
        """Ask each pattern that could change the verdict; the last one that matches wins.

        As in the builder, a pattern that was not asked of a folder does not count as a match for what it holds.
        """
        out, found = False, []
        for number, pattern in enumerate(self.patterns):
            match = bool(above) and above[number]
            if not match and pattern.exception == out:
                match = pattern.matches(path)
            found.append(match)
            if match:
                out = not pattern.exception
        return out, tuple(found)


def read(context: Path, dockerfile: Path | None = None) -> Ignore | None:
    """Return the patterns that hold for a Dockerfile in a context; None when there is no such file.

    `NAME.dockerignore` beside the Dockerfile NAME counts instead of the context's own .dockerignore. Raises BadFile.
    """
    from pipeline.parse import text_of

    own = None if dockerfile is None else dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    for file in (own, context / NAME):
        if file is not None and os.path.isfile(file):  # noqa: PTH113  # Path.is_file may raise
            return parse(text_of(file), file=str(file))
    return None


def parse(text: str, *, file: str = NAME) -> Ignore:
    """Return the patterns in a text. Raises BadFile with the line of one that the builder refuses."""
    found: list[Pattern] = []
    for line, written in _lines(text):
        if len(found) == MOST:
            raise BadFile(f"more than {MOST} patterns", file=file, line=line, hint="leave out a whole folder instead")
        try:
            found.append(_pattern(written, line))
        except globs.BadPattern as error:
            raise BadFile(f"the builder refuses the pattern `{written[:100]}`: {error}", file=file, line=line,
                          hint="close every [ with a ], and put something behind ! and \\") from None  # fmt: skip
    return Ignore(tuple(found), file)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that hold a pattern. A comment starts in the first column, nowhere else."""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        if not line.startswith("#") and (written := line.strip(_SPACE)):
            yield number, written


def _pattern(written: str, line: int) -> Pattern:
    exception = written.startswith("!")
    text = written[1:].strip(_SPACE) if exception else written
    if text:
        text = _clean(text)
        text = text[1:] if len(text) > 1 and text.startswith("/") else text
    if exception:
        text = _clean("!" + text)[1:]  # `!/` comes to `!` alone
    if not text:
        raise globs.BadPattern("there is nothing behind the !")
    return Pattern(text, exception, line, ignore_patterns.matcher(text))


def _clean(path: str) -> str:
    """Go's filepath.Clean: like normpath, which alone keeps two slashes at the start."""
    clean = posixpath.normpath(path)
    return clean[1:] if clean.startswith("//") else clean
