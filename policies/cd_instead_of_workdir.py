"""cd-instead-of-workdir: a RUN that begins with cd."""

from collections.abc import Iterator

from pipeline.analysis.calls import calls, problem
from pipeline.analysis.shell import commands
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each RUN whose first command is `cd`. One that only changes the folder is effect-lost's."""
    for ran, call in calls(dockerfile, "cd"):
        of_run = commands(dockerfile, ran.instruction)
        if len(of_run) > 1 and of_run[0] is ran.command and call.words and not ran.instruction.heredocs:
            yield problem(ran, f"`cd {call.verb}` holds for this RUN only, and the next one starts elsewhere")


RULE = Rule(
    id="cd-instead-of-workdir",
    severity=Severity.INFO,
    hint="write WORKDIR, or give the program the folder (`git -C`, `make -C`, `tar -C`)",
    look=look,
    by_default=False,
)
