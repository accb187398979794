"""legacy-key-value: `ENV name value` without an equals sign."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.walk import placed
from pipeline.model import Context, Dockerfile, Fix, Instruction, Problem, Rule, Severity, Span
from pipeline.parse import tokens
from pipeline.parse.words import split


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each ENV and LABEL in the old form."""
    for instruction, stage in placed(dockerfile, "ENV", "LABEL"):
        if instruction.words[2:3] == ("",):
            name = instruction.words[0]
            message = f"everything after {name} is its value, to the end of the line"
            yield Problem(instruction.line, message, stage=stage.label, fix=_fix(dockerfile, instruction))


def _fix(dockerfile: Dockerfile, instruction: Instruction) -> Fix | None:
    """Quote a value with blanks. One that mixes blanks, quotes and escapes would read otherwise: left alone."""
    value, escape = instruction.words[1], dockerfile.escape
    name, text, _ = (token.span for token in tokens(dockerfile, instruction).words)
    if b"\n" in mend.content(dockerfile)[name.end : text.start]:
        return None
    quote = ""
    if split(value, escape) != [value]:
        if any(letter in value for letter in ('"', "'", escape)):
            return None
        quote = '"'
    edits = [mend.replaced(Span(name.end, text.start), f"={quote}")]
    if quote:
        edits.append(mend.inserted(text.end, quote))
    return Fix("write name=value", tuple(edits))


RULE = Rule(
    id="legacy-key-value",
    severity=Severity.INFO,
    hint="write name=value, and quote a value with blanks",
    look=look,
)
