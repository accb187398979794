"""A script and its place in, its commands in the order in which they run out. Speaks to: nothing (tree-sitter-bash).

The grammar's tree is walked with a stack of our own: a list of commands is as deep as it is long. What the grammar
cannot read it marks; the words in there still count, as far as the operators around them tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from pipeline.analysis.shell import grammar, heredocs
from pipeline.analysis.shell.command import Command, reads_script, script_at
from pipeline.analysis.shell.command import command as made
from pipeline.analysis.shell.parts import REDIRECTS, WORDS, Parts
from pipeline.analysis.shell.source import Source, loose

if TYPE_CHECKING:
    from tree_sitter import Node

DEEPEST = 6  # `$(…)` inside `$(…)`, `sh -c` inside `sh -c`; nobody writes more
_STATEMENTS = frozenset({
    "list", "pipeline", "command", "redirected_statement", "negated_command", "subshell", "compound_statement",
    "if_statement", "while_statement", "for_statement", "c_style_for_statement", "case_statement", "case_item",
    "do_group", "elif_clause", "else_clause", "function_definition", "test_command", "declaration_command",
    "unset_command", "variable_assignment", "variable_assignments", "ERROR",
})  # fmt: skip
_SEPARATORS = frozenset({";", "&", "&&", "||", "|", "|&", ";;", "\n"})
_CONDITIONS = {"if": True, "elif": True, "while": True, "until": True, "then": False, "do": False, "else": False}


class _Frame(NamedTuple):
    """What a statement gets from those around it."""

    joined: str = ""
    piped: bool = False
    reads: bool = False
    inside: str = ""
    redirects: tuple[Node, ...] = ()
    depth: int = 0


def read(source: Source, depth: int = 0, inside: str = "") -> Iterator[Command]:
    """Yield the commands of a script. Lines that nobody can have written by hand have none."""
    shown, bodies = heredocs.taken_out(source.text)
    frame = _Frame(inside=inside, depth=depth)
    if len(shown) <= grammar.LARGE:
        if grammar.readable(shown):
            yield from _Reading(source, shown, source, bodies, 0).commands(frame)
        return
    for start, end in grammar.chunks(shown):
        text = shown[start:end]
        if grammar.readable(text):
            yield from _Reading(source.part(start, end), text, source, bodies, start).commands(frame)


class _Reading:
    """One walk over one tree."""

    def __init__(
        self, source: Source, text: bytes, whole: Source, bodies: dict[int, heredocs.Body], base: int
    ) -> None:
        self.source, self.text = source, text  # the part that is read, as it is and without here-documents
        self.whole, self.bodies, self.base = whole, bodies, base  # base: where the part begins in the whole
        self.work: list[tuple[Node, _Frame] | tuple[Command, _Frame, Parts]] = []

    def commands(self, frame: _Frame) -> Iterator[Command]:
        """Yield the commands of the part."""
        work = self.work
        self._body(grammar.parsed(self.text).root_node, frame)
        while work:
            one = work.pop()
            if len(one) == 3:
                yield from self._read_again(*one)
                continue
            node, context = one
            kind = node.type
            if kind in _SIMPLE:
                self._simple(node, kind, context)
            else:
                _COMPOUND.get(kind, _Reading._body)(self, node, context)

    def _read_again(self, command: Command, frame: _Frame, parts: Parts) -> Iterator[Command]:
        """`sh -c 'a && b'` is a and b, and so is a shell that is given a here-document; the rest is itself."""
        if frame.depth < DEEPEST:
            at = script_at(command)
            if at is not None:
                start, end = parts.ranges[at]
                raw = self.text[start:end]
                if raw[:1] in (b"'", b'"') and raw[-1:] == raw[:1] and raw.count(raw[:1]) == 2 and b"\\" not in raw:
                    inner = self.source.part(start + 1, end - 1)
                else:
                    inner = loose(command.words[at], command.line)
                yield from read(inner, frame.depth + 1, frame.inside)
                return
            if parts.stdin is not None and reads_script(command):
                yield from read(self.whole.part(parts.stdin.start, parts.stdin.end), frame.depth + 1, frame.inside)
                return
        yield command

    # --- what holds statements: they are put on the stack, the last one first ---

    def _body(self, node: Node, frame: _Frame) -> None:
        """A sequence: a program, a `{ …; }`, an `if`. Words that stand in it alone are an unreadable command's."""
        found: list[tuple[Node, _Frame]] = []
        alone: list[Node] = []
        unread = node.type == "ERROR"
        joined, condition, first = "", False, True
        for child in node.children:
            kind = child.type
            if kind in _STATEMENTS:
                operator = (frame.joined if unread else "") if first else joined or "\n"
                inside = "condition" if condition and kind != "do_group" else frame.inside
                found.append((child, frame._replace(joined=operator, inside=inside)))
                joined, first = "", False
            elif kind in _CONDITIONS:
                condition, first, joined = _CONDITIONS[kind], True, ""
            elif kind in _SEPARATORS:
                joined = kind
            elif unread and kind in WORDS and (child.is_named or kind == "$"):
                alone.append(child)
        if alone:
            self._unread(found, alone, frame)
        else:
            self.work += reversed(found)

    def _unread(self, found: list[tuple[Node, _Frame]], nodes: list[Node], frame: _Frame) -> None:
        """What could be read of an unreadable piece, and its words: those that no operator parts are one command."""
        groups: list[list[Node]] = []
        for node in nodes:
            between = self.text[groups[-1][-1].end_byte : node.start_byte] if groups else b";"
            if between.strip(b" \t\\\n"):
                groups.append([])
            groups[-1].append(node)
        while found or groups:
            if found and (not groups or found[-1][0].start_byte > groups[-1][0].start_byte):
                self.work.append(found.pop())
                continue
            group = groups.pop()
            parts = self._parts(group[0].start_byte, group[-1].end_byte)
            for node in group:
                parts.word(node)
            self._finish(parts, frame)

    def _list(self, node: Node, frame: _Frame) -> None:
        """`a && b`: what comes out of a pipe is the first one's, redirections and pipes behind are the last one's."""
        found: list[tuple[Node, _Frame]] = []
        joined = frame.joined
        for child in node.children:
            kind = child.type
            if kind in _STATEMENTS:
                reads = frame.reads and not found
                found.append((child, frame._replace(joined=joined, reads=reads, piped=False, redirects=())))
            elif kind in _SEPARATORS:
                joined = kind
        if found and (frame.redirects or frame.piped):
            last, own = found[-1]
            found[-1] = (last, own._replace(piped=frame.piped, redirects=frame.redirects))
        self.work += reversed(found)

    def _pipeline(self, node: Node, frame: _Frame) -> None:
        statements = [child for child in node.children if child.type in _STATEMENTS]
        last = len(statements) - 1
        for index in range(last, -1, -1):
            context = _Frame(
                joined="|" if index else frame.joined,
                piped=index < last or frame.piped,
                reads=index > 0 or frame.reads,
                inside=frame.inside,
                redirects=frame.redirects if index == last else (),
                depth=frame.depth,
            )
            self.work.append((statements[index], context))

    def _passed_on(self, node: Node, frame: _Frame) -> None:
        """`! a`: it is the same statement."""
        self.work += [(child, frame) for child in reversed(node.children) if child.type in _STATEMENTS]

    def _redirected(self, node: Node, frame: _Frame) -> None:
        redirects = tuple(child for child in node.children if child.type in REDIRECTS)
        body = [child for child in node.children if child.type in _STATEMENTS]
        context = frame._replace(redirects=redirects + frame.redirects)
        if body:
            self.work += [(child, context) for child in reversed(body)]
        else:
            self._finish(self._parts(node.start_byte, node.end_byte), context)

    def _function(self, node: Node, frame: _Frame) -> None:
        self._passed_on(node, frame._replace(joined="", inside="function"))

    def _heads(self, node: Node, frame: _Frame) -> None:
        """`for` and `case`: what stands in the head may hold substitutions."""
        self._body(node, frame)
        for child in node.children:
            if child.type in WORDS:
                self._substitutions(child, frame)

    # --- simple commands ---

    def _parts(self, start: int, end: int) -> Parts:
        return Parts(self.text, self.bodies, self.base, start, end)

    def _simple(self, node: Node, kind: str, frame: _Frame) -> None:
        parts = self._parts(node.start_byte, node.end_byte)
        split: list[tuple[Parts, _Frame]] = []
        for child in [node] if kind == "variable_assignment" else node.children:
            what = child.type
            if what == "variable_assignment" and kind != "declaration_command":
                parts.assignment(child)
            elif what in REDIRECTS:
                parts.redirect(child)
            elif what == "ERROR":
                operator = self.text[child.start_byte : child.end_byte].strip().decode("utf-8", "replace")
                if operator in _SEPARATORS:
                    parts.end = child.start_byte
                    split.append((parts, frame))
                    parts, frame = self._parts(child.end_byte, node.end_byte), frame._replace(joined=operator)
                else:
                    parts.broken(child)
            elif kind == "test_command" and what not in WORDS and child.child_count:
                parts.flat(child)
            else:
                parts.word(child.children[0] if what == "command_name" and child.child_count == 1 else child)
        self._finish(parts, frame)
        for before, context in reversed(split):
            self._finish(before, context._replace(redirects=()))

    def _substitutions(self, node: Node, frame: _Frame) -> None:
        parts = self._parts(node.start_byte, node.end_byte)
        parts.collect(node)
        self._read_substitutions(parts, frame)

    def _read_substitutions(self, parts: Parts, frame: _Frame) -> None:
        if frame.depth < DEEPEST:
            context = _Frame(inside="substitution", depth=frame.depth + 1)
            self.work += [(one, context) for one in reversed(parts.substitutions)]

    def _finish(self, parts: Parts, frame: _Frame) -> None:
        """Put the command on the stack, and what it substitutes on top: that runs before it."""
        for redirect in frame.redirects:
            parts.redirect(redirect)
            if not self.text[parts.end : redirect.start_byte].strip(b" \t\\\n"):  # not that of a `{ …; }` around it
                parts.end = max(parts.end, redirect.end_byte)
        if not (parts.pieces or parts.assignments or parts.redirects):
            self._read_substitutions(parts, frame)
            return
        source = self.source
        start = parts.start
        command = made(
            parts.words(),
            source.line_at(start),
            assignments=parts.assignments,
            spans=tuple([source.span(first, last) for first, last in parts.ranges]),
            span=source.span(start, parts.end),
            joined=frame.joined,
            piped=frame.piped,
            reads_pipe=frame.reads,
            redirects=tuple(parts.redirects),
            inside=frame.inside,
        )
        self.work.append((command, frame, parts))
        if parts.substitutions and script_at(command) is None:
            self._read_substitutions(parts, frame)


_SIMPLE = frozenset({
    "command", "test_command", "declaration_command", "unset_command", "variable_assignment", "variable_assignments",
})  # fmt: skip
_COMPOUND: dict[str, Callable[[_Reading, Node, _Frame], None]] = {
    "list": _Reading._list,
    "pipeline": _Reading._pipeline,
    "negated_command": _Reading._passed_on,
    "redirected_statement": _Reading._redirected,
    "function_definition": _Reading._function,
    "for_statement": _Reading._heads,
    "case_statement": _Reading._heads,
}
