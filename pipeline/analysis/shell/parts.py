"""The nodes of one simple command in, its words, assignments and redirections out. Speaks to: nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.analysis.shell.heredocs import Body
from pipeline.analysis.shell.words import plain

if TYPE_CHECKING:
    from tree_sitter import Node

WORDS = frozenset({
    "word", "string", "raw_string", "concatenation", "number", "simple_expansion", "expansion", "brace_expression",
    "command_substitution", "process_substitution", "arithmetic_expansion", "ansi_c_string", "translated_string",
    "extglob_pattern", "regex", "test_operator", "command_name", "variable_name", "special_variable_name", "array",
    "subscript", "$", "=", "==", "!=", "=~", "<", ">", "!", "(", ")", "-", "+", ":",
})  # fmt: skip
REDIRECTS = frozenset({"file_redirect", "herestring_redirect", "heredoc_redirect"})


class Parts:
    """What a command is put together from while its nodes are looked at. Offsets are those of the text that is read.

    `bodies` are the script's here-documents by the offset of their `<<`; the text begins at its offset `base`.
    """

    __slots__ = (
        "assignments", "base", "bodies", "end", "pieces", "ranges", "redirects", "start", "stdin", "substitutions",
        "text",
    )  # fmt: skip

    def __init__(self, text: bytes, bodies: dict[int, Body], base: int, start: int, end: int) -> None:
        self.text, self.bodies, self.base = text, bodies, base
        self.start, self.end = start, end
        self.pieces: list[list[str]] = []  # of each word
        self.ranges: list[tuple[int, int]] = []  # where each word stands
        self.assignments: dict[str, str] = {}
        self.redirects: list[tuple[str, str]] = []
        self.substitutions: list[Node] = []  # the `$(…)` in all of these
        self.stdin: Body | None = None

    def words(self) -> tuple[str, ...]:
        """The words without their quotes."""
        return tuple([word[0] if len(word) == 1 else "".join(word) for word in self.pieces])

    def broken(self, node: Node) -> None:
        """An unreadable piece inside a command: the words in it belong to that."""
        for child in node.children:
            if child.type in WORDS:
                self.word(child)
            elif child.type in REDIRECTS:
                self.redirect(child)

    def word(self, node: Node) -> None:
        """A word; one that stands right behind the last is a part of it."""
        start, end = node.start_byte, node.end_byte
        if start == end:
            return  # the grammar missed it
        kind = node.type
        word = plain(node, kind, self.text)
        if kind not in ("word", "raw_string", "number"):
            self.collect(node)
        if self.ranges and self.ranges[-1][1] == start:  # two nodes, one word
            self.pieces[-1].append(word)
            self.ranges[-1] = (self.ranges[-1][0], end)
        else:
            self.pieces.append([word])
            self.ranges.append((start, end))

    def flat(self, node: Node) -> None:
        """The words of `[ a = b ]`, which the grammar nests."""
        waiting = [node]
        while waiting:
            one = waiting.pop()
            if one.type in WORDS or not one.child_count:
                self.word(one)
            else:
                waiting += reversed(one.children)

    def assignment(self, node: Node) -> None:
        """`A=b`, `A+=b`, `A=(b c)`: the value without quotes, an array as it is written."""
        children = node.children
        if len(children) < 2:
            return
        name = plain(children[0], "word", self.text)
        self.assignments[name] = "".join([plain(child, child.type, self.text) for child in children[2:]])
        self.collect(node)

    def redirect(self, node: Node) -> None:
        """`2> file`; for a here-document the target is its name."""
        descriptor = operator = ""
        target: str | None = None
        body = None
        for child in node.children:
            kind = child.type
            if kind == "file_descriptor":
                descriptor = plain(child, "word", self.text)
            elif kind in WORDS and kind not in ("<", ">"):
                if target is None:
                    target = plain(child, kind, self.text)
                    self.collect(child)
                else:
                    self.word(child)  # `cat > f a b`: the grammar takes a and b for targets too
            elif not operator:
                operator = kind
                body = self.bodies.pop(child.start_byte + self.base, None)
        if body is not None:
            operator, target = body.operator, body.name
            self.stdin = body
        if operator:
            self.redirects.append((descriptor + operator, target or ""))

    def collect(self, node: Node) -> None:
        """Remember the substitutions in a word; those inside them are found when they are read."""
        raw = self.text[node.start_byte : node.end_byte]
        if b"$(" not in raw and b"`" not in raw and b"<(" not in raw and b">(" not in raw:
            return
        waiting = [node]
        while waiting:
            one = waiting.pop()
            if one.type in ("command_substitution", "process_substitution"):
                self.substitutions.append(one)
            else:
                waiting += reversed(one.children)
