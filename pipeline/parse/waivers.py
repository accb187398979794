"""Comments and instructions in, waivers out. Speaks to: nothing.

    # policy: allow RULE until 2027-03-01 -- reason        for the next instruction below, or the one it stands in
    # policy: allow-file RULE until 2027-03-01 -- reason   for the whole file

`until` may be left out, the reason may not.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Sequence
from functools import partial

from pipeline import lazily
from pipeline.model import Instruction, Waiver
from pipeline.parse.grammar import near
from pipeline.parse.lines import Refused

_FORM = "write `# policy: allow RULE until 2027-03-01 -- reason` (`until …` may be left out)"
_WAIVER = lazily.pattern(r"(allow|allow-file)\s+([a-z0-9][a-z0-9-]*)(?:\s+until\s+(\S+))?\s+--\s+(\S.*)\Z", re.DOTALL)
_DATE = lazily.pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


def read(comments: Sequence[tuple[int, str]], instructions: Sequence[Instruction], file: str) -> tuple[Waiver, ...]:
    """Return the waivers among the comments, in their order. Raises Refused for a malformed one."""
    found: list[Waiver] = []
    numbers = [line for line, _ in comments]
    for line, text in comments:
        if text.startswith("policy:"):
            waiver = one(line, text, partial(_below, line, numbers, instructions), file)
            found += [waiver] if waiver else []
    return tuple(found)


def one(line: int, text: str, below: Callable[[], int], file: str) -> Waiver | None:
    """Read a comment; None for what is no waiver. `below` tells which line an `allow` speaks of. Raises Refused."""
    if not text.startswith("policy:"):
        return None
    body = text.removeprefix("policy:").strip()
    verb = body.split(maxsplit=1)[0] if body else ""
    # `# policy: see the wiki` is a remark; `# policy: alow root` is a waiver that nobody would miss.
    if near(verb, ("allow", "allow-file")) is None:
        return None
    match = _WAIVER.match(body)
    if match is None:
        raise Refused("a waiver that cannot be read", hint=_FORM, line=line)
    until = match[3]
    if until is not None and not _is_date(until):
        raise Refused(f"a waiver until `{until}`", hint="a date is written 2027-03-01", line=line)
    spoken_of = None if match[1] == "allow-file" else below()
    return Waiver(rule=match[2], reason=match[4].strip(), until=until, line=spoken_of, file=file)


def _is_date(text: str) -> bool:
    from datetime import date

    try:
        return bool(_DATE.match(text)) and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _below(line: int, comments: Sequence[int], instructions: Sequence[Instruction]) -> int:
    """The line of the instruction that a waiver on `line` speaks of. Raises Refused when there is none."""
    at = bisect.bisect_left(instructions, line, key=lambda instruction: instruction.end_line)
    if at == len(instructions):
        raise Refused("a waiver with no instruction below it", hint="move it above the line that it speaks of",
                      line=line)  # fmt: skip
    below = instructions[at]
    if at == 0 and below.keyword == "FROM" and line < below.line:
        # A file's header is read as speaking of the file. Only a comment that touches the FROM means the FROM.
        first = bisect.bisect_left(comments, line)
        between = comments[first : first + below.line - line]
        if list(between) != list(range(line, below.line)):
            raise Refused(
                "a waiver in the file's header",
                hint="put it on the line above the FROM, or write `allow-file` for the whole file",
                line=line,
            )
    return below.line
