"""HCL text in, its blocks out, each expression as a function of a scope. Speaks to: nothing.

    blocks ── _Reader.body ── expression ── template          `values` says what an expression comes to

It reads the language of docker-bake.hcl: no more of HCL than that. Names, numbers and operators are HCL's own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.errors import BadFile
from pipeline.lint.inputs import values
from pipeline.lint.inputs.cursor import Cursor
from pipeline.lint.inputs.functions import built_in
from pipeline.lint.inputs.values import Expression

LARGEST = 300_000  # characters
_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
_NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_HEREDOC = r"<<(-?)([A-Za-z_][A-Za-z0-9_-]{0,99})[ \t\r]*\n"
_OPERATORS: Sequence[tuple[str, ...]] = (
    ("||",), ("&&",), ("==", "!="), ("<=", ">=", "<", ">"), ("+", "-"), ("*", "/", "%"),
)  # fmt: skip

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


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
    reader = _Reader(text.removeprefix("\ufeff"), file)
    try:
        return reader.body("", (), 1, end="", depth=0)
    except RecursionError:
        raise reader.bad("nested too deeply") from None


def template(text: str, file: str, line: int) -> Expression:
    """Return what a text with `${…}` in it comes to; JSON bake files hold those. Raises BadFile."""
    reader = _Reader(text, file, first_line=line)
    return reader.parts(len(text), 0, escapes=False)


class _Reader(Cursor):
    """What stands in the text from here on: a body, an expression, a text with expressions in it."""

    def body(self, type: str, labels: tuple[str, ...], line: int, *, end: str, depth: int) -> Block:
        """Attributes and blocks, up to `end`, or the end of the file."""
        attributes: dict[str, Attribute] = {}
        inner: list[Block] = []
        while True:
            self.blank(wide=True)
            if self.at >= len(self.text) if not end else self.take(end):
                return Block(type, labels, attributes, tuple(inner), line)
            here = self.line()
            name = self.match(_NAME) or self.string_key()
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
                label = self.string_key() or self.match(_NAME)
                if label is None:
                    raise self.bad(f"behind `{name[:50]}` should stand `=`, a label or a block")
                found.append(label)
                self.blank()
            self.deeper(depth)
            inner.append(self.body(name, tuple(found), here, end="}", depth=depth + 1))

    def expression(self, depth: int, *, wide: bool = False) -> Expression:
        """An expression; `wide`: it stands in brackets, and goes on over the end of the line."""
        self.deeper(depth)
        condition = self.binary(0, depth, wide)
        self.blank(wide)
        if not self.take("?"):
            return condition
        self.blank(wide=True)
        yes = self.expression(depth + 1, wide=wide)
        self.blank(wide=True)
        self.want(":")
        no = self.expression(depth + 1, wide=wide)
        return lambda scope: (yes if values.truth(condition(scope)) else no)(scope)

    def binary(self, level: int, depth: int, wide: bool) -> Expression:
        if level == len(_OPERATORS):
            return self.unary(depth, wide)
        left = self.binary(level + 1, depth, wide)
        while True:
            self.blank(wide)
            sign = next((one for one in _OPERATORS[level] if self.operator(one)), None)
            if sign is None:
                return left
            self.blank(wide=True)
            left = values.operation(sign, left, self.binary(level + 1, depth, wide))
            depth += 1
            self.deeper(depth)

    def unary(self, depth: int, wide: bool) -> Expression:
        self.deeper(depth)
        self.blank(wide)
        for sign in "-!":
            if self.take(sign):
                return values.negation(sign, self.unary(depth + 1, wide))
        value = self.primary(depth, wide)
        while True:
            if self.text.startswith("...", self.at) or not self.text.startswith((".", "["), self.at):
                return value
            if self.take("."):
                name = self.match(_NAME) or self.match("[0-9]+") or self.match(r"\*")
                if name is None:
                    raise self.bad("behind the dot should stand a name")
                value = values.member(value, values.constant(name))
            else:
                self.take("[")
                self.blank(wide=True)
                splat = self.take("*")
                key = values.constant("*") if splat else self.expression(depth + 1, wide=True)
                self.blank(wide=True)
                self.want("]")
                value = values.member(value, key)

    def primary(self, depth: int, wide: bool) -> Expression:
        if (number := self.match(_NUMBER)) is not None:
            return values.constant(values.number(number))
        if self.take('"'):
            return self.string(depth)
        if self.text.startswith("<<", self.at):
            return self.heredoc(depth)
        if self.take("("):
            value = self.expression(depth + 1, wide=True)
            self.blank(wide=True)
            self.want(")")
            return value
        if self.take("["):
            return self.list(depth)
        if self.take("{"):
            return self.object(depth)
        name = self.match(_NAME)
        if name is None:
            raise self.bad("here should stand a value")
        if self.take("("):
            return values.call(name, self.items(")", depth), built_in)
        return values.LITERALS[name] if name in values.LITERALS else values.name(name)

    def items(self, end: str, depth: int) -> list[Expression]:
        """Expressions between commas, up to `end`."""
        found: list[Expression] = []
        while True:
            self.blank(wide=True)
            if self.take(end):
                return found
            found.append(self.expression(depth + 1, wide=True))
            self.blank(wide=True)
            if self.take("..."):
                found[-1] = values.unknown
                self.blank(wide=True)
            if not self.take(",") and not self.text.startswith(end, self.at):
                raise self.bad(f"here should stand `,` or `{end}`")

    def list(self, depth: int) -> Expression:
        self.blank(wide=True)
        if (loop := self.loop(depth)) is None:
            return values.all_of(self.items("]", depth))
        names, source = loop
        value = self.expression(depth + 1, wide=True)
        return values.list_for(names, source, value, self.loop_end("]", depth))

    def object(self, depth: int) -> Expression:
        self.blank(wide=True)
        if (loop := self.loop(depth)) is not None:
            names, source = loop
            key = self.expression(depth + 1, wide=True)
            self.blank(wide=True)
            self.want("=>")
            value = self.expression(depth + 1, wide=True)
            return values.object_for(names, source, key, value, self.loop_end("}", depth))
        pairs: list[tuple[Expression, Expression]] = []
        while True:
            self.blank(wide=True)
            if self.take("}"):
                return values.object_of(pairs)
            name = self.match(_NAME)
            key = values.constant(name) if name is not None else self.unary(depth + 1, True)
            self.blank(wide=True)
            if not self.operator("=") and not self.take(":"):
                raise self.bad("behind a key should stand `=`")
            pairs.append((key, self.expression(depth + 1)))
            self.blank()
            self.take(",")

    def loop(self, depth: int) -> tuple[tuple[str, ...], Expression] | None:
        """`for a, b in source :` when one begins here."""
        if self.match(rf"for(?=\s+{_NAME})") is None:
            return None
        names: list[str] = []
        while True:
            self.blank(wide=True)
            names.append(self.match(_NAME) or "")
            self.blank(wide=True)
            if not self.take(","):
                break
        if self.match(r"in\b") is None:
            raise self.bad("behind the names of `for` should stand `in`")
        source = self.expression(depth + 1, wide=True)
        self.blank(wide=True)
        self.want(":")
        return tuple(names), source

    def loop_end(self, end: str, depth: int) -> Expression | None:
        self.blank(wide=True)
        self.take("...")
        self.blank(wide=True)
        condition = self.expression(depth + 1, wide=True) if self.match(r"if\b") is not None else None
        self.blank(wide=True)
        self.want(end)
        return condition

    def string(self, depth: int) -> Expression:
        """The rest of a quoted text. Its parts are read in place, for they can hold quotes themselves."""
        return self.parts(len(self.text), depth, escapes=True)

    def heredoc(self, depth: int) -> Expression:
        found = re.compile(_HEREDOC).match(self.text, self.at)
        if found is None:
            raise self.bad("`<<` begins no heredoc")
        end = re.compile(rf"^[ \t]*{re.escape(found[2])}[ \t\r]*$", re.MULTILINE).search(self.text, found.end())
        if end is None:
            raise self.bad(f"the heredoc {found[2][:50]} has no end")
        self.at = found.end()
        self.heredoc_line = self.line()
        inside = self.text[found.end() : end.start()]
        if found[1]:
            lines = inside.splitlines(keepends=True)
            margin = min((len(one) - len(one.lstrip(" \t")) for one in lines if one.strip()), default=0)
            inside = "".join(one[margin:] for one in lines)
        value = _Reader(inside, self.file, self.heredoc_line).parts(len(inside), depth, escapes=False)
        self.at = end.end()
        return value

    def parts(self, end: int, depth: int, *, escapes: bool) -> Expression:
        """Text and `${…}` in turns; with `escapes` up to a quote, else up to `end`."""
        self.deeper(depth)
        found: list[Expression] = []
        plain = re.compile(r'[^"\\$%\n]+' if escapes else r"[^$%]+")
        while self.at < end:
            if run := plain.match(self.text, self.at, end):
                found.append(values.constant(run[0]))
                self.at = run.end()
                continue
            char = self.text[self.at]
            if escapes and self.take('"'):
                return values.joined(found)
            if escapes and char == "\n":
                break
            if self.text.startswith(("$${", "%%{"), self.at):
                found.append(values.constant(char + "{"))
                self.at += 3
            elif self.text.startswith(("${", "%{"), self.at):
                self.at += 2
                self.take("~")
                found.append(self.interpolation(depth, char))
            elif escapes and char == "\\":
                found.append(values.constant(self.escape()))
            else:
                found.append(values.constant(char))
                self.at += 1
        if escapes:
            raise self.bad("a text whose quote is not closed")
        return values.joined(found)

    def interpolation(self, depth: int, kind: str) -> Expression:
        self.blank(wide=True)
        if kind == "%":  # directives: %{ if } … %{ endif }
            close = self.text.find("}", self.at)
            if close < 0:
                raise self.bad("`%{` is not closed")
            self.at = close + 1
            return values.unknown
        value = self.expression(depth + 1, wide=True)
        self.blank(wide=True)
        self.take("~")
        self.want("}")
        return value

    def escape(self) -> str:
        char = self.text[self.at + 1 : self.at + 2]
        width = {"u": 4, "U": 8}.get(char, 0)
        digits = self.text[self.at + 2 : self.at + 2 + width]
        self.at += 2 + width
        if char in _ESCAPES:
            return _ESCAPES[char]
        try:
            return chr(int(digits, 16)) if width else "\\" + char
        except (ValueError, OverflowError):
            raise self.bad(f"\\{char}{digits} is no character") from None
