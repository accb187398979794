"""broken-array: what looks like an array of words and is no JSON, so that a shell gets it."""

import re
from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.walk import placed
from pipeline.model import Context, Dockerfile, Fix, Instruction, Problem, Rule, Severity
from pipeline.parse import tokens


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each CMD, ENTRYPOINT, health check and RUN that begins like `["word"` and is not in JSON form."""
    for instruction, stage in placed(dockerfile, "CMD", "ENTRYPOINT", "RUN", "HEALTHCHECK"):
        if instruction.json_form or "[" not in instruction.original or not instruction.words:
            continue
        text = instruction.words[-1].strip() if instruction.keyword != "HEALTHCHECK" else instruction.words[-1]
        if not re.match(r"\[\s*[\"“”]", text) or _is_a_test(text):
            continue
        good = _mended(text)
        fix = _fix(dockerfile, instruction, good) if good and instruction.line == instruction.end_line else None
        why = f"; it would be {good}" if good and len(good) < 80 else ""
        message = f"this {instruction.keyword} is no JSON array, so a shell is to run it{why}"
        yield Problem(instruction.line, message, stage=stage.label, fix=fix)


def _is_a_test(text: str) -> bool:
    """`[ "$A" = b ] && …` is the shell's own bracket."""
    return bool(re.match(r"\[\s+\S+\s+(?:=|==|!=|-\w+|=~|<|>)\s", text) or re.search(r"\]\s*(?:&&|\|\||;)", text))


def _mended(text: str) -> str | None:
    """The array with plain quotes, a comma less, or a bracket more, where that makes it JSON."""
    import json

    plain = text.replace("“", '"').replace("”", '"')
    closed = plain.removesuffix("]").rstrip().removesuffix(",") + "]"
    for one in (plain, closed, re.sub(r'"[ \t]+"', '", "', closed)):
        try:
            words = json.loads(one)
        except (ValueError, RecursionError):
            continue
        if words and all(isinstance(word, str) for word in words):
            return one
    return None


def _fix(dockerfile: Dockerfile, instruction: Instruction, good: str) -> Fix | None:
    at = tokens(dockerfile, instruction).words[-1].span
    return Fix("make it a JSON array", (mend.replaced(at, good),), safe=False)


RULE = Rule(
    id="broken-array",
    severity=Severity.ERROR,
    hint='an array is JSON: ["word", "word"], every word in double quotes, commas between them, nothing behind it',
    look=look,
)
