"""YAML text in, its values with the place of every key out. Speaks to: nothing.

Unlike yamlfile this reads files that other programs define, where anchors and merge keys are common: an anchor is
copied wherever it is used, up to a limit. Only PyYAML's own loader in Python is used: libyaml's recursion in C has no
limit, and a file of brackets ends the process.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from pipeline.errors import BadFile
from pipeline.model.service import Place

LARGEST = 300_000  # characters: seconds of reading
_MOST = 50_000  # values, each use of an anchor counted
_DEEPEST = 60
_NULL = ("", "~", "null", "Null", "NULL")
_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
_INTEGER = r"[-+]?(0o[0-7]+|0x[0-9a-fA-F]+|[0-9]+)"
_FLOAT = r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"


class Map(dict[str, Any]):
    """A mapping that knows where each of its keys stands. `replaces`: tagged `!override`, it is not merged."""

    def __init__(self) -> None:
        super().__init__()
        self.places: dict[str, Place] = {}
        self.replaces = False

    def put(self, key: str, value: Any, place: Place) -> None:
        """Set a key."""
        self[key] = value
        self.places[key] = place

    def part(self, key: str) -> Map:
        """The mapping at a key; an empty one where there is something else."""
        value = self.get(key)
        return value if isinstance(value, Map) else Map()

    def items_of(self, key: str) -> Items:
        """The list at a key; an empty one where there is something else."""
        value = self.get(key)
        return value if isinstance(value, Items) else Items()


class Items(list[Any]):
    """A list that knows where each of its items stands."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[Place] = []
        self.replaces = False

    def put(self, value: Any, place: Place) -> None:
        """Add an item."""
        self.append(value)
        self.places.append(place)


class Removed:
    """What `!reset` leaves of a value: as if it had never been written."""


class Words(str):
    """A text and where it begins. `literal`: a `|` block, whose lines are those of the file from `line` on.

    `varies`: a variable was put in, so that what it says is not what the file says.
    """

    __slots__ = ("line", "literal", "varies")
    line: int
    literal: bool
    varies: bool


def read(text: str, file: str) -> Map:
    """Return the mapping in a text. Raises BadFile."""
    if len(text) > LARGEST:
        raise BadFile(
            f"larger than {LARGEST // 1000} kB", file=file, hint="this file is meant to be written by a person"
        )
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        value = Map() if root is None else _Reader(file).value(root, 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadFile(f"not YAML: {error.problem or error.context}", file=file, line=mark.line + 1 if mark else None,
                      hint="check quotes, indentation and colons near there") from None  # fmt: skip
    except yaml.YAMLError as error:
        raise BadFile(f"not YAML: {error}", file=file, hint="it must be a UTF-8 text file") from None
    except RecursionError:
        raise BadFile("nested too deeply", file=file, hint="nobody writes it like that by hand") from None
    except ValueError as error:
        raise BadFile(f"not YAML: {error}", file=file, hint="check the numbers and escapes in it") from None
    if not isinstance(value, Map):
        raise BadFile("must hold keys and values", file=file, line=1, hint="write `key: value`")
    return value


class _Reader:
    """Nodes in, values out; counts what it makes, because an anchor can be used again and again."""

    def __init__(self, file: str) -> None:
        self.file, self.made = file, 0

    def value(self, node: yaml.Node, depth: int) -> Any:
        self.made += 1
        if self.made > _MOST or depth > _DEEPEST:
            raise self._bad("its anchors unfold to too much, or it is nested too deeply", node)
        if node.tag == "!reset":
            return Removed()
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            items = Items()
            items.replaces = node.tag == "!override"
            for one in node.value:
                items.put(self.value(one, depth + 1), self._place(one))
            return items
        assert isinstance(node, yaml.ScalarNode)
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> Map:
        found, merged = Map(), Map()
        found.replaces = node.tag == "!override"
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                self._merge(merged, value, depth)
                continue
            name = str(key.value) if isinstance(key, yaml.ScalarNode) and isinstance(key.value, Hashable) else ""
            if name in found:
                raise self._bad(f"the key `{name[:100]}` is there twice", key)
            found.put(name, self.value(value, depth + 1), self._place(key))
        for name, value in merged.items():
            if name not in found:
                found.put(name, value, merged.places[name])
        return found

    def _merge(self, merged: Map, node: yaml.Node, depth: int) -> None:
        """Take in what `<<` names; of several mappings the first that has a key gives it."""
        for one in node.value if isinstance(node, yaml.SequenceNode) else (node,):
            value = self.value(one, depth + 1)
            if not isinstance(value, Map):
                raise self._bad("`<<` takes a mapping, or a list of them", one)
            for name, item in value.items():
                if name not in merged:
                    merged.put(name, item, value.places[name])

    def _place(self, node: yaml.Node) -> Place:
        start, end = node.start_mark, node.end_mark
        if start is None or end is None:
            return Place(self.file, 1)
        return Place(self.file, start.line + 1, start.column + 1, end.column + 1 if end.line == start.line else None)

    def _bad(self, what: str, node: yaml.Node) -> BadFile:
        return BadFile(what, file=self.file, line=self._place(node).line, hint="write it out, once")


def _scalar(node: yaml.ScalarNode) -> Any:
    """A scalar as YAML 1.2 has it, which compose reads: `yes` is a text, `012` octal, `22:22` no number."""
    text = str(node.value)
    if not node.style:
        if text in _NULL:
            return None
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        if len(text) < 40 and re.fullmatch(_INTEGER, text):
            digits = text.lstrip("+-")
            octal = len(digits) > 1 and digits.isdigit() and digits[0] == "0" and not set(digits) & set("89")
            number = int(digits, 8) if octal else int(digits) if digits.isdigit() else int(digits, 0)
            return -number if text[0] == "-" else number
        if len(text) < 40 and re.fullmatch(_FLOAT, text):
            return float(text)
    words = Words(text)
    words.literal, words.varies = node.style == "|", False
    words.line = (node.start_mark.line if node.start_mark else 0) + (2 if words.literal else 1)
    return words


def plain(value: Any) -> str | None:
    """A scalar as the text that a build argument or a variable gets: 12.10 is 12.1. None for what is no scalar."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
    return str(value) if isinstance(value, int | str) else None
