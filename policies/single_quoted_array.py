"""single-quoted-array: `CMD ['a', 'b']`, which is no array but a shell command."""

import re
from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.walk import placed
from pipeline.model import Context, Dockerfile, Fix, Instruction, Problem, Rule, Severity
from pipeline.parse import tokens

_ITEM = r"(?:'[^'\"\\]*'|\"[^'\"\\]*\")"
ARRAY = rf"\[\s*{_ITEM}(?:\s*,\s*{_ITEM})*\s*\]"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each instruction whose argument would be a JSON array if its single quotes were double ones."""
    for instruction, stage in placed(dockerfile, "CMD", "ENTRYPOINT", "RUN", "HEALTHCHECK", "VOLUME"):
        if instruction.json_form or "'" not in instruction.original or "[" not in instruction.original:
            continue
        words = instruction.words[1:] if instruction.keyword == "HEALTHCHECK" else instruction.words
        found = re.fullmatch(ARRAY, " ".join(words).strip())
        if found and "'" in found[0]:
            message = f"an array needs double quotes: this {instruction.keyword} runs a shell with `[` as the command"
            if instruction.keyword == "VOLUME":
                message = "an array needs double quotes: the brackets become part of the folders' names"
            yield Problem(instruction.line, message, stage=stage.label, fix=_fix(dockerfile, instruction, found[0]))


def _fix(dockerfile: Dockerfile, instruction: Instruction, array: str) -> Fix | None:
    whole = tokens(dockerfile, instruction).whole
    written = mend.written(dockerfile, whole)
    if written.count(array) != 1 or instruction.heredocs:
        return None
    return Fix(
        "use double quotes", (mend.replaced(whole, written.replace(array, array.replace("'", '"'))),), safe=False
    )


RULE = Rule(
    id="single-quoted-array",
    severity=Severity.ERROR,
    hint='write the words in double quotes: ["a", "b"]',
    look=look,
)
