"""/etc/apt in, the package sources that apt reads out, in deb822's words. Speaks to: nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)$")


def entries(apt: Path = Path("/etc/apt")) -> Iterator[dict[str, str]]:
    """Every enabled `deb` source in apt's order, both file forms: lower-case field → value.

    `uris`, `suites` and `components` are always there; options such as `signed-by` where the machine gives them.
    """
    for file in (apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))):
        if file.suffix in (".sources", ".list") and file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            yield from stanzas(text) if file.suffix == ".sources" else _lines(text)


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The enabled `deb` entries of a deb822 file."""
    without_comments = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for block in re.split(r"\n\s*\n", without_comments):
        fields: dict[str, str] = {}
        key = ""
        for line in block.splitlines():
            if line[:1] in (" ", "\t") and key:
                fields[key] += "\n" + line
            elif ":" in line:
                key, _, value = line.partition(":")
                key = key.strip().lower()
                fields[key] = value.strip()
        disabled = fields.get("enabled", "yes").lower() in ("no", "false", "0", "off", "without", "disable")
        if "deb" in fields.get("types", "").split() and not disabled:
            yield {"uris": "", "suites": "", "components": "", **fields}


def _lines(text: str) -> Iterator[dict[str, str]]:
    """The `deb` entries of a one-line file; the others (deb-src, comments) are nothing to us."""
    for line in text.splitlines():
        match = _ONE_LINE.match(line.partition("#")[0].strip())
        if match:
            options = dict(part.split("=", 1) for part in (match["options"] or "").split() if "=" in part)
            yield {
                **{key.lower(): value for key, value in options.items()},
                "uris": match["uri"],
                "suites": match["suite"],
                "components": match["components"],
            }
