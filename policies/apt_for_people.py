"""apt-for-people: `apt` in a build, whose options and output may change between releases."""

from collections.abc import Iterator
from itertools import groupby

from pipeline import mend
from pipeline.analysis.calls import calls, problem
from pipeline.analysis.shell import Command
from pipeline.model import Context, Dockerfile, Edit, Problem, Rule, Severity

_INSTEAD = {
    "install": "apt-get", "update": "apt-get", "upgrade": "apt-get", "remove": "apt-get", "purge": "apt-get",
    "autoremove": "apt-get", "clean": "apt-get", "autoclean": "apt-get", "download": "apt-get", "source": "apt-get",
    "build-dep": "apt-get", "full-upgrade": "", "list": "", "search": "apt-cache", "show": "apt-cache",
    "policy": "apt-cache", "depends": "apt-cache",
}  # fmt: skip


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each RUN that calls `apt`, at its first call; the fix is for all of them."""
    found = [(ran, call.verb) for ran, call in calls(dockerfile, "apt") if call.verb in _INSTEAD]
    for _, group in groupby(found, key=lambda one: one[0].instruction.line):
        of_run = tuple(group)
        edits = (_edit(ran.command, _INSTEAD[verb]) for ran, verb in of_run if _INSTEAD[verb])
        ran, verb = of_run[0]
        fix = mend.fix("call apt-get", *edits)
        yield problem(ran, f"`apt {verb}` is made for people at a terminal", at=0, fix=fix)


def _edit(command: Command, instead: str) -> Edit | None:
    span = command.argv_spans[0] if command.argv_spans else None
    return mend.replaced(span, instead) if span else None


RULE = Rule(
    id="apt-for-people",
    severity=Severity.INFO,
    hint="call apt-get or apt-cache: their options and output stay the same from release to release",
    look=look,
)
