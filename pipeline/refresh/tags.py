"""A registry in, the tags of nvidia/cuda out, and the table of tags with them. Speaks to: an OCI registry.

A mirror may list only what somebody pulled through it. So a tag that a list holds exists, but one that it lacks is
gone only when the list holds nearly everything else that we know.
"""

from __future__ import annotations

import json
import re
import urllib.error
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode, urljoin

from packaging.version import Version

from pipeline.facts.images import cuda_tag
from pipeline.refresh.web import Client, NoAnswer
from pipeline.registry import LOOPBACK

REPOSITORY = "nvidia/cuda"
_HUB = "registry-1.docker.io"
_PAGES = 200  # of 1000 tags each
_WHOLE = 0.9  # share of the known tags that a list must hold before what it lacks counts as gone
_BEARER = r'(\w+)="([^"]*)"'


def list_tags(client: Client, registry: str) -> tuple[str, ...]:
    """Return every tag of nvidia/cuda that a registry lists; `registry` may have a path: `host:5000/hub`.

    Raises NoAnswer.
    """
    host, _, path = registry.strip("/").partition("/")
    scheme = "http" if LOOPBACK.match(host) else "https"
    host = _HUB if host in ("docker.io", "index.docker.io") else host
    repository = f"{path}/{REPOSITORY}" if path else REPOSITORY
    origin = f"{scheme}://{host}"
    url = f"{origin}/v2/{repository}/tags/list?n=1000"
    headers: dict[str, str] = {}
    found: list[str] = []
    for _ in range(_PAGES):
        try:
            body, answered = client.get(url, headers)
        except urllib.error.HTTPError as error:
            if error.code != 401 or headers:
                raise NoAnswer(f"the registry says {error.code} about {repository}") from None
            headers = _token(client, error.headers.get("WWW-Authenticate", ""), repository)
            continue
        try:
            found += [str(tag) for tag in json.loads(body)["tags"] or ()]
        except (ValueError, KeyError, TypeError):
            raise NoAnswer("the registry's list of tags is not one") from None
        link = re.search(r'<([^>]+)>\s*;\s*rel="?next"?', answered.get("Link", ""))
        if not link:
            return tuple(found)
        url = urljoin(url, link[1])
        if not url.startswith(origin + "/"):
            raise NoAnswer("the registry's next page is on another host")
    raise NoAnswer(f"the registry's list of tags has more than {_PAGES} pages")


def with_tags(table: Mapping[str, Any], tags: Iterable[str], today: str) -> dict[str, Any]:
    """Return the table with a registry's tags: new ones added; superseded and vanished ones are end of life."""
    seen = _by_version(tags)
    supported = {version: dict(systems) for version, systems in table["supported"].items()}
    ended = {version: dict(systems) for version, systems in table["end_of_life"].items()}
    since = dict(table["end_of_life_since"])
    for version, systems in seen.items():
        for system, variants in systems.items():
            section = ended if system in ended.get(version, {}) else supported
            held = section.setdefault(version, {}).get(system, "")
            section[version][system] = " ".join(_ordered({*held.split(), *variants}))
    gone = _vanished(table["supported"], seen)
    for version in sorted(supported, key=Version):
        if version in gone or _superseded(version, supported):
            for system, variants in supported.pop(version).items():
                ended.setdefault(version, {})[system] = variants
            since.setdefault(version, today)
    return {
        **table,
        "gathered": today,
        "end_of_life_since": _sorted(since),
        "supported": _sorted(supported),
        "end_of_life": _sorted(ended),
        "also_seen": {version: why for version, why in table["also_seen"].items() if version not in seen},
    }


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """What changed between two tables of tags, a line each."""
    lines = []
    for version in sorted({*after["supported"], *after["end_of_life"]}, key=Version):
        was = _count(before, version)
        now = _count(after, version)
        if not was:
            lines.append(f"nvidia/cuda {version}: new, {now} tags")
        elif now != was:
            lines.append(f"nvidia/cuda {version}: {was} → {now} tags")
        if version in before["supported"] and version not in after["supported"]:
            lines.append(f"nvidia/cuda {version}: end of life")
    return tuple(lines)


def _token(client: Client, challenge: str, repository: str) -> dict[str, str]:
    """An anonymous token, as the registry's challenge says where to get one."""
    fields = dict(re.findall(_BEARER, challenge))
    if not challenge.lower().startswith("bearer ") or "realm" not in fields:
        raise NoAnswer("the registry wants a login")
    query = {"service": fields.get("service", ""), "scope": f"repository:{repository}:pull"}
    try:
        body, _ = client.get(f"{fields['realm']}?{urlencode(query)}")
        answer = json.loads(body)
        return {"Authorization": f"Bearer {answer.get('token') or answer['access_token']}"}
    except (urllib.error.HTTPError, ValueError, KeyError, AttributeError):
        raise NoAnswer("the registry gives no anonymous token") from None


def _by_version(tags: Iterable[str]) -> dict[str, dict[str, set[str]]]:
    seen: dict[str, dict[str, set[str]]] = {}
    for text in tags:
        tag = cuda_tag(f"{REPOSITORY}:{text}") if len(text) <= 128 else None
        if tag is not None and tag.well_formed and tag.version is not None and tag.os is not None:
            version = text.partition("-")[0]
            if version.count(".") == 2:
                seen.setdefault(version, {}).setdefault(tag.os, set()).add(tag.variant)
    return seen


def _vanished(supported: Mapping[str, Any], seen: Mapping[str, Any]) -> frozenset[str]:
    """The versions that a list lacks, when it has nearly all others."""
    held = [version for version in supported if version in seen]
    return frozenset(supported) - frozenset(held) if len(held) >= _WHOLE * len(supported) else frozenset()


def _superseded(version: str, supported: Mapping[str, Any]) -> bool:
    """NVIDIA's policy: a newer point release of the same minor version ends a version's life."""
    this = Version(version)
    return any(other.release[:2] == this.release[:2] and other > this for other in map(Version, supported))


def _ordered(variants: Iterable[str]) -> list[str]:
    """base, runtime, devel, then with libraries, as NVIDIA's own lists have them."""
    order = ("base", "runtime", "devel")

    def place(variant: str) -> tuple[str, int]:
        library, _, flavour = variant.rpartition("-")
        return library, order.index(flavour)

    return sorted(variants, key=place)


def _count(table: Mapping[str, Any], version: str) -> int:
    systems = [*table["supported"].get(version, {}).values(), *table["end_of_life"].get(version, {}).values()]
    return sum(len(variants.split()) for variants in systems)


def _sorted(rows: Mapping[str, Any]) -> dict[str, Any]:
    return {version: rows[version] for version in sorted(rows, key=Version)}
