"""copied-file-ignored: a COPY of something that .dockerignore keeps out of the build."""

from collections.abc import Iterator

from pipeline import context as contexts
from pipeline.analysis.walk import copied_from, placed, resolved, sources
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each source of a needed stage that the context's .dockerignore excludes with all that it holds.

    Only where the folder of the build is known. A pattern that matches other files as well still copies those.
    """
    build = contexts.of(dockerfile, context) if context.folder else None
    if build is None or build.ignored is None:
        return
    for instruction, stage in placed(dockerfile, "COPY", "ADD"):
        if not stage.needed or copied_from(instruction) is not None:
            continue
        for word in sources(instruction):
            path = resolved(dockerfile, stage, word)
            if not path or "://" in path or path.startswith("git@"):
                continue
            out = build.excluded(path)
            if out and not build.sources(path):
                message = (
                    f"{path} is kept out by {build.ignored.file.rpartition('/')[2]}, so there is nothing to copy"
                )
                yield Problem(instruction.line, message, stage=stage.label)


RULE = Rule(
    id="copied-file-ignored",
    severity=Severity.WARNING,
    hint="take it out of .dockerignore, or add an exception with `!` below the pattern",
    look=look,
)
