"""The machine's apt sources in, a pinned source for newer packages out. Speaks to: files below /etc/apt.

Debian 12 and 13 lack some programs or have them too old, and Debian's testing suite has builds that run on both. The
address of the archive is the machine's own business (a mirror, a proxy, a snapshot): it is read from the sources that
the machine already uses, never written here. The pin keeps everything else of that suite away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline import aptsources

SUITE = "forky"
PINNED = ("docker.io", "docker-cli", "docker-buildx", "docker-compose", "containerd", "cosign", "crane", "oras")

_KEPT = (
    "signed-by",
    "trusted",
    "check-valid-until",
)  # how the machine trusts this archive; anything else is the suite's


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Where a suite comes from: addresses as the machine writes them, and the options that say how to trust it."""

    uris: tuple[str, ...]
    options: Mapping[str, str]  # lower-case field name → value; Signed-By may be a whole key, with its line breaks


def archive(codename: str, apt: Path = Path("/etc/apt")) -> Archive | None:
    """Return where this machine gets `codename`'s main component from, or None when its sources do not say."""
    for fields in aptsources.entries(apt):
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
