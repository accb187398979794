"""Findings and the texts they speak of in, keys that survive a move of their lines out. Speaks to: nothing.

A key is the rule, the file, the message without its numbers and a hash of the lines that the finding speaks of,
blanks squeezed. Two findings may have the same key: whoever needs one for each counts them (see `numbered`).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.model import Finding

NUMBER = r"\d+(?:\.\d+)*"


class Key(NamedTuple):
    """What stays the same of a finding when lines are added above it. `text` is a hash, 16 hexadecimal digits."""

    file: str
    rule: str
    message: str
    text: str


def root() -> Path:
    """The repository that this folder belongs to, by its .git; without one, this folder."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if os.path.exists(folder / ".git")), here)  # noqa: PTH110


def relative(file: str, base: Path) -> str:
    """A file as seen from a folder; one that lies outside of it by its absolute path. Links are not followed."""
    whole = os.path.abspath(file)  # noqa: PTH100  # resolve() would follow links
    inside = os.path.relpath(whole, base)
    return Path(whole if inside.startswith("..") else inside).as_posix()


def keyed(findings: Iterable[Finding], sources: Mapping[str, str], base: Path) -> Iterator[tuple[Finding, Key]]:
    """Each finding with its key; `base` is the folder that files are named from."""
    lines: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for finding in findings:
        file = finding.file
        if file not in names:
            names[file] = relative(file, base)
            lines[file] = sources.get(file, "").split("\n")
        spoken_of = " ".join(" ".join(lines[file][finding.line - 1 : finding.end_line]).split())
        text = hashlib.sha256(spoken_of.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        yield finding, Key(names[file], finding.rule, re.sub(NUMBER, "#", _said(finding)), text)


def numbered(findings: Iterable[Finding], sources: Mapping[str, str], base: Path) -> Iterator[tuple[Finding, str]]:
    """Each finding with a hash that no other one has: of its key, and of how many with that key came before it."""
    seen: dict[Key, int] = {}
    for finding, key in keyed(findings, sources, base):
        seen[key] = seen.get(key, 0) + 1
        whole = "\n".join((*key, str(seen[key])))
        yield finding, hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _said(finding: Finding) -> str:
    """The message without the way of building that shows it: a file alone is built in fewer ways than its folder."""
    return re.sub(r" \((?:variant|service|target) [^()]*\)$", "", finding.message)
