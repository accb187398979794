"""same-instruction-reference: an ENV that uses a variable which the same ENV sets."""

import re
from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.walk import placed
from pipeline.model import Context, Dockerfile, Fix, Instruction, Problem, Rule, Severity, Span
from pipeline.parse import tokens


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the first such variable of each ENV.

    A name that only its own value uses is meant to grow, and one that keeps its value reads the same: both are fine.
    """
    for instruction, stage in placed(dockerfile, "ENV"):
        if len(instruction.words) < 6 or "$" not in instruction.original:
            continue
        earlier: set[str] = set()
        for number, (name, value) in enumerate(zip(instruction.words[::3], instruction.words[1::3], strict=True)):
            used = set(re.findall(r"\$\{?([A-Za-z_]\w*)", value)) if "$" in value else set()
            again = sorted(used & earlier)
            if again:
                message = f"{name} gets the ${again[0]} from before this ENV, not the one set here"
                yield Problem(instruction.line, message, stage=stage.label, at=_at(dockerfile, instruction, number),
                              fix=_fix(dockerfile, instruction, number))  # fmt: skip
                break
            if value.strip("\"'") not in (f"${name}", f"${{{name}}}"):  # ARG X, ENV X=$X: both are the same
                earlier.add(name)


def _at(dockerfile: Dockerfile, instruction: Instruction, number: int) -> Span:
    words = tokens(dockerfile, instruction).words
    return Span(words[3 * number].span.start, words[3 * number + 1].span.end)


def _fix(dockerfile: Dockerfile, instruction: Instruction, number: int) -> Fix | None:
    """A second ENV from the pair on that uses the first ones."""
    parts = tokens(dockerfile, instruction)
    gap = Span(parts.words[3 * number - 2].span.end, parts.words[3 * number].span.start)
    if "#" in mend.written(dockerfile, gap):
        return None
    text = f"{mend.newline(dockerfile)}{parts.keyword.text} "
    return Fix("set it in an ENV of its own", (mend.replaced(gap, text),), safe=False)


RULE = Rule(
    id="same-instruction-reference",
    severity=Severity.WARNING,
    hint="set the second variable in an ENV of its own",
    look=look,
)
