"""The machine's own settings: folders, the registry, the keys. Environment in, paths out.

What a team shares stands in policies/policy.yaml; here is only where this machine keeps things, and where we are.
"""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """What can be made again: pinned tools, layer indexes, the scanner's cache and databases."""
    return _folder("SEATRIAL_CACHE", "XDG_CACHE_HOME", ".cache")


def state() -> Path:
    """What runs or ran here: process ids, logs, locks, the loopback registry's data."""
    return _folder("SEATRIAL_STATE", "XDG_STATE_HOME", ".local/state")


def config() -> Path:
    """What is yours: signing keys. Never inside a repository."""
    return _folder("SEATRIAL_CONFIG", "XDG_CONFIG_HOME", ".config")


def registry() -> str:
    """Where repositories without a host go: SEATRIAL_REGISTRY, or the loopback registry that `setup` starts."""
    return os.environ.get("SEATRIAL_REGISTRY", "127.0.0.1:5000")


def in_ci() -> bool:
    """CI=true: nobody can answer a question."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def _folder(own: str, xdg: str, default: str) -> Path:
    if own in os.environ:
        folder = Path(os.environ[own])
    else:
        folder = Path(os.environ.get(xdg) or Path.home() / default) / "seatrial"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def find_root(configured: str | None) -> Path:
    """The workspace: SEATRIAL_ROOT, the folder of tasks.py, or the nearest folder above that is one.

    One has dockerfiles/ or policies/policy.yaml. Nobody looks above the repository that we stand in: another one's
    policy could bring rules of its own, which are code.
    """
    named = os.environ.get("SEATRIAL_ROOT") or configured
    if named:
        return Path(named)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dockerfiles").is_dir() or (folder / "policies" / "policy.yaml").is_file():
            return folder
        if (folder / ".git").exists():
            break
    return here
