"""base-without-default: a FROM that names no image until somebody hands in a build argument."""

from collections.abc import Iterator

from pipeline.analysis.bases import problem_with
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.parse.expand import BadWord, Lexer


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each FROM of a needed stage that rests on ARGs which are declared above it and have no value."""
    declared = {
        word
        for instruction in dockerfile.instructions
        if instruction.line < dockerfile.stages[0].line
        for word in instruction.words
        if "=" not in word
    }
    for stage in dockerfile.stages if declared else ():
        if stage.image is not None or not stage.needed or stage.parent is not None:
            continue
        lexer = Lexer(dockerfile.directives.get("escape", "\\"))
        try:
            lexer.word(stage.base, {})
        except BadWord:
            continue
        names = sorted(lexer.missing & declared)
        if names and lexer.missing <= declared:
            yield problem_with(stage, dockerfile, f"there is no base until --build-arg {names[0]}=… gives one")


RULE = Rule(
    id="base-without-default",
    severity=Severity.INFO,
    hint="give the ARG a default that builds",
    look=look,
    by_default=False,
)
