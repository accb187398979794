"""A script's bytes in, the parts of it that the grammar can be given out. Speaks to: nothing (tree-sitter-bash).

The grammar's recovery from errors takes time and memory that grow with the square of what is left open. So a long
script is read in parts of whole lines, and a part that leaves more open than anybody writes is not read at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Parser, Tree

LARGE = 8000  # bytes; the longest RUN of 7000 public ones has 3000
_SMALL = 1000
_NOT_ASCII = re.compile(rb"[\x80-\xff]+")


def chunks(text: bytes) -> Iterator[tuple[int, int]]:
    """Parts of whole lines, none of them large. A line that is large alone is left out."""
    start = end = 0
    for line in text.split(b"\n"):
        if end > start and end + len(line) - start > LARGE:
            yield start, end
            start = end
        end += len(line) + 1
        if len(line) > LARGE:
            start = end
    yield start, min(end, len(text))


def readable(text: bytes) -> bool:
    """Is it short, or are its brackets, pipes and backticks as people write them?"""
    if len(text) <= _SMALL:
        return True
    opened, closed = text.count(b"(") + text.count(b"{"), text.count(b")") + text.count(b"}")
    return text.count(b"|") < 500 and text.count(b"`") < 100 and abs(opened - closed) < 200


def parsed(text: bytes) -> Tree:
    """The tree of a script, whose bytes' places are those of `text`.

    The grammar is given `é` in place of every character beyond ASCII. It looks each up in a table of 256, so a higher
    one behind a `{` can end the process (tree-sitter-bash issue 337), and takes Unicode's spaces for the shell's.
    """
    return _parser().parse(text if text.isascii() else _NOT_ASCII.sub(_plain, text))


def _plain(match: re.Match[bytes]) -> bytes:
    count = len(match[0])
    return b"\xc3\xa9" * (count // 2) + b"_" * (count % 2)


@cache
def _parser() -> Parser:
    """The one parser; it is loaded when the first RUN is read."""
    import tree_sitter

    return tree_sitter.Parser(tree_sitter.Language(_language()))


def _language() -> object:
    """The grammar. Its package imports importlib.resources, which takes longer than to judge a Dockerfile."""
    from importlib import util

    package = util.find_spec("tree_sitter_bash")
    for folder in (package.submodule_search_locations or ()) if package else ():
        binding = PathFinder.find_spec("_binding", [folder])
        if binding is not None and binding.loader is not None:
            module = util.module_from_spec(binding)
            binding.loader.exec_module(module)
            return module.language()
    import tree_sitter_bash

    return tree_sitter_bash.language()
