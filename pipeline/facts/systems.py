"""An operating system as image tags write it in, its C library out. Speaks to: nothing.

The versions are those that each distribution's package index lists for glibc in that release.
"""

from __future__ import annotations

import re

_GLIBC = {
    "ubuntu16.04": (2, 23), "ubuntu18.04": (2, 27), "ubuntu20.04": (2, 31), "ubuntu22.04": (2, 35),
    "ubuntu24.04": (2, 39), "ubuntu25.04": (2, 41), "ubuntu25.10": (2, 42),
    "debian9": (2, 24), "debian10": (2, 28), "debian11": (2, 31), "debian12": (2, 36), "debian13": (2, 41),
    "el7": (2, 17), "el8": (2, 28), "el9": (2, 34), "el10": (2, 39), "amzn2": (2, 26), "amzn2023": (2, 34),
    "opensuse15": (2, 38),
}  # fmt: skip
CODENAMES = {
    "xenial": "ubuntu16.04", "bionic": "ubuntu18.04", "focal": "ubuntu20.04", "jammy": "ubuntu22.04",
    "noble": "ubuntu24.04", "stretch": "debian9", "buster": "debian10", "bullseye": "debian11",
    "bookworm": "debian12", "trixie": "debian13",
}  # fmt: skip
_ENTERPRISE = ("centos", "rockylinux", "rocky", "oraclelinux", "almalinux", "ubi", "el")
_FAMILIES = (*_ENTERPRISE, "ubuntu", "debian", "amazonlinux", "amzn", "opensuse", "alpine")


def os_glibc(os: str | None) -> tuple[int, int] | None:
    """Return glibc's version on a system: `ubuntu22.04`, `ubuntu:22.04`, `jammy`, `bookworm`, `ubi8`, `rockylinux9`.

    None for one without glibc (alpine) and for one that is not known.
    """
    return _GLIBC.get(_known_name(os or ""))


def os_musl(os: str | None) -> bool:
    """Return whether a system's C library is musl, for which no wheel with CUDA is made."""
    return (os or "").lower().startswith("alpine")


def _known_name(os: str) -> str:
    name = os.lower().rpartition("/")[2].removesuffix("-slim")
    if name in CODENAMES:
        return CODENAMES[name]
    found = re.fullmatch(rf"({'|'.join(_FAMILIES)})[-:]?(.*)", name)
    if not found:
        return name
    family, version = found[1], found[2].removesuffix("-slim")
    if version in CODENAMES:
        return CODENAMES[version]
    if family in _ENTERPRISE:
        return f"el{version.partition('.')[0]}"
    if family in ("debian", "opensuse"):
        return f"{family}{version.partition('.')[0]}"
    return f"{'amzn' if family == 'amazonlinux' else family}{version}"
