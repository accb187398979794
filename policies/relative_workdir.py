"""relative-workdir: a WORKDIR that depends on the base image's."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.paths import inside
from pipeline.analysis.walk import placed, resolved, states
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity
from pipeline.parse import tokens


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each relative WORKDIR of a needed stage that has none before it.

    One whose variables have no value is not judged.
    """
    for instruction, stage in placed(dockerfile, "WORKDIR"):
        word = instruction.words[0]
        if word[:1] == "/" or not stage.needed:
            continue
        path = resolved(dockerfile, stage, word)
        if path is None or path[:1] in ("/", "\\") or path[1:2] == ":":
            continue
        before = states(dockerfile)[instruction.line]
        if before.folder_is_set:
            continue  # the WORKDIR that it goes on from stands above it
        at = tokens(dockerfile, instruction).words[0].span
        folder = inside(before.folder, path)
        if folder is None:
            message = f"{path} lies wherever the base image's WORKDIR is"
            yield Problem(instruction.line, message, stage=stage.label, at=at)
            continue
        fix = None if "$" in word or " " in folder else Fix(f"write {folder}", (mend.replaced(at, folder),))
        yield Problem(instruction.line, f"{path} means {folder} here", stage=stage.label, at=at, fix=fix)


RULE = Rule(
    id="relative-workdir",
    severity=Severity.WARNING,
    hint="write the absolute path",
    look=look,
)
