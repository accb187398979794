"""A glob as Go's filepath.Match reads it in, a test of paths out; each path costs one step per character.

Backtracking would let a pattern full of stars take for ever, so a pattern becomes states (see `Matcher`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

LONGEST = 4096  # characters: more than a path can have
_GROWN = 4096  # steps that one pattern remembers


class BadPattern(Exception):
    """A pattern that the builder refuses; the text says why."""


class Atom(NamedTuple):
    """One step of a pattern: `one` takes a character, `many` any number of them, `folders` (`**/`) whole folders.

    `start` takes nothing and holds only at the path's first character.
    """

    kind: str
    takes: Callable[[str], bool]


class Matcher:
    """Atoms in a row as bits: two for each, that it comes next and that we are inside its folders."""

    def __init__(self, atoms: Iterable[Atom]) -> None:
        self._atoms = tuple(_once(atoms))
        self._steps: dict[tuple[int, str], int] = {}
        self._takers: dict[str, int] = {}
        self._end = 1 << (2 * len(self._atoms))
        self._one = self._bits(lambda atom: atom.kind == "one")
        self._many = self._bits(lambda atom: atom.kind == "many")
        self._folders = self._bits(lambda atom: atom.kind == "folders")
        start = self._bits(lambda atom: atom.kind == "start")
        self._begin = self._freed(1, self._many | self._folders | start)

    def __call__(self, path: str) -> bool:
        """Does the whole path match?"""
        states = self._begin
        for char in path:
            after = self._steps.get((states, char))
            if after is None:
                if len(self._steps) > _GROWN:
                    self._steps.clear()
                after = self._steps[states, char] = self._step(states, char)
            if not after:
                return False
            states = after
        return bool(states & self._end)

    def _step(self, states: int, char: str) -> int:
        if char not in self._takers:
            self._takers[char] = self._bits(lambda atom: atom.takes(char))
        takers = self._takers[char]
        here = states & takers
        inside = (here | states >> 1 & takers) & self._folders
        after = (here & self._one) << 2 | here & self._many | inside << 1
        if char == "/":
            after |= inside << 2
        return self._freed(after, self._many | self._folders)

    def _freed(self, states: int, empty: int) -> int:
        """Add what can be reached without a character: stars and folders may be empty."""
        while True:
            more = states | (states & empty) << 2
            if more == states:
                return states
            states = more

    def _bits(self, wanted: Callable[[Atom], bool]) -> int:
        """The bits that say `this atom comes next`, for the wanted ones."""
        return int("0" + "".join("01" if wanted(atom) else "00" for atom in reversed(self._atoms)), 2)


def _once(atoms: Iterable[Atom]) -> Iterator[Atom]:
    """Stars behind a star of the same kind add nothing but work."""
    last: Atom | None = None
    for atom in atoms:
        if atom != last or atom.kind not in ("many", "folders"):
            yield atom
        last = atom


def matcher(pattern: str) -> Matcher:
    """Return a test for a pattern as filepath.Match reads it: no star crosses a slash. Raises BadPattern."""
    check(pattern)
    return Matcher(_atoms(pattern))


def check(pattern: str) -> None:
    """Raise BadPattern where filepath.Match calls a pattern malformed, and for one that is longer than any path."""
    if len(pattern) > LONGEST:
        raise BadPattern(f"it is longer than {LONGEST} characters")
    for _ in _atoms(pattern):
        pass


def not_slash(char: str) -> bool:
    """What a star and a question mark take."""
    return char != "/"


def one_of(pairs: Iterable[tuple[str, str]], *, negated: bool = False) -> Callable[[str], bool]:
    """A test for a class, given as pairs of first and last character."""
    members = tuple(pairs)
    return lambda char: any(low <= char <= high for low, high in members) != negated


def _atoms(pattern: str) -> Iterator[Atom]:
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            yield Atom("many", not_slash)
        elif char == "?":
            yield Atom("one", not_slash)
        elif char == "[":
            takes, at = _class(pattern, at)
            yield Atom("one", takes)
        else:
            if char == "\\":
                char = pattern[at : at + 1]
                at += 1
                if not char:
                    raise BadPattern("it ends in a \\")
            yield Atom("one", char.__eq__)


def _class(pattern: str, at: int) -> tuple[Callable[[str], bool], int]:
    """What a class takes whose `[` stands before `at`, and where it ends."""
    negated = pattern[at : at + 1] == "^"
    at += negated
    pairs: list[tuple[str, str]] = []
    while not pairs or pattern[at] != "]":
        low, at = _member(pattern, at)
        high = low
        if pattern[at] == "-":
            high, at = _member(pattern, at + 1)
        pairs.append((low, high))
    return one_of(pairs, negated=negated), at + 1


def _member(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at : at + 1] in ("", "-", "]"):
        raise BadPattern("a [ that is not closed, or a range without both ends")
    at += pattern[at] == "\\"
    if at + 1 >= len(pattern):
        raise BadPattern("a [ that is not closed")
    return pattern[at], at + 1
