"""HCL text in, its blocks out, each expression as a function of a scope. Speaks to: nothing.

    blocks ── _Bodies.body ── hcl_expressions ── values

It reads the language of docker-bake.hcl: no more of HCL than that. Names, numbers and operators are HCL's own.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.errors import BadFile
from pipeline.lint.inputs.hcl_expressions import NAME, Expressions
from pipeline.lint.inputs.values import Expression

LARGEST = 300_000  # characters


class Attribute(NamedTuple):
    """`name = expression`, and where it stands."""

    value: Expression
    line: int
    text_line: int | None = None  # the first line of the heredoc that the value is


class Block(NamedTuple):
    """A block: its type, its labels, its attributes and the blocks in it."""

    type: str
    labels: tuple[str, ...]
    attributes: dict[str, Attribute]
    blocks: tuple[Block, ...]
    line: int


def blocks(text: str, file: str) -> Block:
    """Return a whole file as one block without a type. Raises BadFile."""
    if len(text) > LARGEST:
        raise BadFile(f"larger than {LARGEST // 1000} kB", file=file, hint="a person should be able to read it")
    reader = _Bodies(text.removeprefix("\ufeff"), file)
    try:
        return reader.body("", (), 1, end="", depth=0)
    except RecursionError:
        raise reader.bad("nested too deeply") from None


def template(text: str, file: str, line: int) -> Expression:
    """Return what a text with `${…}` in it comes to; JSON bake files hold those. Raises BadFile."""
    reader = Expressions(text, file, first_line=line)
    return reader.parts(len(text), 0, escapes=False)


class _Bodies(Expressions):
    """What stands in the text from here on: attributes and blocks."""

    def body(self, type: str, labels: tuple[str, ...], line: int, *, end: str, depth: int) -> Block:
        """Attributes and blocks, up to `end`, or the end of the file."""
        attributes: dict[str, Attribute] = {}
        inner: list[Block] = []
        while True:
            self.blank(wide=True)
            if self.at >= len(self.text) if not end else self.take(end):
                return Block(type, labels, attributes, tuple(inner), line)
            here = self.line()
            name = self.match(NAME) or self.string_key()
            if name is None:
                raise self.bad("here should stand a name")
            self.blank()
            if self.operator("="):
                self.heredoc_line = None
                value = self.expression(depth + 1)
                attributes[name] = Attribute(value, here, self.heredoc_line)
                continue
            found: list[str] = []
            while not self.take("{"):
                label = self.string_key() or self.match(NAME)
                if label is None:
                    raise self.bad(f"behind `{name[:50]}` should stand `=`, a label or a block")
                found.append(label)
                self.blank()
            self.deeper(depth)
            inner.append(self.body(name, tuple(found), here, end="}", depth=depth + 1))
