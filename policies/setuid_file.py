"""setuid-file: a program that runs as its owner, whoever starts it."""

import re
from collections.abc import Iterator

from pipeline.analysis import walk
from pipeline.analysis.calls import calls, problem
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each chmod, install and COPY --chmod that sets the bit in the stages that ship. Groups are left alone."""
    for ran, call in calls(dockerfile, "chmod"):
        if ran.stage.ships and _sets_user(call.verb):
            paths = " ".join(call.operands[:2])
            yield problem(ran, f"{paths or 'this'} runs as its owner, whoever starts it", at=call.words[0][0])
    for placed in walk.placed(dockerfile, "COPY", "ADD"):
        for flag in placed.instruction.flags if placed.stage.ships else ():
            if flag.startswith("--chmod=") and _sets_user(flag.partition("=")[2]):
                message = f"{placed.instruction.words[-1]} runs as its owner, whoever starts it"
                yield Problem(placed.instruction.line, message, stage=placed.stage.label)


def _sets_user(mode: str) -> bool:
    if re.fullmatch(r"[0-7]{4}", mode):
        return int(mode[0]) & 4 != 0
    return bool(re.search(r"(?:^|,)(?:[go]*[ua][ugoa]*)?[+=][rwxX]*s", mode))


RULE = Rule(
    id="setuid-file",
    severity=Severity.WARNING,
    hint="do without: give the file the one capability that it needs (setcap), or start the container as that user",
    look=look,
)
