"""A build context's folder in, what a COPY or ADD source means there out. Speaks to: the files below that folder.

Nothing outside of the folder is looked at: `..` stops at its top as in the builder, links are entries like any other
and are not followed. A tree that is too large to look through is said to be so, never taken for empty.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import NamedTuple

from pipeline.context import globs, ignore
from pipeline.errors import BadFile
from pipeline.model import Context, Dockerfile

MOST = 10_000  # entries that a walk looks at
_LISTED = 1_000  # paths that one answer holds
_LARGEST = 1_000_000  # bytes of a file that is read


class Entry(NamedTuple):
    """A path in the folder, relative to it, and whether .dockerignore keeps it out."""

    path: str
    excluded: bool


class BuildContext:
    """The folder of a build and its .dockerignore. Questions are in the words of COPY: globs, relative to the folder.

    An answer is None where it cannot be told: the way leads over a link, or the tree is too large.
    """

    def __init__(self, folder: Path, ignored: ignore.Ignore | None) -> None:
        self.folder, self.ignored = folder, ignored
        self._answers: dict[str, tuple[Entry, ...] | None] = {}

    def exists(self, source: str) -> bool | None:
        """Is there anything on the disk that the source names, ignored or not?"""
        found = self._found(source)
        return None if found is None else bool(found)

    def sources(self, source: str) -> tuple[str, ...] | None:
        """The files and folders that the source copies; of a folder, its own path only."""
        found = self._found(source)
        return None if found is None else tuple(one.path for one in found if not one.excluded)

    def excluded(self, source: str) -> tuple[str, ...] | None:
        """What the source names on the disk, and .dockerignore keeps out together with all that it holds."""
        found = self._found(source)
        return None if found is None else tuple(one.path for one in found if one.excluded)

    def files(self, source: str) -> tuple[str, ...] | None:
        """Every file that the source copies, also those in its folders."""
        found = self.sources(source)
        if found is None:
            return None
        walked = [self._below(path) if self._mode(path) is _FOLDER else [Entry(path, False)] for path in found]
        if any(below is None for below in walked):
            return None
        kept = (one.path for below in walked for one in below or () if not one.excluded)
        return tuple(path for path in kept if self._mode(path) is not _FOLDER)

    def text(self, path: str) -> str | None:
        """The text of a file that is in the context; None for what is no UTF-8 file of up to 1 MB, or is kept out."""
        path = _relative(path)
        if self._mode(path) is not _FILE or self._out(path):
            return None
        try:
            with (self.folder / path).open("rb") as opened:
                content = opened.read(_LARGEST + 1)
            return None if len(content) > _LARGEST else content.decode("utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def _found(self, source: str) -> tuple[Entry, ...] | None:
        source = _relative(source)
        if source not in self._answers:
            wild = any(char in source for char in "*?[\\")
            self._answers[source] = self._matching(source) if wild else self._named(source)
        return self._answers[source]

    def _named(self, path: str) -> tuple[Entry, ...] | None:
        mode = self._mode(path)
        if mode is _UNKNOWN:
            return None
        if mode is _NOTHING:
            return ()
        if mode is not _FOLDER or path == ".":
            return (Entry(path, self._out(path)),)
        return None if (out := self._folder_out(path)) is None else (Entry(path, out),)

    def _matching(self, pattern: str) -> tuple[Entry, ...] | None:
        """What a glob names. As in the builder, what a matched folder holds is not matched once more."""
        try:
            matches = globs.matcher(pattern)
        except globs.BadPattern:
            return None
        parts = pattern.split("/")
        plain = next((n for n, part in enumerate(parts) if set(part) & set("*?[\\")), len(parts))
        top = "/".join(parts[:plain]) or "."
        mode = self._mode(top)
        if mode is not _FOLDER:
            return None if mode is _UNKNOWN else ()
        entries = self._below(top, depth=len(parts) - plain)
        if entries is None:
            return None
        found: list[Entry] = []
        for path, excluded in entries:
            if not matches(path) or any(path.startswith(f"{one.path}/") for one in found[-1:]):
                continue
            out: bool | None = excluded
            if excluded and self._mode(path) is _FOLDER:
                out = self._folder_out(path)
            if out is None or len(found) == _LISTED:
                return None
            found.append(Entry(path, out))
        return tuple(found)

    def _folder_out(self, folder: str) -> bool | None:
        """A folder is out when nothing that it holds comes back in by an exception."""
        if not self._out(folder):
            return False
        if self.ignored is None or self.ignored.prunes(folder):
            return True
        below = self._below(folder)
        return None if below is None else all(one.excluded for one in below)

    def _below(self, top: str, depth: int = 64) -> list[Entry] | None:
        """Every entry below a folder, in order; None when not all of them can be seen.

        A folder that is wholly out stands there, what it holds does not.
        """
        found: list[Entry] = []
        try:
            for path in self._walked(top, depth):
                if len(found) == MOST:
                    return None
                found.append(Entry(path, self._out(path)))
        except (OSError, ValueError):
            return None
        return found

    def _walked(self, top: str, depth: int) -> Iterator[str]:
        with os.scandir(self.folder / top) as listing:
            entries = sorted((one.name, one.is_dir(follow_symlinks=False)) for one in _first(listing))
        for name, is_folder in entries:
            path = name if top == "." else f"{top}/{name}"
            yield path
            if is_folder and depth > 1 and not (self.ignored and self.ignored.prunes(path)):
                yield from self._walked(path, depth - 1)

    def _out(self, path: str) -> bool:
        return self.ignored is not None and self.ignored.excludes(path)

    def _mode(self, path: str) -> str:
        """What stands at a path. Behind a link it cannot be told: the link may lead out of the folder."""
        here = self.folder
        parts = [] if path == "." else path.split("/")
        for number, part in enumerate(parts):
            here = here / part
            try:
                mode = here.lstat().st_mode
            except (FileNotFoundError, NotADirectoryError):
                return _NOTHING
            except (OSError, ValueError):
                return _UNKNOWN
            if S_ISLNK(mode):
                return _LINK if number == len(parts) - 1 else _UNKNOWN
            if not S_ISDIR(mode):
                kind = _FILE if S_ISREG(mode) else _UNKNOWN
                return kind if number == len(parts) - 1 else _NOTHING
        return _FOLDER


_FILE, _FOLDER, _LINK, _NOTHING, _UNKNOWN = "file", "folder", "link", "nothing", "unknown"


def _first(listing: Iterator[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
    for number, one in enumerate(listing):
        if number > MOST:
            return
        yield one


def _relative(path: str) -> str:
    """A path as the builder takes it: from the context's top, and never above it."""
    return posixpath.normpath("/" + path).lstrip("/") or "."


def of(dockerfile: Dockerfile, context: Context) -> BuildContext | None:
    """Return the build context of a Dockerfile; None when it has no folder or its .dockerignore cannot be read.

    It is made once per Dockerfile. That a .dockerignore is bad is told by `problem`, not by every rule that asks.
    """
    if context.folder is None or not os.path.isdir(context.folder):  # noqa: PTH112  # Path.is_dir may raise
        return None
    key = ("build context", str(context.folder))
    if key not in dockerfile.memo:
        try:
            ignored = ignore.read(context.folder, Path(dockerfile.path))
            dockerfile.memo[key] = BuildContext(context.folder, ignored)
        except BadFile as error:
            dockerfile.memo[key] = error
    kept = dockerfile.memo[key]
    return kept if isinstance(kept, BuildContext) else None


def problem(dockerfile: Dockerfile, context: Context) -> BadFile | None:
    """What was wrong with the .dockerignore when a rule asked for the context: the builder stops at it."""
    kept = dockerfile.memo.get(("build context", str(context.folder)))
    return kept if isinstance(kept, BadFile) else None
