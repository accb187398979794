"""A place in a Dockerfile and words in, the edits that a rule offers out. Speaks to: nothing.

A rule says what should stand there; that the file's line ends and its escape character are kept is seen to here.
`fix` applies what the rules offer.
"""

from __future__ import annotations

from pipeline.model import Dockerfile, Edit, Instruction, Span
from pipeline.parse import tokens
from pipeline.shell import Command


def replaced(span: Span, text: str) -> Edit:
    """Put `text` in the place of what stands there."""
    return Edit(span, text)


def inserted(offset: int, text: str) -> Edit:
    """Put `text` before the byte at `offset`."""
    return Edit(Span(offset, offset), text)


def written(dockerfile: Dockerfile, span: Span) -> str:
    """What stands at a span."""
    return content(dockerfile)[span.start : span.end].decode("utf-8", "surrogatepass")


def content(dockerfile: Dockerfile) -> bytes:
    """The file's bytes."""
    found: bytes = dockerfile.memo.get("content") or dockerfile.text.encode("utf-8", "surrogatepass")
    dockerfile.memo["content"] = found
    return found


def newline(dockerfile: Dockerfile) -> str:
    """How the file ends its lines: as its first line does."""
    first = dockerfile.text.find("\n")
    return "\r\n" if first > 0 and dockerfile.text[first - 1] == "\r" else "\n"


def deleted(dockerfile: Dockerfile, instruction: Instruction) -> Edit:
    """Delete a whole instruction with its lines; comments above it stay."""
    whole, raw = tokens(dockerfile, instruction).whole, content(dockerfile)
    start = raw.rfind(b"\n", 0, whole.start) + 1
    end = raw.find(b"\n", whole.end)
    return Edit(Span(start, len(raw) if end < 0 else end + 1), "")


def above(dockerfile: Dockerfile, instruction: Instruction, line: str) -> Edit:
    """Write a line above an instruction, indented like it."""
    start = tokens(dockerfile, instruction).whole.start
    return inserted(start, line + newline(dockerfile) + _indent(dockerfile, start))


def below(dockerfile: Dockerfile, instruction: Instruction, line: str) -> Edit:
    """Write a line below an instruction, indented like it."""
    whole = tokens(dockerfile, instruction).whole
    return inserted(whole.end, newline(dockerfile) + _indent(dockerfile, whole.start) + line)


def flag_added(dockerfile: Dockerfile, instruction: Instruction, flag: str) -> Edit:
    """Write `--name=value` after the keyword."""
    return inserted(tokens(dockerfile, instruction).keyword.span.end, f" {flag}")


def word_added(command: Command, index: int, text: str) -> Edit | None:
    """Write a word after `command.argv[index]`; None where the command does not stand in the file as it is."""
    span = command.argv_spans[index] if index < len(command.argv_spans) else None
    return inserted(span.end, f" {text}") if span else None


def _indent(dockerfile: Dockerfile, start: int) -> str:
    raw = content(dockerfile)
    before = raw[raw.rfind(b"\n", 0, start) + 1 : start].decode("utf-8", "replace")
    return before if not before.strip() else ""
