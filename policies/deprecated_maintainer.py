"""deprecated-maintainer: MAINTAINER, which a label replaced."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.walk import placed
from pipeline.model import Context, Dockerfile, Fix, Instruction, Problem, Rule, Severity
from pipeline.parse import tokens

_LABEL = "org.opencontainers.image.authors"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each MAINTAINER."""
    for instruction, stage in placed(dockerfile, "MAINTAINER"):
        message = "MAINTAINER is deprecated, and nothing reads what it sets"
        yield Problem(instruction.line, message, stage=stage.label, fix=_fix(dockerfile, instruction))


def _fix(dockerfile: Dockerfile, instruction: Instruction) -> Fix | None:
    parts = tokens(dockerfile, instruction)
    if instruction.end_line > instruction.line or not parts.words:
        return None
    name = instruction.words[0].strip()
    if name[0] == name[-1] and name[0] in "\"'" and len(name) > 1:
        name = name[1:-1]
    escape = dockerfile.escape
    for letter in (escape, '"', "$"):
        name = name.replace(letter, escape + letter)
    casing = "label" if parts.keyword.text.islower() else "LABEL"
    edits = (mend.replaced(parts.keyword.span, casing), mend.replaced(parts.words[0].span, f'{_LABEL}="{name}"'))
    return Fix(f"write it as the label {_LABEL}", edits)


RULE = Rule(
    id="deprecated-maintainer",
    severity=Severity.INFO,
    hint=f'write LABEL {_LABEL}="…"',
    look=look,
)
