"""A folder in, the revision and the time of its sources out. Speaks to: git.

The revision is the last commit that touched the folder, and the time is that commit's: a commit elsewhere in the
repository does not change an image, and the same sources give the same digest on any day.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline import tools
from pipeline.errors import ToolFailed, ToolMissing


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where an image's sources stand. `revision` ends in `-dirty` with uncommitted changes, None outside git."""

    revision: str | None
    url: str | None
    epoch: int  # seconds since 1970

    @property
    def created(self) -> str:
        """The time as OCI labels write it."""
        return datetime.fromtimestamp(self.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def of(folder: Path, *, run: tools.Run = tools.run) -> Sources:
    """Ask git about `folder`. SOURCE_DATE_EPOCH wins over the commit's time; without either it is 1970."""

    def git(*words: str) -> str:
        try:
            return run(["git", "-C", str(folder), *words], timeout=30, env={"GIT_OPTIONAL_LOCKS": "0"}).strip()
        except (ToolFailed, ToolMissing):
            return ""  # not a repository, no commit yet, no remote: all of them mean "not known"

    last = git("log", "-1", "--format=%H %ct", "--", ".") or git("log", "-1", "--format=%H %ct")
    revision, _, committed = last.partition(" ")
    if revision and git("status", "--porcelain", "--", "."):  # also a folder that was never committed
        revision += "-dirty"
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or committed or "0"
    return Sources(revision=revision or None, url=_public(git("remote", "get-url", "origin")), epoch=int(epoch))


def _public(url: str) -> str | None:
    """A remote's address without the credentials that some carry, and without paths of this machine."""
    if "://" in url:
        scheme, _, rest = url.partition("://")
        return None if scheme == "file" else f"{scheme}://{rest.rpartition('@')[2]}"
    return f"https://{url.partition('@')[2].replace(':', '/', 1)}" if "@" in url else None
