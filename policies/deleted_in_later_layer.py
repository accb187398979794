"""deleted-in-later-layer: a file deleted in another layer than the one that brought it."""

from collections.abc import Iterator

from pipeline.analysis.calls import by_program, calls, problem
from pipeline.analysis.made import is_small, made, mounted, path_in_run
from pipeline.analysis.paths import lies_below
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each rm, in a shipped stage, of what an earlier instruction is certain to have made, scripts left out."""
    if "rm" not in by_program(dockerfile):
        return
    large = tuple(one for one in made(dockerfile) if not is_small(one.path))
    for ran, call in calls(dockerfile, "rm"):
        if not ran.stage.ships or not large or large[0].instruction.line >= ran.instruction.line:
            continue
        for place, word in call.words:
            path = path_in_run(dockerfile, ran.instruction, ran.stage, word.rstrip("*").rstrip("/") or "/")
            if path is None or path == "/" or mounted(dockerfile, ran.instruction, path):
                continue
            line = ran.instruction.line
            before = [one for one in large if one.instruction.line < line and lies_below(one.path, path)]
            if before:
                first = before[0]
                where = f"{first.instruction.keyword} in line {first.instruction.line}"
                yield problem(ran, f"{first.path} came with the {where}, and stays in that layer", at=place)


RULE = Rule(
    id="deleted-in-later-layer",
    severity=Severity.WARNING,
    hint="use it without a layer (`RUN --mount=type=bind,…`), or delete it in the RUN that made it",
    look=look,
)
