"""Files that users write in, what was made of them the last time out. Speaks to: the cache folder.

Reading and checking policy.yaml and image.yaml with pydantic takes longer than judging a Dockerfile. So what lint
needs of them is kept as JSON, together with what tells the files and our own code that read them apart from later
ones: path, inode, size and times. What is kept is only ever what `make` returned after it had accepted the files.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline import settings

_READERS = ("policy.py", "recipe.py", "lint/ruleset.py", "lint/beside.py", "yamlfile.py")


def remembered(kind: str, files: Sequence[Path], make: Callable[[], Any]) -> Any:
    """Return what `make()` returns, plain JSON types, without calling it when the same files were read before.

    A file that is not there counts too: should it come, all is new. Raises what `make` raises; then nothing is kept.
    """
    here = __file__.removesuffix("lint/remembered.py")
    places = [os.path.abspath(file) for file in files]  # noqa: PTH100
    wanted = [_seen(one) for one in places] + [_seen(f"{here}{name}") for name in _READERS]
    place = _place(kind, places)
    if place is not None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError), place.open(encoding="utf-8") as opened:
            kept = json.load(opened)
            if kept["of"] == wanted:
                return kept["made"]
    text = json.dumps({"of": wanted, "made": make()}, default=str)
    if place is not None:
        with contextlib.suppress(OSError):
            place.parent.mkdir(exist_ok=True, mode=0o700)
            fresh = place.with_name(f"{place.name}.{os.getpid()}")
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(place)
    return json.loads(text)["made"]


def _seen(path: str) -> list[Any]:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return [path]
    return [path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _place(kind: str, files: Sequence[str]) -> Path | None:
    """Where the answer is kept; None where there is no cache to keep it in. Two that meet replace each other."""
    try:
        return settings.cache() / "read" / f"{kind}-{zlib.crc32(repr(files).encode()):08x}.json"
    except OSError:
        return None
