"""HCL text in, one expression at a time out, each as a function of a scope. Speaks to: nothing.

    expression ── binary ── unary ── primary ── list, object, string, heredoc ── parts (a text with `${…}` in it)

`values` says what an expression comes to. Names, numbers and operators are HCL's own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.lint.inputs import values
from pipeline.lint.inputs.cursor import Cursor
from pipeline.lint.inputs.functions import built_in
from pipeline.lint.inputs.values import Expression

NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
_NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_HEREDOC = r"<<(-?)([A-Za-z_][A-Za-z0-9_-]{0,99})[ \t\r]*\n"
_OPERATORS: Sequence[tuple[str, ...]] = (
    ("||",), ("&&",), ("==", "!="), ("<=", ">=", "<", ">"), ("+", "-"), ("*", "/", "%"),
)  # fmt: skip

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


class Expressions(Cursor):
    """What stands in the text from here on: an expression, or a text with expressions in it."""

    def expression(self, depth: int, *, wide: bool = False) -> Expression:
        """An expression; `wide`: it stands in brackets, and goes on over the end of the line."""
        self.deeper(depth)
        condition = self._binary(0, depth, wide)
        self.blank(wide)
        if not self.take("?"):
            return condition
        self.blank(wide=True)
        yes = self.expression(depth + 1, wide=wide)
        self.blank(wide=True)
        self.want(":")
        no = self.expression(depth + 1, wide=wide)
        return lambda scope: (yes if values.truth(condition(scope)) else no)(scope)

    def _binary(self, level: int, depth: int, wide: bool) -> Expression:
        if level == len(_OPERATORS):
            return self._unary(depth, wide)
        left = self._binary(level + 1, depth, wide)
        while True:
            self.blank(wide)
            sign = next((one for one in _OPERATORS[level] if self.operator(one)), None)
            if sign is None:
                return left
            self.blank(wide=True)
            left = values.operation(sign, left, self._binary(level + 1, depth, wide))
            depth += 1
            self.deeper(depth)

    def _unary(self, depth: int, wide: bool) -> Expression:
        self.deeper(depth)
        self.blank(wide)
        for sign in "-!":
            if self.take(sign):
                return values.negation(sign, self._unary(depth + 1, wide))
        value = self._primary(depth, wide)
        while True:
            if self.text.startswith("...", self.at) or not self.text.startswith((".", "["), self.at):
                return value
            if self.take("."):
                name = self.match(NAME) or self.match("[0-9]+") or self.match(r"\*")
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

    def _primary(self, depth: int, wide: bool) -> Expression:
        if (number := self.match(_NUMBER)) is not None:
            return values.constant(values.number(number))
        if self.take('"'):
            return self._string(depth)
        if self.text.startswith("<<", self.at):
            return self._heredoc(depth)
        if self.take("("):
            value = self.expression(depth + 1, wide=True)
            self.blank(wide=True)
            self.want(")")
            return value
        if self.take("["):
            return self._list(depth)
        if self.take("{"):
            return self._object(depth)
        name = self.match(NAME)
        if name is None:
            raise self.bad("here should stand a value")
        if self.take("("):
            return values.call(name, self._items(")", depth), built_in)
        return values.LITERALS[name] if name in values.LITERALS else values.name(name)

    def _items(self, end: str, depth: int) -> list[Expression]:
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

    def _list(self, depth: int) -> Expression:
        self.blank(wide=True)
        if (loop := self._loop(depth)) is None:
            return values.all_of(self._items("]", depth))
        names, source = loop
        value = self.expression(depth + 1, wide=True)
        return values.list_for(names, source, value, self._loop_end("]", depth))

    def _object(self, depth: int) -> Expression:
        self.blank(wide=True)
        if (loop := self._loop(depth)) is not None:
            names, source = loop
            key = self.expression(depth + 1, wide=True)
            self.blank(wide=True)
            self.want("=>")
            value = self.expression(depth + 1, wide=True)
            return values.object_for(names, source, key, value, self._loop_end("}", depth))
        pairs: list[tuple[Expression, Expression]] = []
        while True:
            self.blank(wide=True)
            if self.take("}"):
                return values.object_of(pairs)
            name = self.match(NAME)
            key = values.constant(name) if name is not None else self._unary(depth + 1, True)
            self.blank(wide=True)
            if not self.operator("=") and not self.take(":"):
                raise self.bad("behind a key should stand `=`")
            pairs.append((key, self.expression(depth + 1)))
            self.blank()
            self.take(",")

    def _loop(self, depth: int) -> tuple[tuple[str, ...], Expression] | None:
        """`for a, b in source :` when one begins here."""
        if self.match(rf"for(?=\s+{NAME})") is None:
            return None
        names: list[str] = []
        while True:
            self.blank(wide=True)
            names.append(self.match(NAME) or "")
            self.blank(wide=True)
            if not self.take(","):
                break
        if self.match(r"in\b") is None:
            raise self.bad("behind the names of `for` should stand `in`")
        source = self.expression(depth + 1, wide=True)
        self.blank(wide=True)
        self.want(":")
        return tuple(names), source

    def _loop_end(self, end: str, depth: int) -> Expression | None:
        self.blank(wide=True)
        self.take("...")
        self.blank(wide=True)
        condition = self.expression(depth + 1, wide=True) if self.match(r"if\b") is not None else None
        self.blank(wide=True)
        self.want(end)
        return condition

    def _string(self, depth: int) -> Expression:
        """The rest of a quoted text. Its parts are read in place, for they can hold quotes themselves."""
        return self.parts(len(self.text), depth, escapes=True)

    def _heredoc(self, depth: int) -> Expression:
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
        value = Expressions(inside, self.file, self.heredoc_line).parts(len(inside), depth, escapes=False)
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
                found.append(self._interpolation(depth, char))
            elif escapes and char == "\\":
                found.append(values.constant(self._escape()))
            else:
                found.append(values.constant(char))
                self.at += 1
        if escapes:
            raise self.bad("a text whose quote is not closed")
        return values.joined(found)

    def _interpolation(self, depth: int, kind: str) -> Expression:
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

    def _escape(self) -> str:
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
