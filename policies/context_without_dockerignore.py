"""context-without-dockerignore: the whole folder is copied, and nothing keeps .git and the like out."""

from collections.abc import Iterator

from pipeline import context as contexts
from pipeline.analysis.walk import copied_from, flag_names, placed
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_UNWANTED = (".git", ".venv", "venv", "node_modules", ".env", ".aws", ".ssh", ".terraform", ".mypy_cache")


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the first COPY or ADD of the whole context into a shipped stage while unwanted folders lie in it.

    Only where the folder of the build is known and has no .dockerignore.
    """
    for instruction, stage in placed(dockerfile, "COPY", "ADD") if context.folder else ():
        whole = any(word in (".", "./", "/", "*", "./*") for word in instruction.words[:-1])
        if (
            not (stage.ships and whole)
            or copied_from(instruction) is not None
            or "exclude" in flag_names(instruction)
        ):
            continue
        build = contexts.of(dockerfile, context)
        if build is None or build.ignored is not None:
            return
        unwanted = [name for name in _UNWANTED if build.exists(name)]
        if unwanted:
            message = f"the image gets {', '.join(unwanted)} as well: the folder has no .dockerignore"
            yield Problem(instruction.line, message, stage=stage.label)
        return


RULE = Rule(
    id="context-without-dockerignore",
    severity=Severity.WARNING,
    hint="write a .dockerignore beside it that lists them",
    look=look,
)
