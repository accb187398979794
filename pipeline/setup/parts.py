"""What the machine has, as values: one Part for each thing that a stage needs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Whether a part can be used. Only `missing` and `wrong` stand in somebody's way."""

    OK = "ok"
    MISSING = "missing"
    OPTIONAL = "optional"  # absent, and nothing but the stages in `needed_by` notices
    WRONG = "wrong"  # there, but too old, not ours, or it does not start


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing that Seatrial works with. `found` is its version in its own words, None when it is not there."""

    name: str
    found: str | None
    needed_by: str
    state: State
    advice: str | None = None


def present(name: str, found: str, needed_by: str, advice: str | None = None) -> Part:
    """A part that can be used."""
    return Part(name=name, found=found, needed_by=needed_by, state=State.OK, advice=advice)


def missing(name: str, needed_by: str, advice: str = "run `setup`") -> Part:
    """A part that is not there and is needed."""
    return Part(name=name, found=None, needed_by=needed_by, state=State.MISSING, advice=advice)


def wrong(name: str, found: str | None, needed_by: str, advice: str) -> Part:
    """A part that is there and cannot be used as it is."""
    return Part(name=name, found=found, needed_by=needed_by, state=State.WRONG, advice=advice)


def absent(name: str, needed_by: str, advice: str) -> Part:
    """An optional part that is not there."""
    return Part(name=name, found=None, needed_by=needed_by, state=State.OPTIONAL, advice=advice)
