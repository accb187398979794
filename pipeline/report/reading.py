"""A record document in, model.Record out: checked, and with nothing in it that acts. Speaks to: nothing.

Documents come back from disk, where anybody may have changed them, and hold words from images: neither is trusted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadFile
from pipeline.model import Record
from pipeline.report.words import clip, visible

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA = "seatrial/record/v1"
SBOM_FILE = "sbom.cdx.json"
PROVENANCE_FILE = "provenance.json"
SHA256 = re.compile(r"[0-9a-f]{64}")


def read(document: Mapping[str, Any], source: str = "record") -> Record:
    """Return the record in `document`; control characters in its text are spelled out.

    `source` names the document in errors. Raises BadFile for another schema, missing keys and wrong types.
    """
    from pydantic import ValidationError

    schema = document.get("schema") if isinstance(document, Mapping) else None
    if schema != SCHEMA:
        raise BadFile(
            f"not a record: its schema is {clip(repr(schema), 80)}, not {SCHEMA!r}",
            file=source,
            hint="give a record.json that this version of Seatrial wrote",
        )
    try:
        return _adapter().validate_python(_with_new_keys(_inert(document)))
    except ValidationError as error:
        # The variants of `scan | skipped` are part of pydantic's path; the longest path is the one that got furthest.
        first = max(error.errors(include_url=False), key=lambda detail: len(detail["loc"]))
        place = ".".join(str(part) for part in first["loc"])
        raise BadFile(
            f"the record does not read: {clip(visible(place), 200)}: {clip(visible(first['msg']), 200)}",
            file=source,
            hint="another version wrote it, or somebody changed it: release the image again",
        ) from None


def pointer(value: Mapping[str, Any], file: str) -> str | None:
    """The sha256 of `value` when it only points to `file`: {"file": …, "sha256": …}; None otherwise."""
    if set(value) != {"file", "sha256"} or value["file"] != file:
        return None
    sha256 = value["sha256"]
    return sha256 if isinstance(sha256, str) and SHA256.fullmatch(sha256) else None


@cache
def _adapter() -> TypeAdapter[Record]:
    from pydantic import TypeAdapter

    return TypeAdapter(Record)


def _with_new_keys(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the keys that records of this schema did not have at first. Layers were always verified."""
    measure = document.get("measure")
    if isinstance(measure, dict):
        nothing: dict[str, Any] = {"folders": [], "types": [], "stages": []}
        document["measure"] = {"verified": True, "shares": nothing, "libraries": None, "wire": None, **measure}
        rows = measure.get("waste")
        if isinstance(rows, list):
            document["measure"]["waste"] = [{"seen": False, **row} if isinstance(row, dict) else row for row in rows]
    return document


def _inert(document: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with inert text. SBOM and provenance are large and never shown: they stay as they are."""
    own = {"scan": "sbom", "build": "provenance"}
    plain: dict[str, Any] = {}
    for key, value in document.items():
        aside = own.get(key)
        if aside is not None and isinstance(value, Mapping) and aside in value:
            rest = {name: item for name, item in value.items() if name != aside}
            plain[key] = {**_clean(rest), aside: value[aside]}
        else:
            plain[str(key)] = _clean(value)
    return plain


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {visible(str(key)): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value
