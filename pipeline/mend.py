"""A place in a Dockerfile and words in, the edits that a rule offers out. Speaks to: nothing.

A rule says what should stand there; that the file's line ends and its escape character are kept is seen to here.
`fix` applies what the rules offer.
"""

from __future__ import annotations

from pipeline.analysis.shell import Command
from pipeline.model import Dockerfile, Edit, Fix, Instruction, Span
from pipeline.parse import tokens


def fix(title: str, *edits: Edit | None, safe: bool = True) -> Fix | None:
    """A fix of these edits; None when there are none, or when one of them could not be made."""
    made = tuple(edit for edit in edits if edit is not None)
    return Fix(title, made, safe) if made and len(made) == len(edits) else None


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
    span = command.span_at(index)
    return inserted(span.end, f" {text}") if span else None


def word_dropped(dockerfile: Dockerfile, command: Command, index: int) -> Edit | None:
    """Delete `command.argv[index]` with the blanks before it; on a line of its own, with that line.

    None where the word does not stand in the file as it is, or where deleting it would take a comment along.
    """
    span = command.span_at(index)
    if span is None:
        return None
    raw = content(dockerfile)
    start = len(raw[: span.start].rstrip(b" \t"))
    if raw[start - 1 : start] != b"\n":
        return Edit(Span(start, span.end), "")
    end = len(raw) - len(raw[span.end :].lstrip(b" \t"))
    rest = raw[end : raw.find(b"\n", end) + 1].rstrip(b"\r\n \t")
    if rest == dockerfile.escape.encode():
        return Edit(Span(start, raw.find(b"\n", end) + 1), "")
    return Edit(Span(span.start, end), "") if rest else None


def option_dropped(dockerfile: Dockerfile, command: Command, index: int, option: str) -> Edit | None:
    """Delete an option at `command.argv[index]`: the word, or its letter where it stands among others (-fsSk)."""
    word = command.argv[index]
    if option.startswith("--") or word == option:
        return word_dropped(dockerfile, command, index)
    span = command.span_at(index)
    if span is None or written(dockerfile, span) != word:
        return None
    return replaced(span, word.replace(option[1:], "", 1))


def command_dropped(dockerfile: Dockerfile, before: Command, command: Command) -> Edit | None:
    """Delete a command that `&&` joins to the one before it, operator and all; None where that cannot be done."""
    if command.joined != "&&" or command.piped or not (before.span and command.span):
        return None
    gap = content(dockerfile)[before.span.end : command.span.start]
    return None if b"#" in gap else Edit(Span(before.span.end, command.span.end), "")


def put_in_front(command: Command, text: str) -> Edit | None:
    """Write text before a command; None where it does not stand in the file as it is."""
    return inserted(command.span.start, text) if command.span else None


def _indent(dockerfile: Dockerfile, start: int) -> str:
    raw = content(dockerfile)
    before = raw[raw.rfind(b"\n", 0, start) + 1 : start].decode("utf-8", "replace")
    return before if not before.strip() else ""
