"""Logical lines in, instructions out, each with its arguments in its own form. Speaks to: nothing.

This is what BuildKit's parser accepts, and no more strict than that: `FROM` without an image is an instruction
here. `grammar` says what BuildKit refuses afterwards.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import NamedTuple

from pipeline import lazily
from pipeline.model import Heredoc, Instruction
from pipeline.parse import heredocs, words
from pipeline.parse.lines import SPACE, Lines, Refused

_ASCII_SPACE = lazily.pattern(r"[\t\n\v\f\r ]+")

Form = tuple[list[str], bool]  # words, and whether they stood in a JSON array


class _Line(NamedTuple):
    keyword: str
    words: list[str]
    flags: list[str]
    json_form: bool
    heredocs: bool  # whether the instruction takes any


def read(lines: Lines) -> tuple[Instruction, ...]:
    """Return every instruction. Raises Refused, with the line that the instruction begins on."""
    found: list[Instruction] = []
    escape = lines.escape
    while (logical := lines.next()) is not None:
        text, start = logical
        bodies: tuple[Heredoc, ...] = ()
        try:
            line = _line(text, escape)
            if line.heredocs and "<<" in text:
                bodies = tuple([lines.heredoc(opening) for opening in heredocs.opened(text)])
        except Refused as refused:
            refused.line = start
            raise
        found.append(
            Instruction(
                keyword=line.keyword,
                words=tuple(line.words),
                flags=tuple(line.flags),
                json_form=line.json_form,
                original=text,
                line=start,
                end_line=lines.at,
                heredocs=bodies,
            )
        )
    if not found:
        raise Refused("there is no instruction in it", hint="begin with `FROM image`", line=max(1, len(lines.raw)))
    return tuple(found)


def trigger(onbuild: Instruction, escape: str = "\\") -> Instruction | None:
    """Return the instruction that an ONBUILD holds, with its own flags and form; None for an empty ONBUILD."""
    text = _parts(onbuild.original, escape)[2]
    if not text:
        return None
    line = _line(text, escape, inside=True)
    return onbuild._replace(
        keyword=line.keyword,
        words=tuple(line.words),
        flags=tuple(line.flags),
        json_form=line.json_form,
        original=text,
    )


def _parts(text: str, escape: str) -> tuple[str, list[str], str]:
    """Split a logical line into its keyword, its flags and the rest."""
    parts = words.BLANKS.split(text.strip(SPACE), 1)
    if len(parts) == 1:
        return parts[0], [], ""
    flags, rest = words.flags(parts[1], escape)
    return parts[0], flags, rest.strip(SPACE)


def _line(text: str, escape: str, *, inside: bool = False) -> _Line:
    keyword, flags, rest = _parts(text, escape)
    name = keyword.lower()
    if name == "onbuild":
        if inside:
            raise Refused("an ONBUILD inside an ONBUILD", hint="write the inner instruction only")
        if not rest:
            return _Line("ONBUILD", [], flags, False, False)
        inner = _line(rest, escape, inside=True)
        return _Line("ONBUILD", [inner.keyword, *inner.words], flags, False, inner.heredocs)
    form = _FORMS.get(name)
    if form is None:
        return _Line(keyword.upper(), [""], flags, False, False)
    arguments, json_form = form(rest, escape)
    return _Line(name.upper(), arguments, flags, json_form, name in _WITH_HEREDOCS and not json_form)


# --- the forms: the rest of the line in, words out -----------------------------------------------------


def _string(rest: str, escape: str) -> Form:
    return ([rest] if rest else []), False


def _blanks(rest: str, escape: str) -> Form:
    return words.blank_separated(rest), False


def _names(rest: str, escape: str) -> Form:
    return words.split(rest, escape), False


def _json_or_string(rest: str, escape: str) -> Form:
    items = _json(rest)
    return (items, True) if items is not None else _string(rest, escape)


def _json_or_blanks(rest: str, escape: str) -> Form:
    items = _json(rest)
    return (items, True) if items is not None else _blanks(rest, escape)


def _names_values(rest: str, escape: str) -> Form:
    """`name=value …` or the old `name value`: key, value, delimiter in turns."""
    pairs = words.split(rest, escape)
    if not pairs:
        return [], False
    if "=" not in pairs[0]:
        old = words.BLANKS.split(rest, 1)
        if len(old) < 2:
            raise Refused(f"`{rest}` has no value", hint="write name=value")
        return [old[0], old[1], ""], False
    turns: list[str] = []
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise Refused(f"`{pair}` has no `=`", hint="write name=value, and quote a value with blanks in it")
        turns += (key, value, "=")
    return turns, False


def _health(rest: str, escape: str) -> Form:
    """A type, then a command in either form."""
    if not rest:
        return [], False
    kind, *after = _ASCII_SPACE.split(rest, 1)
    command, json_form = _json_or_string(after[0] if after else "", escape)
    return [kind, *command], json_form


def _json(rest: str) -> list[str] | None:
    """Return the array's strings, or None when it is no JSON array. Raises Refused for other items than strings."""
    rest = rest.lstrip(SPACE)
    if not rest.startswith("["):
        return None
    try:
        items = json.loads(rest, parse_float=_number, parse_int=_number, parse_constant=_constant)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(item, str) for item in items):
        raise Refused("an array holds something else than strings", hint='write ["word", "word"], numbers quoted too')
    if "\\u" in rest:
        # Half a surrogate pair is no character; it becomes the replacement character, as in Go.
        items = [item.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for item in items]
    return list(items)


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(text)
    return value


def _constant(text: str) -> float:
    raise ValueError(text)  # NaN and Infinity are Python's, not JSON's


_FORMS: dict[str, Callable[[str, str], Form]] = {
    "add": _json_or_blanks,
    "arg": _names,
    "cmd": _json_or_string,
    "copy": _json_or_blanks,
    "entrypoint": _json_or_string,
    "env": _names_values,
    "expose": _blanks,
    "from": _blanks,
    "healthcheck": _health,
    "label": _names_values,
    "maintainer": _string,
    "run": _json_or_string,
    "shell": _json_or_string,
    "stopsignal": _string,
    "user": _string,
    "volume": _json_or_blanks,
    "workdir": _string,
}
_WITH_HEREDOCS = frozenset(("add", "copy", "run"))
KEYWORDS = (*(name.upper() for name in _FORMS), "ONBUILD")
