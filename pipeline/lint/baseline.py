"""A Lint in, the findings that a baseline does not know out; and the baseline itself. Speaks to: the file system.

A baseline is a file under version control that says which findings were there when a team began. Its keys survive a
move of their lines (see `fingerprints`) and are counted: of two that are the same, both are known, a third is new.
One entry stands on a line, sorted, so that two branches can be merged. Files are named from the baseline's folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import BadFile
from pipeline.lint.fingerprints import Key, keyed, relative
from pipeline.model import Finding, Lint

SCHEMA = "seatrial/baseline/v1"
LARGEST = 50_000_000  # bytes
HINT = "write it again with `lint --write-baseline FILE`"


class Compared(NamedTuple):
    """A Lint with the new findings only, those that the baseline knows, and how many of its entries are gone."""

    lint: Lint
    known: tuple[Finding, ...]
    gone: int


def compare(lint: Lint, sources: Mapping[str, str], file: Path) -> Compared:
    """Take out of `lint` what the baseline in `file` knows. Raises BadFile for one that cannot be read.

    Waived findings are left as they are. An entry is gone when its file was judged, or is no longer there, and the
    finding did not come up.
    """
    waiting = read(file)
    base = file.absolute().parent
    new: list[Finding] = []
    known: list[Finding] = []
    for finding, key in keyed(lint.findings, sources, base):
        if finding.waived is None and waiting.get(key, 0) > 0:
            waiting[key] -= 1
            known.append(finding)
        else:
            new.append(finding)
    unread = {relative(error.file, base) for error in lint.errors}
    judged = {relative(one, base) for one in lint.files} - unread
    gone = sum(
        count for key, count in waiting.items()
        if count and (key.file in judged or (key.file not in unread and not (base / key.file).exists()))
    )  # fmt: skip
    return Compared(lint._replace(findings=tuple(new)), tuple(known), gone)


def write(lint: Lint, sources: Mapping[str, str], file: Path) -> int:
    """Write a baseline that knows every finding that nobody waived; return how many. Whole or not at all.

    Raises BadFile, and writes nothing, when a file could not be judged: its findings would all be new the next time.
    """
    from pipeline.report import files

    if lint.errors:
        error = lint.errors[0]
        raise BadFile(
            "not written: a file could not be judged", file=file, hint=f"mend {error.file} first, or leave it out"
        )
    unwaived = [finding for finding in lint.findings if finding.waived is None]
    counted: dict[Key, int] = {}
    for _, key in keyed(unwaived, sources, file.absolute().parent):
        counted[key] = counted.get(key, 0) + 1
    rows = [
        json.dumps({**key._asdict(), "count": count} if count > 1 else key._asdict())
        for key, count in sorted(counted.items())
    ]
    body = ",\n".join(rows)
    files.write_whole(file, f'{{"schema": "{SCHEMA}", "findings": [\n{body}\n]}}\n' if rows else _empty())
    return len(unwaived)


def read(file: Path) -> dict[Key, int]:
    """Return how often each key may come up. Raises BadFile."""
    try:
        if file.stat().st_size > LARGEST:
            raise BadFile("larger than 50 MB", file=file, hint=HINT)
        found = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise BadFile("no such baseline", file=file, hint=HINT) from None
    except json.JSONDecodeError as error:
        raise BadFile(f"not a baseline: {error.msg}", file=file, line=error.lineno, column=error.colno,
                      hint=f"a merge may have left its marks; {HINT}") from None  # fmt: skip
    except (OSError, ValueError, RecursionError) as error:
        raise BadFile(f"not a baseline: {error}", file=file, hint=HINT) from None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA or not isinstance(found.get("findings"), list):
        raise BadFile(f"not a baseline: it does not say {SCHEMA}", file=file, hint=HINT)
    keys: dict[Key, int] = {}
    for number, row in enumerate(found["findings"], start=1):
        key, count = _entry(row, number, file)
        keys[key] = keys.get(key, 0) + count
    return keys


def _entry(row: Any, number: int, file: Path) -> tuple[Key, int]:
    count = row.get("count", 1) if isinstance(row, dict) else 0
    said = [row.get(name) for name in Key._fields] if isinstance(row, dict) else []
    if not isinstance(count, int) or count < 1 or not said or not all(isinstance(one, str) for one in said):
        raise BadFile(f"entry {number} is not one of a baseline", file=file, hint=HINT)
    return Key(*said), count  # type: ignore[arg-type]  # all of them are str: the line above


def _empty() -> str:
    return f'{{"schema": "{SCHEMA}", "findings": []}}\n'
