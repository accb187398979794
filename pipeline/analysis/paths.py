"""Paths inside an image in, their plain absolute form and which lies in which out. Speaks to: nothing."""

from __future__ import annotations

import posixpath

_LONGEST = 4096  # characters; Linux's own limit


def absolute(path: str, folder: str = "/") -> str:
    """The path in its shortest form; POSIX would keep two leading slashes."""
    return "/" + posixpath.normpath(posixpath.join(folder, path)).lstrip("/")


def inside(folder: str | None, path: str | None) -> str | None:
    """The absolute form of a path as seen from a folder; None where one of the two is not known, or too long."""
    if path is None or (folder is None and not path.startswith("/")):
        return None
    return absolute(path, folder or "/") if len(path) + len(folder or "") <= _LONGEST else None


def lies_below(path: str, folder: str) -> bool:
    """Is a path the folder, or in it? Both are absolute."""
    return folder == "/" or path == folder or path.startswith(folder.rstrip("/") + "/")
