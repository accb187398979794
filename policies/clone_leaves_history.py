"""clone-leaves-history: a git repository with all of its history in a layer that ships."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.calls import after, calls, problem, read
from pipeline.analysis.shell import Command
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_SMALL = ("--depth", "--shallow-since", "--filter", "--shallow-exclude", "--single-branch")
_MOVES = ("checkout", "reset", "switch", "merge", "rebase", "cherry-pick", "describe")  # these need the history


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each full clone of a shipped stage whose folder, or its .git, the same RUN does not delete."""
    found = tuple(calls(dockerfile, "git"))
    moving = {ran.stage.index for ran, call in found if call.verb in _MOVES}
    for ran, call in found:
        if call.verb != "clone" or not ran.stage.ships or not call.operands or call.place(*_SMALL) is not None:
            continue
        folder = (call.operands[1] if len(call.operands) > 1 else call.operands[0]).rstrip("/").removesuffix(".git")
        name = folder.rpartition("/")[2]
        if any(one.program == "rm" and _takes(one, name) for one in after(dockerfile, ran)):
            continue
        moves = ran.stage.index in moving
        added = None if moves else mend.word_added(ran.command, call.words[0][0], "--depth 1")
        yield problem(ran, f"the history of {name} ships as well", fix=mend.fix("add --depth 1", added, safe=False))


def _takes(command: Command, name: str) -> bool:
    """Does an rm delete the clone, its .git, or everything around it?"""
    words = [word.rstrip("/") for _, word in read(command).words]
    return any(word.rpartition("/")[2] in (".git", name, "*", "..", "tmp", "src", "build") for word in words)


RULE = Rule(
    id="clone-leaves-history",
    severity=Severity.INFO,
    hint="`--depth 1`, `ADD https://….git#TAG`, or clone in a stage that does not ship",
    look=look,
)
