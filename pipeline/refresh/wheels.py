"""A package index in, what GPU wheels ask for out. Speaks to: a package index (PEP 503, 658, 691).

Of each release one wheel for Linux on x86-64 is asked, through its .metadata file, or through a piece of the wheel.
A wheel that is published does not change: releases that the table has are not asked again.
"""

from __future__ import annotations

import json
import re
import urllib.error
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from pipeline.refresh.web import Client, NoAnswer, Remote

# What is asked for, and the oldest release of each that is worth a row.
PACKAGES = {
    "torch": "1.13", "tensorflow": "2.4", "jax": "0.4.1", "jax-cuda12-plugin": "0.4.1", "jax-cuda13-plugin": "0.4.1",
    "onnxruntime-gpu": "1.8", "vllm": "0.1",
}  # fmt: skip
_EXTRAS = {"tensorflow": ("and-cuda",), "onnxruntime-gpu": ("cuda", "cudnn"), "jax-cuda12-plugin": ("with-cuda",),
           "jax-cuda13-plugin": ("with-cuda",)}  # fmt: skip
_LINUX = {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"}
_PYTHONS = tuple(f"3.{minor}" for minor in range(6, 16))
_RUNTIME = r"nvidia-cuda-runtime(?:-cu(\d+))?|cuda-toolkit"
_CUDNN = r"nvidia-cudnn(?:-cu\d+)?"
_JSON = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A wheel on an index."""

    name: str
    url: str
    requires_python: str


def releases(client: Client, index: str, known: Mapping[str, Any]) -> dict[str, dict[str, dict[str, str]]]:
    """Return package → version → what its wheel says; `known` are the releases of the table, kept as they are.

    Raises NoAnswer when the index does not answer for torch; another package that it lacks stays as it was.
    """
    found = {name: dict(rows) for name, rows in known.items()}
    for name, oldest in PACKAGES.items():
        try:
            files = wheels_on(client, index, name)
        except NoAnswer:
            if name == "torch":
                raise
            continue
        rows = found.setdefault(name, {})
        by_release = _by_release(files, Version(oldest))
        missing = [version for version in by_release if version not in rows]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            asked = pool.map(partial(_row, client, name), [by_release[version] for version in missing])
            rows.update((version, row) for version, row in zip(missing, asked, strict=True) if row is not None)
        found[name] = {version: rows[version] for version in sorted(rows, key=Version)}
    return found


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """What changed between two tables of releases, a line each."""
    return tuple(
        f"{name} {version}: " + (", ".join(f"{key} {value}" for key, value in row.items()) or "nothing about CUDA")
        for name, rows in after.items()
        for version, row in rows.items()
        if before.get(name, {}).get(version) != row
    )


def wheels_on(client: Client, index: str, name: str) -> tuple[File, ...]:
    """Return the wheels of a project for Linux on x86-64, those that were yanked left out. Raises NoAnswer."""
    url = f"{index.rstrip('/')}/{name}/"
    try:
        body, headers = client.get(url, {"Accept": _JSON})
    except urllib.error.HTTPError as error:
        raise NoAnswer(f"the package index says {error.code} about {name}") from None
    try:
        is_json = "json" in headers.get_content_type()
        rows = _from_json(body) if is_json else _from_html(body.decode("utf-8", "replace"))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NoAnswer(f"the package index's page of {name} is not one") from None
    return tuple(
        File(name=file, url=urldefrag(urljoin(url, link)).url, requires_python=python)
        for file, link, python in rows
        if file.endswith(".whl") and re.search(r"(?:manylinux|linux)[\w.]*x86_64|none-any", file)
    )


def _from_json(body: bytes) -> Iterable[tuple[str, str, str]]:
    for row in json.loads(body)["files"]:
        if not row.get("yanked"):
            yield row["filename"], row["url"], row.get("requires-python") or ""


def _from_html(text: str) -> Iterable[tuple[str, str, str]]:
    links = _Links()
    links.feed(text)
    for attributes in links.found:
        address = attributes.get("href") or ""
        if "data-yanked" not in attributes and address:
            name = unquote(urldefrag(address).url.rpartition("/")[2])
            yield name, address, attributes.get("data-requires-python") or ""


class _Links(HTMLParser):
    """The attributes of every link of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a link."""
        if tag == "a":
            self.found.append(dict(attrs))


def _by_release(files: Iterable[File], oldest: Version) -> dict[str, list[File]]:
    found: dict[str, list[File]] = {}
    for file in files:
        try:
            _, version, _, _ = parse_wheel_filename(file.name)
        except (InvalidWheelFilename, InvalidVersion):
            continue
        if version >= oldest and not version.is_prerelease and version.local is None:
            found.setdefault(str(version), []).append(file)
    return found


def _row(client: Client, name: str, files: Sequence[File]) -> dict[str, str] | None:
    """What one release says; None when its metadata could not be had."""
    try:
        metadata = _metadata(client, min(files, key=lambda file: file.name))
    except NoAnswer:
        return None
    row = _asks_for(name, metadata)
    pythons = _pythons(files, str(metadata.get("requires_python") or ""))
    return {**row, **({"pythons": " ".join(pythons)} if pythons else {})}


def _metadata(client: Client, file: File) -> Mapping[str, Any]:
    """A wheel's METADATA: the file beside it, or out of the wheel itself."""
    try:
        body, _ = client.get(file.url + ".metadata")
    except urllib.error.HTTPError:
        try:
            with zipfile.ZipFile(Remote(client, file.url)) as wheel:
                inside = next(member for member in wheel.namelist() if member.endswith(".dist-info/METADATA"))
                body = wheel.read(inside)
        except (zipfile.BadZipFile, StopIteration, EOFError, NotImplementedError):
            raise NoAnswer("a wheel that is none") from None
    return dict(parse_email(body)[0])


def _asks_for(name: str, metadata: Mapping[str, Any]) -> dict[str, str]:
    """cuda, cudnn and torch, as far as the requirements say."""
    row: dict[str, str] = {}
    extras = _EXTRAS.get(name, ("",))
    for text in metadata.get("requires_dist") or ():
        try:
            one = Requirement(text)
        except InvalidRequirement:
            continue
        marker = one.marker
        if marker is not None and not any(marker.evaluate({**_LINUX, "extra": extra}) for extra in extras):
            continue
        wanted = canonicalize_name(one.name)
        if found := re.fullmatch(_RUNTIME, wanted):
            row["cuda"] = _precisely(one.specifier, 2) or found[1] or _major(one.specifier) or row.get("cuda", "")
        elif re.fullmatch(_CUDNN, wanted):
            row["cudnn"] = _precisely(one.specifier, 4) or _major(one.specifier)
        elif wanted == "torch" and name == "vllm":
            row["torch"] = _precisely(one.specifier, 4)
    if name == "jax":
        offered = sorted(one for one in metadata.get("provides_extra") or () if re.fullmatch(r"cuda\d{2}", one))
        row["extras"] = " ".join(offered)
    return {key: value for key, value in row.items() if value}


def _precisely(specifier: SpecifierSet, parts: int) -> str:
    """The version that `==` names, cut to so many parts; empty for a range."""
    for one in specifier:
        if one.operator == "==" and "*" not in one.version:
            return ".".join(one.version.split("+")[0].split(".")[:parts])
    return ""


def _major(specifier: SpecifierSet) -> str:
    """The major version that a range begins with."""
    lower = [one.version for one in specifier if one.operator in (">=", "~=", "==", ">")]
    return lower[0].partition(".")[0] if lower else ""


def _pythons(files: Sequence[File], requires: str) -> tuple[str, ...]:
    """The Python versions that have a wheel, ascending."""
    try:
        allowed = SpecifierSet(requires)
    except InvalidSpecifier:
        allowed = SpecifierSet()
    found = set()
    for file in files:
        interpreter, abi = file.name.removesuffix(".whl").split("-")[-3:-1]
        for tag in interpreter.split("."):
            if abi in ("abi3", "none"):
                oldest = int(tag[3:]) if re.fullmatch(r"cp3\d+", tag) else 0
                found |= {one for one in _PYTHONS if int(one[2:]) >= oldest and f"{one}.99" in allowed}
            elif match := re.fullmatch(r"cp3(\d+)", tag):
                found.add(f"3.{match[1]}")
    return tuple(sorted(found, key=lambda one: int(one[2:])))
