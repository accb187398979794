"""A requirement or the text of a requirements.txt in, what it asks for out. Speaks to: nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from packaging.version import InvalidVersion, Version

# name, name[extra,extra], name==1.2.3+cu124: nothing that needs a real reader
_PLAIN = r"([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(?:\[([\w\s,.-]*)\])?\s*(?:==\s*([0-9][\w.+!-]*))?"
INDEXES = frozenset({"-i", "--index-url", "--extra-index-url", "--index", "--default-index", "-f", "--find-links"})


def requirement_lines(text: str) -> tuple[list[str], list[str]]:
    """The requirements of a requirements.txt, and the index URLs that it names."""
    requirements, indexes = [], []
    for line in _joined(text):
        if line.startswith("-"):
            name, _, value = line.replace("=", " ", 1).partition(" ")
            if name in INDEXES:
                indexes.append(value.strip())
        else:
            requirements.append(re.split(r"\s--", line, maxsplit=1)[0])
    return requirements, indexes


def nested_files(text: str) -> tuple[tuple[str, bool], ...]:
    """The files that a requirements.txt names with -r, and with -c: for those, True."""
    found = []
    for line in _joined(text):
        match = re.match(r"(-r|--requirement|-c|--constraint)(?:\s*=\s*|\s*)(\S+)", line)
        if match:
            found.append((match[2], match[1] in ("-c", "--constraint")))
    return tuple(found)


def _joined(text: str) -> Iterator[str]:
    """The lines without comments, continued ones as one, empty ones left out."""
    for raw in text.replace("\\\r\n", " ").replace("\\\n", " ").splitlines():
        line = re.sub(r"(^|\s)#.*", "", raw).strip()
        if line:
            yield line


class Requirement(NamedTuple):
    """One requirement: the name as written, the extras, and the version that `==` names, if it names one."""

    name: str
    extras: frozenset[str]
    version: Version | None


def requirement_of(text: str) -> Requirement | None:
    """Read a requirement or the name of a wheel file; None for paths, URLs, and markers that say not on Linux."""
    plain = re.fullmatch(_PLAIN, text.strip())
    if plain:
        extras = frozenset(extra.strip() for extra in (plain[2] or "").split(",") if extra.strip())
        return Requirement(plain[1], extras, _version(plain[3]) if plain[3] else None)
    if text.endswith(".whl"):
        from packaging.utils import InvalidWheelFilename, parse_wheel_filename

        try:
            name, version, _, _ = parse_wheel_filename(text.rpartition("/")[2].replace("%2B", "+"))
        except (InvalidWheelFilename, InvalidVersion):
            return None
        return Requirement(name, frozenset(), version)
    return _full(text)


def _full(text: str) -> Requirement | None:
    """The same by `packaging`, whose import takes as long as judging a file: for all but the plain forms."""
    from packaging import markers, requirements

    try:
        found = requirements.Requirement(text)
    except requirements.InvalidRequirement:
        return None
    linux = {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "extra": ""}
    try:
        if found.marker is not None and not found.marker.evaluate(linux):
            return None
    except (markers.UndefinedComparison, markers.UndefinedEnvironmentName):
        return None
    exact = [one.version for one in found.specifier if one.operator == "==" and not one.version.endswith(".*")]
    return Requirement(found.name, frozenset(found.extras), _version(exact[0]) if len(exact) == 1 else None)


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def canonical(name: str) -> str:
    """The name as an index has it: lower case, dashes only."""
    return re.sub(r"[-_.]+", "-", name).lower()
