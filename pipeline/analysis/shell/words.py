"""A word of the shell's syntax tree in, its text without quotes out. Speaks to: nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

_ANSI = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\033", "f": "\f", "v": "\v"}


def plain(node: Node, kind: str, text: bytes) -> str:
    """Return what a word reads as; what the shell would put in is kept as it is written. `text` is the script's."""
    if kind == "concatenation" or kind == "variable_assignment":
        return "".join([plain(child, child.type, text) for child in node.children])
    raw = text[node.start_byte : node.end_byte].decode("utf-8", "replace")
    if kind == "word" or kind == "number":
        return raw if "\\" not in raw else re.sub(r"\\(\n|.|\Z)", _escaped, raw, flags=re.DOTALL)
    if kind == "string":
        if "\\" not in raw:
            return raw[1:-1] if raw[-1:] == '"' and len(raw) > 1 else raw[1:]
        return "".join(_quoted(node, text))
    if kind == "raw_string":
        return raw[1:-1]
    if kind == "ansi_c_string":
        return re.sub(r"\\(.)", lambda found: _ANSI.get(found[1], found[1]), raw[2:-1], flags=re.DOTALL)
    if kind == "translated_string":
        return raw.removeprefix("$").strip('"')
    return raw


def _escaped(found: re.Match[str]) -> str:
    return "" if found[1] == "\n" else found[1]


def _quoted(node: Node, text: bytes) -> list[str]:
    """The pieces of a "…". Blanks beside a substitution are in no node: what lies between the nodes is content."""
    parts: list[str] = []
    end = node.start_byte + 1
    stop = node.end_byte - (text[node.end_byte - 1 : node.end_byte] == b'"')
    for child in node.children:
        if child.type in ('"', "string_content"):
            continue
        kept = text[child.start_byte : child.end_byte].decode("utf-8", "replace")
        parts += (_content(text[end : child.start_byte]), kept)
        end = child.end_byte
    parts.append(_content(text[end:stop]))
    return parts


def _content(raw: bytes) -> str:
    return re.sub(r'\\(?:([$`"\\])|\n)', lambda found: found[1] or "", raw.decode("utf-8", "replace"))
