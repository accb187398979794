"""Files that users write in, what was made of them the last time out. Speaks to: the cache folder.

Reading and checking policy.yaml and image.yaml with pydantic takes longer than judging a Dockerfile. So what lint
needs of them is kept as JSON, under the hash of the files' bytes and of our own code that read them: an edit to either
makes it new. What is kept is only ever what `make` returned after it had accepted the files.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline import settings

_READERS = ("policy.py", "recipe.py", "ruleset.py", "yamlfile.py")


def remembered(kind: str, files: Sequence[Path], make: Callable[[], Any]) -> Any:
    """Return what `make()` returns, plain JSON types, without calling it when these very bytes were read before.

    A file that is not there counts as empty. Raises what `make` raises; then nothing is kept.
    """
    kept = _place(kind, files)
    if kept is not None:
        with contextlib.suppress(OSError, ValueError), kept.open(encoding="utf-8") as opened:
            return json.load(opened)
    text = json.dumps(make(), default=str)
    if kept is not None:
        with contextlib.suppress(OSError):
            kept.parent.mkdir(exist_ok=True, mode=0o700)
            fresh = kept.with_name(f"{kept.name}.{os.getpid()}")
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(kept)
    return json.loads(text)


def _place(kind: str, files: Sequence[Path]) -> Path | None:
    """Where the answer is kept; None where there is no cache to keep it in."""
    try:
        return settings.cache() / "read" / f"{kind}-{_key(files)}.json"
    except OSError:
        return None


def _key(files: Sequence[Path]) -> str:
    hasher = hashlib.sha256()
    folder = os.path.dirname(__file__)  # noqa: PTH120  # a Path costs more than all the rest of this function
    for name in _READERS:
        status = os.stat(f"{folder}/{name}")  # noqa: PTH116
        hasher.update(f"{name} {status.st_mtime_ns} {status.st_size}\n".encode())
    for file in files:
        content = file.read_bytes() if file.is_file() else b""
        hasher.update(f"{file} {len(content)}\n".encode() + content)
    return hasher.hexdigest()
