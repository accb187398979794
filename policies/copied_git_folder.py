"""copied-git-folder: a repository's history copied into the image that ships."""

from collections.abc import Iterator

from pipeline.analysis.walk import copied_from, placed
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each COPY and ADD of a shipped stage that names a .git folder of the context."""
    for instruction, stage in placed(dockerfile, "COPY", "ADD"):
        if not stage.ships or ".git" not in instruction.original or copied_from(instruction) is not None:
            continue
        for word in instruction.words[:-1]:
            path = word.strip("\"'").rstrip("/")
            if path == ".git" or path.endswith("/.git"):
                yield Problem(instruction.line, f"{word} holds the whole history", stage=stage.label)


RULE = Rule(
    id="copied-git-folder",
    severity=Severity.WARNING,
    hint="mount it for the RUN that needs it, `--mount=type=bind,source=.git,target=/src/.git`, or pass a version",
    look=look,
)
