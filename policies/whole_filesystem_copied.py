"""whole-filesystem-copied: the root of another stage copied over a base."""

from collections.abc import Iterator

from pipeline.analysis.bases import begins_at_root
from pipeline.analysis.walk import copied_from, placed, stage_named
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity, Stage


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each `COPY --from=… / …` of a needed stage.

    Onto the root of scratch it is how layers are flattened; from a stage that begins at scratch, or at an image that
    may hold a single tool, it copies only what was put there. These are left alone.
    """
    for instruction, stage in placed(dockerfile, "COPY"):
        name = copied_from(instruction)
        if name is None or not stage.needed or "/" not in instruction.words[:-1]:
            continue
        source = stage_named(dockerfile, stage, name)
        flattens = stage.image == "scratch" and instruction.words[-1].rstrip("/.") == ""
        if source is not None and not flattens and _holds_a_system(source):
            message = f"everything in the stage {name} is copied, its system too"
            yield Problem(instruction.line, message, stage=stage.label)


def _holds_a_system(stage: Stage) -> bool:
    """Does the stage begin at an image that is known to hold one? Others may hold a single tool (tonistiigi/xx)."""
    return stage.image != "scratch" and begins_at_root(stage.image)


RULE = Rule(
    id="whole-filesystem-copied",
    severity=Severity.WARNING,
    hint="copy the folders that are needed, or build on the stage: FROM that-stage",
    look=look,
)
