"""unpinned-clone: a git repository cloned at whatever its branch is today."""

import re
from collections.abc import Iterator

from pipeline.analysis.calls import Call, calls, problem
from pipeline.analysis.shell import Ran
from pipeline.analysis.variables import substituted
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_BRANCH = r"(?:origin/)?(?:main|master|trunk|develop|devel|dev|next|nightly|latest|stable|staging|head|HEAD)"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each clone that names no tag or commit, and whose stage does not check one out afterwards."""
    found = tuple(calls(dockerfile, "git"))
    settled: dict[int, int] = {}  # the last line of each stage that leaves the branch
    for ran, call in found:
        if _settles(ran, call):
            settled[ran.stage.index] = max(ran.command.line, settled.get(ran.stage.index, 0))
    for ran, call in found:
        if call.verb != "clone" or not call.operands or not re.match(r"(https?|git|ssh)://|git@", call.operands[0]):
            continue
        named = [substituted(value, ran.stage) for value in call.values("-b", "--branch", "--revision")]
        if any(not re.fullmatch(_BRANCH, one) for one in named):
            continue
        if settled.get(ran.stage.index, 0) < ran.command.line:
            what = f"the branch {named[0]}" if named else "the default branch"
            yield problem(ran, f"{what} of {_name(call.operands[0])} is cloned as it stands on the day of the build")


def _settles(ran: Ran, call: Call) -> bool:
    """Does it leave the branch: `git checkout v1.2`, `git reset --hard COMMIT`?"""
    known = call.verb in ("checkout", "reset", "switch", "fetch")
    return known and any(not re.fullmatch(_BRANCH, substituted(one, ran.stage)) for one in call.operands)


def _name(url: str) -> str:
    return url.rstrip("/").removesuffix(".git").rpartition("/")[2]


RULE = Rule(
    id="unpinned-clone",
    severity=Severity.INFO,
    hint="`git clone --branch TAG`, or `git checkout COMMIT` in the same RUN; `ADD https://….git#COMMIT` does both",
    look=look,
)
