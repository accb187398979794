"""keyword-casing: keywords in upper and lower case in one file."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.model import Context, Dockerfile, Fix, Instruction, Problem, Rule, Severity
from pipeline.parse import tokens


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each keyword that is not written like most of the file's, and each AS that is not like its FROM."""
    keywords = [one.original[: len(one.keyword)] for one in dockerfile.instructions]
    lower = sum(keyword.islower() for keyword in keywords) * 2 > len(keywords)
    for instruction, keyword in zip(dockerfile.instructions, keywords, strict=True):
        good = keyword.lower() if lower else keyword.upper()
        if keyword != good:
            at = tokens(dockerfile, instruction).keyword.span
            fix = Fix(f"write {good}", (mend.replaced(at, good),))
            yield Problem(instruction.line, f"{keyword}, where the file writes {good}", at=at, fix=fix)
        if instruction.keyword == "FROM" and len(instruction.words) == 3:
            yield from _as(dockerfile, instruction, lower)


def _as(dockerfile: Dockerfile, instruction: Instruction, lower: bool) -> Iterator[Problem]:
    written, good = instruction.words[1], "as" if lower else "AS"
    if written != good:
        at = tokens(dockerfile, instruction).words[1].span
        fix = Fix(f"write {good}", (mend.replaced(at, good),))
        yield Problem(instruction.line, f"{written}, where the file writes keywords like {good}", at=at, fix=fix)


RULE = Rule(
    id="keyword-casing",
    severity=Severity.INFO,
    hint="write all keywords alike; upper case is the custom",
    look=look,
    by_default=False,
)
