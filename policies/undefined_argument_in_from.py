"""undefined-argument-in-from: a variable in FROM that no ARG above the first FROM declares."""

from collections.abc import Iterator
from itertools import islice

from pipeline.analysis.walk import global_arguments, missing, nearest, placed
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity, Stage

_MOST = 200  # ARGs that are looked at to tell where a name is declared
_PARTS = ("PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT")
PREDEFINED = frozenset(f"{side}{part}" for side in ("BUILD", "TARGET") for part in _PARTS) | {"TARGETSTAGE"}


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each name in a FROM or its platform that has no value there and no default beside it."""
    known = [word.partition("=")[0] for one in global_arguments(dockerfile) for word in one.words]
    for stage in dockerfile.stages:
        start = stage.instructions[0]
        if "$" in start.original:
            for name in sorted(missing(dockerfile, (start.words[0], *start.flags)) - {*known, *PREDEFINED}):
                yield Problem(
                    stage.line,
                    _message(dockerfile, stage, name),
                    stage=stage.label,
                    hint=_hint(dockerfile, name, known),
                )


def _message(dockerfile: Dockerfile, stage: Stage, name: str) -> str:
    for instruction, other in islice(placed(dockerfile, "ARG"), _MOST):
        if other.index < stage.index and any(word.partition("=")[0] == name for word in instruction.words):
            return f"${name} is empty here: its ARG on line {instruction.line} belongs to the stage {other.label}"
    return f"${name} is empty here: no ARG above the first FROM declares it"


def _hint(dockerfile: Dockerfile, name: str, known: list[str]) -> str | None:
    meant = nearest(dockerfile, name, known)
    return f"did you mean ${meant}?" if meant else None


RULE = Rule(
    id="undefined-argument-in-from",
    severity=Severity.WARNING,
    hint="declare it with ARG above the first FROM: no other ARG, and no ENV, counts there",
    look=look,
)
