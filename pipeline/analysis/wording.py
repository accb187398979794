"""Names and versions in, the words that a message says them with out. Speaks to: nothing."""

from __future__ import annotations

from collections.abc import Sequence


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first names, and how many more there are: `a, b, c and 2 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def dotted(version: tuple[int, int]) -> str:
    """A version of two numbers: 3.12."""
    return f"{version[0]}.{version[1]}"
