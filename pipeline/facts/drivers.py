"""A CUDA version in, the drivers that it runs on out. Speaks to: the table of drivers."""

from __future__ import annotations

from packaging.version import InvalidVersion, Version

from pipeline.facts.tables import key, table


def minimum_driver(cuda: Version) -> Version | None:
    """Return the driver that was released with this toolkit (Linux); None when unknown. `12.4` means 12.4.0."""
    found = table("drivers")["toolkit"].get(f"{cuda.major}.{cuda.minor}.{cuda.micro}")
    return Version(found) if found else None


def oldest_driver(cuda: Version) -> Version | None:
    """Return the oldest driver on which this toolkit's major version runs at all; None when unknown."""
    found = table("drivers")["oldest_for_major"].get(str(cuda.major))
    return Version(found) if found else None


def accepted_branches(cuda: Version) -> tuple[int, ...] | None:
    """Return the older driver branches on which the NVIDIA runtime starts nvidia/cuda images of this version.

    On data centre GPUs: from CUDA 12.5 on a GeForce or a TITAN is refused there. None when unknown.
    """
    row = table("drivers")["required"].get(key(cuda))
    if row is None:
        return None
    return tuple(
        sorted({int(branch) for group in table("drivers")["brands"] for branch in row.get(group, "").split()})
    )


def nvidia_require_cuda(cuda: Version) -> str | None:
    """Return the NVIDIA_REQUIRE_CUDA that nvidia/cuda images of this version set; None when unknown."""
    row = table("drivers")["required"].get(key(cuda))
    if row is None:
        return None
    alternatives = [f"cuda>={row['cuda']}", *row.get("any", "").split()]
    for group, brands in table("drivers")["brands"].items():
        for branch in map(int, row.get(group, "").split()):
            alternatives += [f"brand={brand},driver>={branch},driver<{branch + 1}" for brand in brands.split()]
    return " ".join(alternatives)


def newest_cuda(driver: Version) -> Version | None:
    """Return the newest CUDA version (12.8) that a driver offers: what it calls its CUDA version; None when unknown.

    A driver older than every toolkit of the table has None as well. A bare branch, `535`, is its newest driver.
    """
    rows = [(Version(text), Version(cuda)) for cuda, text in table("drivers")["toolkit"].items()]
    if driver.major > max(needed.major for needed, _ in rows):
        return None
    whole_branch = len(driver.release) == 1
    able = [cuda for needed, cuda in rows if (needed.major <= driver.major if whole_branch else needed <= driver)]
    newest = max(able, default=None)
    return Version(f"{newest.major}.{newest.minor}") if newest else None


def driver(text: str) -> Version | None:
    """Read a driver version as people write it: `535.104.05`, `535`, `R535`. None when it is none."""
    try:
        return Version(text.strip().removeprefix("R").removeprefix("r"))
    except InvalidVersion:
        return None


def driver_text(version: Version) -> str:
    """A driver version as NVIDIA writes it: 525.60.13, 550.54.04, 535."""
    return ".".join(f"{part:02d}" for part in version.release)
