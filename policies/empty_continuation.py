"""empty-continuation: an empty line inside an instruction that goes on after it."""

from collections.abc import Iterator

from pipeline.model import Context, Dockerfile, Edit, Fix, Problem, Rule, Severity
from pipeline.parse.spans import in_bytes, line_starts, logical

_MOST = 100  # edits in one fix; more than that is no file that a person wrote


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the first empty line of each instruction that has some; the content of here-documents does not count."""
    lines: list[str] = []
    for instruction in dockerfile.instructions:
        if instruction.end_line == instruction.line:
            continue
        lines = lines or dockerfile.text.split("\n")
        last = min(instruction.end_line, len(lines))
        empty = [number for number in range(instruction.line + 1, last + 1) if not lines[number - 1].strip()]
        if empty and instruction.heredocs:
            end = logical(dockerfile, instruction).last_line
            empty = [number for number in empty if number <= end]
        if empty:
            message = f"the {instruction.keyword} of line {instruction.line} goes on after this empty line"
            yield Problem(empty[0], message, fix=_fix(dockerfile, empty))


def _fix(dockerfile: Dockerfile, empty: list[int]) -> Fix | None:
    if len(empty) > _MOST:
        return None
    starts = line_starts(dockerfile)
    ends = [starts[number] if number < len(starts) else len(dockerfile.text) for number in empty]
    edits = (Edit(in_bytes(dockerfile, starts[n - 1], end), "") for n, end in zip(empty, ends, strict=True))
    return Fix("delete the empty lines inside the instruction", tuple(edits))


RULE = Rule(
    id="empty-continuation",
    severity=Severity.WARNING,
    hint="delete the empty line, or the backslash above it if the instruction was to end there",
    look=look,
)
