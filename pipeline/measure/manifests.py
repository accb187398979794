"""Indexes and manifests in, the one manifest that is meant out. Speaks to: nothing."""

from __future__ import annotations

import hashlib
import json
import platform
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.errors import BadImage

MOST = 16 << 20  # bytes of a manifest, an index or a config
DEEPEST = 4  # an index in an index is common, deeper nesting is not
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

Get = Callable[[str], bytes]


def resolved(digest: str, get: Get) -> str:
    """Return the digest of the manifest that `digest` means: itself, or below an index the one of this machine.

    `get` returns what a digest names; it is checked. Raises ValueError, KeyError and TypeError for what is no index.
    """
    document = loaded(checked(get)(digest))
    return chosen(document, checked(get)) if "manifests" in document else digest


def chosen(index: Any, get: Get) -> str:
    """Return the digest of the one image manifest below an index, or of this machine's platform among several.

    Attestations and other artifacts are passed over. Raises ValueError when none or several remain.
    """
    for _ in range(DEEPEST):
        found = [entry for entry in index["manifests"] if _is_image(entry)]
        if len(found) > 1:
            here = ("linux", ARCHITECTURES.get(platform.machine(), platform.machine()))
            found = [entry for entry in found if _platform(entry) == here]
        if len(found) != 1:
            raise ValueError(f"it holds {len(index['manifests'])} manifests, {len(found)} of them to choose from")
        document = loaded(get(found[0]["digest"]))
        if "manifests" not in document:
            return str(found[0]["digest"])
        index = document
    raise ValueError("its index is nested too deep")


def checked(get: Get) -> Get:
    """Return `get`, refusing bytes that are not the digest's with ValueError."""

    def same(digest: str) -> bytes:
        raw = get(digest)
        if f"sha256:{hashlib.sha256(raw).hexdigest()}" != digest:
            raise ValueError(f"{digest} holds something else")
        return raw

    return same


def loaded(raw: bytes) -> Any:
    """Return a JSON document. Raises ValueError."""
    return json.loads(raw)


def small(file: Path) -> bytes:
    """Return the bytes of a manifest, an index or a config. Raises ValueError for more than those can have."""
    size = file.stat().st_size
    if size > MOST:
        raise ValueError(f"{file.name} has {size} bytes")
    return file.read_bytes()


def at_hand(layer: Mapping[str, Any]) -> None:
    """Raise BadImage for a foreign layer: registries do not hold it, and no address in an image is ever called."""
    kind = str(layer.get("mediaType"))
    if "foreign" in kind or "nondistributable" in kind or layer.get("urls"):
        hosts = sorted({urlsplit(str(url)).hostname or "?" for url in layer.get("urls") or ()})
        raise BadImage(
            f"layer {layer['digest']} is foreign and not here" + (f": it lies at {', '.join(hosts)}" * bool(hosts)),
            hint="save the image where an engine has pulled it, and name the archive",
        )


@contextmanager
def explained(image: Path | str, hint: str = "save it again with `docker save`") -> Iterator[None]:
    """Turn whatever a damaged or hostile image brings about into one BadImage that names it."""
    try:
        yield
    except tarfile.ReadError as error:
        raise BadImage(
            f"{image} is no image archive: {error}", hint="a compressed archive must be unpacked first"
        ) from None
    except (
        OSError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        ValueError,
        RecursionError,
        tarfile.TarError,
    ) as error:
        raise BadImage(f"{image} is no readable image: {error}", hint=hint) from None


def _is_image(entry: Mapping[str, Any]) -> bool:
    notes = entry.get("annotations") or {}
    return "vnd.docker.reference.digest" not in notes and "artifactType" not in entry


def _platform(entry: Mapping[str, Any]) -> tuple[str, str | None]:
    found = entry.get("platform") or {}
    return found.get("os") or "linux", found.get("architecture")
