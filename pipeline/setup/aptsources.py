"""The machine's apt sources in, a pinned source for newer packages out. Speaks to: files below /etc/apt.

Debian 12 and 13 lack some programs or have them too old, and Debian's testing suite has builds that run on both. The
address of the archive is the machine's own business (a mirror, a proxy, a snapshot): it is read from the sources that
the machine already uses, never written here. The pin keeps everything else of that suite away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SUITE = "forky"
PINNED = ("docker.io", "docker-cli", "docker-buildx", "docker-compose", "containerd", "cosign", "crane", "oras")

_KEPT = (
    "signed-by",
    "trusted",
    "check-valid-until",
)  # how the machine trusts this archive; anything else is the suite's
_ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Where a suite comes from: addresses as the machine writes them, and the options that say how to trust it."""

    uris: tuple[str, ...]
    options: Mapping[str, str]  # lower-case field name → value; Signed-By may be a whole key, with its line breaks


def archive(codename: str, apt: Path = Path("/etc/apt")) -> Archive | None:
    """Return where this machine gets `codename`'s main component from, or None when its sources do not say."""
    for file in (apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))):
        if file.suffix not in (".sources", ".list") or not file.is_file():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        entries = _stanzas(text) if file.suffix == ".sources" else _lines(text)
        for fields in entries:
            uris = tuple(uri for uri in fields["uris"].split() if not uri.startswith("cdrom:"))
            if uris and codename in fields["suites"].split() and "main" in fields["components"].split():
                return Archive(uris=uris, options={key: fields[key] for key in _KEPT if key in fields})
    return None


def source(found: Archive) -> str:
    """The deb822 source that adds the newer suite from the same archive."""
    options = "".join(f"{key.title()}: {value}\n" for key, value in found.options.items())
    return f"Types: deb\nURIs: {' '.join(found.uris)}\nSuites: {SUITE}\nComponents: main\n{options}"


def preferences() -> str:
    """The pin: these packages from the newer suite, and nothing else of it unless somebody asks by hand."""
    return (
        f"Package: *\nPin: release n={SUITE}\nPin-Priority: 50\n\n"
        f"Package: {' '.join(PINNED)}\nPin: release n={SUITE}\nPin-Priority: 900\n"
    )


def _stanzas(text: str) -> Iterator[dict[str, str]]:
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
