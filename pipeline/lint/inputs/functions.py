"""The functions of HCL that are worked out here, by name. Speaks to: nothing.

Those that ask the clock, the network or the file system are not; nor are those with Go's regular expressions.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any

from pipeline.lint.inputs.values import LONGEST, NotKnown, numeric, text_of, truth


def built_in(name: str) -> Callable[..., Any]:
    """Return the function of that name. Raises NotKnown."""
    if name not in FUNCTIONS:
        raise NotKnown
    return FUNCTIONS[name]


def _replace(text: str, old: str, new: str) -> str:
    if old.startswith("/") and old.endswith("/") and len(old) > 1:  # a regular expression of Go
        raise NotKnown
    if text.count(old) * len(new) > LONGEST:
        raise NotKnown
    return text.replace(old, new)


def _format(pattern: str, *given: Any) -> str:
    """`%s`, `%d`, `%v` and `%%` only; what has a width or a precision is not worked out."""
    values = iter(given)
    parts = re.split(r"(%.)", pattern)
    if any(part.startswith("%") and part not in ("%s", "%d", "%v", "%%") for part in parts):
        raise NotKnown
    text = (("%" if part == "%%" else text_of(next(values, None))) if part[:1] == "%" else part for part in parts)
    return "".join(text)


def _join(separator: str, *lists: list[Any]) -> str:
    items = [text_of(item) for one in lists for item in one]
    if sum(map(len, items)) + len(separator) * len(items) > LONGEST:
        raise NotKnown
    return separator.join(items)


def _merge(*maps: dict[str, Any]) -> dict[str, Any]:
    return {key: value for one in maps for key, value in one.items()}


def _coalesce(*given: Any) -> Any:
    for value in given:
        if value not in (None, ""):
            return value
    raise NotKnown


def _lookup(holder: dict[str, Any], key: str, *default: Any) -> Any:
    value = holder.get(key, *default) if default else holder[key]
    if value is NotKnown:
        raise NotKnown
    return value


def _flatten(items: list[Any]) -> list[Any]:
    return list(itertools.chain.from_iterable(_flatten(one) if isinstance(one, list) else [one] for one in items))


def _distinct(items: list[Any]) -> list[Any]:
    if len(items) > 1000:
        raise NotKnown
    return [one for number, one in enumerate(items) if one not in items[:number]]


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "add": lambda a, b: numeric(a) + numeric(b),
    "and": lambda a, b: truth(a) and truth(b),
    "chomp": lambda text: text.rstrip("\r\n"),
    "coalesce": _coalesce,
    "compact": lambda items: [one for one in items if one != ""],
    "concat": lambda *lists: [item for one in lists for item in one],
    "contains": lambda items, item: item in items,
    "distinct": _distinct,
    "element": lambda items, at: items[at % len(items)],
    "equal": lambda a, b: a == b,
    "flatten": _flatten,
    "format": _format,
    "index": lambda holder, at: _lookup(holder, at) if isinstance(holder, dict) else holder[at],
    "join": _join,
    "keys": lambda holder: sorted(holder),
    "length": len,
    "lookup": _lookup,
    "lower": lambda text: text.lower(),
    "merge": _merge,
    "not": lambda value: not truth(value),
    "notequal": lambda a, b: a != b,
    "or": lambda a, b: truth(a) or truth(b),
    "replace": _replace,
    "reverse": lambda text: text[::-1],
    "split": lambda separator, text: text.split(separator),
    "strlen": len,
    "substr": lambda text, start, length: text[start:] if length < 0 else text[start : start + length],
    "title": lambda text: text.title(),
    "trim": lambda text, letters: text.strip(letters),
    "trimprefix": lambda text, prefix: text.removeprefix(prefix),
    "trimspace": lambda text: text.strip(),
    "trimsuffix": lambda text, suffix: text.removesuffix(suffix),
    "upper": lambda text: text.upper(),
    "values": lambda holder: [holder[key] for key in sorted(holder)],
}
