"""Folders in, the files below them that name something to build out. Speaks to: the file system.

Links to folders are not followed, they can loop; links to files count only when they stay below the folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.model import Unread

SKIPPED_FOLDERS = {".git", ".venv", "node_modules", "__pycache__", ".made"}
COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
BAKE = ("docker-bake.json", "docker-bake.hcl", "docker-bake.override.json", "docker-bake.override.hcl")
# What stands beside Dockerfiles under their name: ignore files, notes, programs, and templates that are none yet.
_NO_DOCKERFILE = (
    ".dockerignore", ".md", ".rst", ".txt", ".html", ".xml", ".json", ".yml", ".yaml", ".toml", ".lock",
    ".py", ".go", ".sh", ".rb", ".js", ".ts", ".lua", ".rs", ".java", ".c", ".h", ".cc",
    ".j2", ".jinja", ".jinja2", ".tmpl", ".tpl", ".template", ".erb", ".in", ".mustache", ".ejs",
    ".patch", ".diff", ".orig", ".rej", ".bak", ".swp", ".gz",
)  # fmt: skip


class Folder(NamedTuple):
    """One folder that holds something. `bake` files are read as one, in their order; of compose files one counts."""

    dockerfiles: tuple[Path, ...]
    compose: tuple[Path, ...]
    bake: tuple[Path, ...]


def is_dockerfile(name: str) -> bool:
    """Is a file of this name taken for a Dockerfile?"""
    lower = name.lower()
    if lower.endswith(_NO_DOCKERFILE):
        return False
    for kind in ("dockerfile", "containerfile"):
        before, found, after = lower.partition(kind)
        if found and (not before or not after) and before[-1:] in ("", *".-_") and after[:1] in ("", *".-_"):
            return True
    return False


def folders(top: Path) -> Iterator[Folder | Unread]:
    """Every folder from `top` down that holds something, in order; an Unread for one that cannot be listed."""
    closed: list[OSError] = []
    root = top.resolve()
    for here, inner, names in os.walk(top, onerror=closed.append):
        inner[:] = sorted(name for name in inner if name not in SKIPPED_FOLDERS)
        folder = Path(here)
        found = [folder / name for name in sorted(names) if is_dockerfile(name)]
        compose = [folder / name for name in COMPOSE if name in names]
        bake = [folder / name for name in BAKE if name in names]
        if found or compose or bake:
            for link in [one for one in (*found, *compose, *bake) if one.is_symlink() and not _inside(one, root)]:
                yield Unread(file=str(link), line=None, message="a link that leads out of the folder, or nowhere",
                             hint="name the file that it leads to")  # fmt: skip
                for kind in (found, compose, bake):
                    kind[:] = [one for one in kind if one != link]
            yield Folder(tuple(found), tuple(compose[:1]), tuple(bake))
        while closed:
            yield _closed(closed.pop(0))
    while closed:
        yield _closed(closed.pop(0))


def _inside(link: Path, root: Path) -> bool:
    try:
        return link.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):
        return False


def _closed(error: OSError) -> Unread:
    return Unread(file=str(error.filename), line=None, message=f"cannot be listed: {error.strerror}",
                  hint="check its permissions")  # fmt: skip
