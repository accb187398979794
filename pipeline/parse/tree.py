"""Instructions in, BuildKit's own notation out: one s-expression a line, Go's quotes. Speaks to: nothing."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.model import Instruction
from pipeline.parse.instructions import trigger

_SHORT = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
          "\\": "\\\\", '"': '\\"'}  # fmt: skip


def notation(instructions: Iterable[Instruction], escape: str) -> str:
    """Return the tree, without a newline at its end."""
    return "\n".join(f"({_inner(instruction, escape)})" for instruction in instructions)


def _inner(instruction: Instruction, escape: str) -> str:
    keyword = instruction.keyword.lower()
    flags = f"[{' '.join(map(quoted, instruction.flags))}]" if instruction.flags else ""
    inside = trigger(instruction, escape) if keyword == "onbuild" else None
    words = [f"({_inner(inside, escape)})"] if inside else [quoted(word) for word in instruction.words]
    return " ".join(part for part in (keyword, flags, *words) if part)


def quoted(text: str) -> str:
    """Quote as Go's strconv.Quote does: what can be printed stays."""
    return f'"{"".join(map(_letter, text))}"'


def _letter(letter: str) -> str:
    short = _SHORT.get(letter)
    if short or letter.isprintable():
        return short or letter
    number = ord(letter)
    if 0xD800 <= number <= 0xDFFF:
        return "\\ufffd"
    if number < 0x20 or number == 0x7F:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
