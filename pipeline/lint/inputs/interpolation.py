"""A text with `${NAME:-default}` and the values that are known in, the text with them put in out. Speaks to: nothing.

What a variable would be on the machine that starts the services is not known here. Without a default the whole text
is then None, "not known": a guess would be judged as if it were true.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_DEEPEST = 20


class BadVariable(Exception):
    """A `${` that compose refuses; the text says why."""


def interpolated(text: str, known: Mapping[str, str]) -> str | None:
    """Return the text with variables put in; None when one has neither a value nor a default. Raises BadVariable."""
    if "$" not in text:
        return text
    value, _ = _read(text, 0, known, depth=0)
    return value


def _read(text: str, at: int, known: Mapping[str, str], depth: int) -> tuple[str | None, int]:
    """The text from `at` on with variables put in, up to its end or, inside of braces, to the `}`; and that place."""
    if depth > _DEEPEST:
        raise BadVariable("defaults inside of defaults, too many of them")
    parts: list[str] = []
    unknown = False
    while at < len(text) and not (depth and text[at] == "}"):
        if text[at] != "$":
            stop = re.compile(r"[$}]" if depth else r"\$").search(text, at)
            end = stop.start() if stop else len(text)
            parts.append(text[at:end])
            at = end
            continue
        value: str | None
        if text.startswith("$$", at):
            value, at = "$", at + 2
        elif text.startswith("${", at):
            value, at = _braced(text, at + 2, known, depth)
        elif name := re.compile(_NAME).match(text, at + 1):
            value, at = known.get(name[0]), name.end()
        else:
            raise BadVariable("a `$` that begins no variable; write `$$` for a dollar sign")
        unknown |= value is None
        parts.append(value or "")
    return None if unknown else "".join(parts), at


def _braced(text: str, at: int, known: Mapping[str, str], depth: int) -> tuple[str | None, int]:
    name = re.compile(_NAME).match(text, at)
    if name is None:
        raise BadVariable("`${` without a name behind it")
    value, at = known.get(name[0]), name.end()
    operator = next((one for one in (":-", ":?", ":+", "-", "?", "+") if text.startswith(one, at)), "")
    word: str | None = None
    if operator:
        word, at = _read(text, at + len(operator), known, depth + 1)
    if text[at : at + 1] != "}":
        raise BadVariable(f"`${{{name[0]}` is not closed, or goes on with something that is no operator")
    at += 1
    if operator in (":-", "-"):
        return (word if value is None or (not value and operator == ":-") else value), at
    if operator in (":+", "+"):
        return (None if value is None else word if value or operator == "+" else ""), at
    return value, at


def variables(text: str) -> dict[str, str]:
    """The values in a `.env` file, of what stands there plainly: NAME=value, quoted or not."""
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(rf"\s*(?:export\s+)?({_NAME})\s*[=:]\s*(.*)", line.strip())
        if match is None:
            continue
        value = match[2]
        if value[:1] in ("'", '"'):
            closed = value.find(value[0], 1)
            if closed < 0 or "\\" in value:
                continue
            quoted, value = value[0], value[1:closed]
            if quoted == '"' and "$" in value:
                continue
        else:
            value = re.split(r"\s+#", value, maxsplit=1)[0]
            if "$" in value:
                continue
        found[match[1]] = value
    return found
