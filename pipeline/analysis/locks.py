"""The text of a lock file or a pyproject.toml in, what an install by it puts into an image out. Speaks to: nothing.

uv.lock, poetry.lock, pdm.lock and Pipfile.lock are read for Linux on x86-64. What only a development group asks for
is left out where the lock says so. A text that is not what its name says holds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.analysis.requirements import canonical

LINUX = {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix",
         "extra": ""}  # fmt: skip
# What makes a lock file large says nothing of versions: one line for each wheel of each package.
_FILES = r"(?m)^(?:wheels|files) = \[\n(?:[ \t].*\n)*\]\n|^sdist = .*\n"

_MOST = 20_000  # packages and their extras that are followed


class Locked(NamedTuple):
    """A package at the version that the lock file holds. `source` is the URL of its index, where one is named."""

    name: str
    version: str
    source: str | None


def uv_lock(text: str, extras: Collection[str] | None) -> tuple[Locked, ...]:
    """What `uv sync` installs: all that the project and its members need. `extras` None asks for each of them."""
    packages = _packages(text)
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for package in packages:
        by_name.setdefault(str(package.get("name")), []).append(package)
    waiting: list[tuple[Mapping[str, Any], tuple[str, ...]]] = []
    for package in packages:
        if _is_own(package):
            asked = _table(package, "optional-dependencies") if extras is None else extras
            waiting.append((package, tuple(asked)))
    seen: set[tuple[int, tuple[str, ...]]] = set()
    found: dict[int, Locked] = {}
    while waiting and len(seen) < _MOST and len(waiting) < _MOST:
        package, asked = waiting.pop()
        if (id(package), asked) in seen:
            continue
        seen.add((id(package), asked))
        if not _is_own(package):
            source = _text(_table(package, "source").get("registry"))
            found[id(package)] = Locked(str(package.get("name")), str(package.get("version", "")), source)
        optional = _table(package, "optional-dependencies")
        needs = [*_list(package, "dependencies"), *(one for extra in asked for one in _list(optional, extra))]
        for need in needs:
            if _holds(need.get("marker")):
                further = need.get("extra")
                names = tuple(map(str, further)) if isinstance(further, list) else ()
                waiting += [(one, names) for one in by_name.get(str(need.get("name")), ()) if _meant(one, need)]
    return tuple(found.values())


def poetry_lock(text: str) -> tuple[Locked, ...]:
    """What `poetry install` and `pdm install` install without extras."""
    found = []
    for package in _packages(text):
        groups = package.get("groups")
        wanted = not isinstance(groups, list) or bool({"main", "default"} & set(map(str, groups)))
        if wanted and not package.get("optional") and _holds(package.get("markers") or package.get("marker")):
            source = _table(package, "source").get("url")
            found.append(Locked(str(package.get("name")), str(package.get("version", "")), _text(source)))
    return tuple(found)


def pipfile_lock(text: str) -> tuple[Locked, ...]:
    """What `pipenv install` and `pipenv sync` install without --dev."""
    import json

    try:
        lock = json.loads(text)
        urls = {one["name"]: one["url"] for one in lock["_meta"]["sources"]}
        return tuple(
            Locked(name, one["version"].removeprefix("=="), _text(urls.get(one.get("index"))))
            for name, one in lock["default"].items()
            if "version" in one and _holds(one.get("markers"))
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()


def project(text: str, extras: Collection[str] | None, tool: str = "pip") -> tuple[tuple[str, str | None], ...]:
    """The requirements of a pyproject.toml, each with the URL of the index that `tool` is told to take it from."""
    whole = _toml(text)
    own = _table(whole, "project")
    optional = _table(own, "optional-dependencies")
    lines = _lines(own, "dependencies")
    for extra in optional if extras is None else extras:
        lines += _lines(optional, extra)
    tools = _table(whole, "tool")
    indexes: dict[str, str | None] = {}
    if tool == "uv":
        named = {str(one.get("name")): _text(one.get("url")) for one in _list(_table(tools, "uv"), "index")}
        sources = _table(_table(tools, "uv"), "sources")
        indexes = {_name(name): named.get(_index(one)) for name, one in sources.items()}
    found = [(line, indexes.get(_name(line))) for line in lines]
    if tool == "poetry":
        poetry = _table(tools, "poetry")
        urls = {str(one.get("name")): _text(one.get("url")) for one in _list(poetry, "source")}
        found += _poetry_requirements(_table(poetry, "dependencies"), urls)
    return tuple(found)


def _poetry_requirements(
    names: Mapping[str, Any], urls: Mapping[str, str | None]
) -> Iterator[tuple[str, str | None]]:
    for name, one in names.items():
        about = one if isinstance(one, dict) else {"version": one}
        version = str(about.get("version", ""))
        if name == "python" or about.get("optional") or not _holds(about.get("markers")):
            continue
        exact = re.fullmatch(r"(?:==)?\s*(\d+(?:\.\d+)*(?:\+\w+)?)", version)
        yield f"{name}=={exact[1]}" if exact else name, urls.get(str(about.get("source")))


def _packages(text: str) -> Sequence[Mapping[str, Any]]:
    return _list(_toml(re.sub(_FILES, "", text.replace("\r\n", "\n"))), "package")


def _toml(text: str) -> Mapping[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return {}


def _table(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _lines(value: Mapping[str, Any], name: str) -> list[str]:
    found = value.get(name)
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _list(value: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    found = value.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _is_own(package: Mapping[str, Any]) -> bool:
    """Is it the project itself, or a member of its workspace?"""
    return bool({"editable", "virtual", "directory"} & set(_table(package, "source")))


def _meant(package: Mapping[str, Any], need: Mapping[str, Any]) -> bool:
    """Of several versions of a package, the need names one."""
    return all(need[key] == package.get(key) for key in ("version", "source") if key in need)


def _holds(marker: object) -> bool:
    if not isinstance(marker, str):
        return True
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

    try:
        return Marker(marker).evaluate(LINUX)
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, RecursionError):
        return False


def _index(source: Any) -> str:
    """The index of a source of tool.uv; of several, that whose marker holds here."""
    for one in source if isinstance(source, list) else [source]:
        if isinstance(one, dict) and _holds(one.get("marker")) and "extra" not in one and "group" not in one:
            return str(one.get("index"))
    return ""


def _name(requirement: str) -> str:
    return canonical(re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0])
