"""The shipped GPU facts in, newer ones out, and what changed. Speaks to: a registry, a package index.

What nobody answers for stays as it is. Every table is made whole in memory and written beside the old one before any
is put in its place: a refresh that is killed leaves old tables or new ones, never a half.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pipeline import tools
from pipeline.errors import BadFile, RegistryFailed, ToolFailed, ToolMissing
from pipeline.facts.tables import FOLDER, NAMES
from pipeline.refresh import tags, wheels
from pipeline.refresh.web import Client, NoAnswer

DEFAULT_REGISTRY = "docker.io"
_NESTED = {"wheels": 3, "drivers": 2}  # how deep a table's own lines go; deeper values stand on one line


def _index_of_pip() -> str:
    """The index that pip uses where nobody configured one: pip knows it, we need not. Raises NoAnswer without pip."""
    from importlib import import_module

    try:
        return str(import_module("pip._internal.models.index").PyPI.simple_url)
    except (ImportError, AttributeError):
        raise NoAnswer("none is configured, and there is no pip to ask: name one with --index") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What a refresh did: what changed, the files that were written, and who did not answer."""

    changes: tuple[str, ...]
    written: tuple[str, ...]
    silent: tuple[str, ...]
    gathered: str  # the day of the oldest table now


def refresh(
    *, registry: str = DEFAULT_REGISTRY, index: str = "", folder: Path = FOLDER, today: date | None = None,
    say: Callable[[str], None] = lambda _: None, run: tools.Run = tools.run,
) -> Refreshed:  # fmt: skip
    """Ask a registry for nvidia/cuda's tags and a package index for wheels, and write the tables anew.

    Without `index` the one is asked that pip is configured with.
    Raises RegistryFailed when neither answers, BadFile when the tables cannot be written.
    """
    day = (today or datetime.now(UTC).date()).isoformat()
    settings = _pip_settings(run)
    client = Client(settings.get("cert"))
    before = {name: _read(folder, name) for name in ("cuda_tags", "wheels")}
    after: dict[str, Mapping[str, Any]] = {}
    silent: list[str] = []
    changes: tuple[str, ...] = ()
    try:
        say("tags of nvidia/cuda")
        after["cuda_tags"] = tags.with_tags(before["cuda_tags"], tags.list_tags(client, registry), day)
        changes += tags.differences(before["cuda_tags"], after["cuda_tags"])
    except NoAnswer as error:
        silent.append(f"registry: {error}")
    try:
        say("wheels")
        known = before["wheels"]["releases"]
        rows = wheels.releases(client, index or settings.get("index-url") or _index_of_pip(), known)
        after["wheels"] = {**before["wheels"], "gathered": day, "releases": rows}
        changes += wheels.differences(known, rows)
    except NoAnswer as error:
        silent.append(f"package index: {error}")
    if not after:
        raise RegistryFailed(
            f"nothing answered ({'; '.join(silent)}); the facts stay as they are: gathered {oldest(folder)}",
            hint="with a network, or --registry HOST[:PORT][/PATH] and --index URL",
        )
    written = _write(folder, after)
    return Refreshed(changes=changes, written=written, silent=tuple(silent), gathered=oldest(folder))


def folder_for(into: str) -> Path:
    """The folder that a person named, with today's tables copied into it where it has none; or the program's own."""
    if not into:
        return FOLDER
    folder = Path(into)
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        file = folder / f"{name}.json"
        if not file.exists():
            file.write_bytes((FOLDER / file.name).read_bytes())
    return folder


def text_of(name: str, table: Mapping[str, Any]) -> str:
    """A table as it lies in its file: one value a line, so that a difference reads well."""
    return _lines(table, _NESTED.get(name, 9), 0) + "\n"


def oldest(folder: Path) -> str:
    """The day on which the oldest table in a folder was gathered."""
    return min(str(_read(folder, name)["gathered"]) for name in NAMES)


def _lines(value: Any, nested: int, depth: int) -> str:
    if not isinstance(value, Mapping) or depth >= nested or not value:
        return json.dumps(value, ensure_ascii=False)
    pad = " " * (depth + 1)
    rows = (f"{pad}{json.dumps(key)}: {_lines(one, nested, depth + 1)}" for key, one in value.items())
    return "{\n" + ",\n".join(rows) + "\n" + " " * depth + "}"


def _pip_settings(run: tools.Run) -> dict[str, str]:
    """The index and the certificates that pip is configured with."""
    import ast
    import sys

    try:
        answer = run([sys.executable, "-m", "pip", "config", "list"], timeout=30)
    except (ToolFailed, ToolMissing):
        return {}
    found = {}
    for line in answer.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            found[key.rpartition(".")[2]] = str(ast.literal_eval(value))
    return found


def _read(folder: Path, name: str) -> dict[str, Any]:
    file = folder / f"{name}.json"
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadFile(f"not a table of facts: {error}", file=file, hint="install Seatrial again") from None
    return found


def _write(folder: Path, tables: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """All tables beside the old ones first, then each into its place."""
    waiting = [
        (folder / f"{name}.json.new", folder / f"{name}.json", text_of(name, one)) for name, one in tables.items()
    ]
    try:
        for new, _, text in waiting:
            with new.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        for new, old, _ in waiting:
            new.replace(old)
    except PermissionError:
        raise BadFile("the tables of facts may not be written", file=folder,
                      hint="use an installation that is yours, or --into a folder") from None  # fmt: skip
    finally:
        for new, _, _ in waiting:
            new.unlink(missing_ok=True)
    return tuple(str(old) for _, old, _ in waiting)
