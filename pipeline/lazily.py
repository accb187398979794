"""A regular expression in, the same out, compiled when it is first used. Speaks to: nothing.

A lint of one file uses a tenth of our expressions, and compiling the others takes longer than the lint.
"""

from __future__ import annotations

import re
from typing import Any, cast


class _Later:
    """Stands for a re.Pattern; its methods replace themselves by the pattern's own on first use."""

    def __init__(self, source: str, flags: int) -> None:
        self._source, self._flags = source, flags

    def __getattr__(self, name: str) -> Any:
        compiled = re.compile(self._source, self._flags)
        self.__dict__.update(
            match=compiled.match, fullmatch=compiled.fullmatch, search=compiled.search, sub=compiled.sub,
            split=compiled.split, findall=compiled.findall, finditer=compiled.finditer, pattern=compiled.pattern,
            groups=compiled.groups,
        )  # fmt: skip
        return getattr(compiled, name)


def pattern(source: str, flags: int = 0) -> re.Pattern[str]:
    """Return the expression; an error in it shows when it is used."""
    return cast(re.Pattern[str], _Later(source, flags))
