"""Numbers and foreign text in, words out. Speaks to: nothing.

Sizes are decimal (1 MB = 1,000,000 bytes), as registries and the engine count them.
"""

from __future__ import annotations

import math
import re

UNMEASURED = "\N{EN DASH}"
UTC = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|\+00:00)")


def size(count: int | None) -> str:
    """Bytes as three significant figures: `1.23 GB`; a dash for what was not measured."""
    if count is None:
        return UNMEASURED
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 999.5:
            digits = 0 if unit == "B" or abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
            return f"{value:.{digits}f} {unit}"
        value /= 1000
    return f"{value:,.2f} TB"


def duration(seconds: float | None) -> str:
    """Seconds as `21 ms`, `41.2 s` or `3 min 12 s`; a dash for what was not measured."""
    if seconds is None or not math.isfinite(seconds):
        return UNMEASURED
    if 0 < seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.001 else "< 1 ms"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:,} min {rest:02} s"


def count(number: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    plural = noun if number == 1 else noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number:,} {plural}"


def moment(text: str) -> str:
    """An RFC 3339 moment in UTC as people write it; anything else stays as it is."""
    match = UTC.fullmatch(text)
    return f"{match[1]} {match[2]} UTC" if match else text


def short(digest: str) -> str:
    """A digest by its first twelve characters, for places that are not evidence."""
    algorithm, colon, value = digest.partition(":")
    return f"{algorithm}:{value[:12]}…" if colon and len(value) > 12 else digest


def clip(text: str, longest: int) -> str:
    """Text on one line of at most `longest` characters; a cut shows."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def visible(text: str) -> str:
    r"""Text in which nothing acts: escape sequences, direction marks and half characters are spelled (`\x1b`).

    Newlines and tabs stay. Everything that a report shows went through here once.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode()
        for char in text.replace("\r\n", "\n")
    )
