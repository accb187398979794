"""ownership-changed-later: chown or chmod over a tree that an earlier layer brought, which stores it twice."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis import shell
from pipeline.analysis.calls import Call, calls, problem
from pipeline.analysis.made import Made, is_small, made, mounted, path_in_run
from pipeline.analysis.paths import lies_below
from pipeline.analysis.shell import Ran
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each recursive chown, chgrp or chmod of a shipped stage over what an earlier instruction made."""
    for ran, call in calls(dockerfile, "chown", "chmod", "chgrp"):
        if not ran.stage.ships or call.place("-R", "--recursive") is None:
            continue
        for place, word in call.words[1:]:
            path = path_in_run(dockerfile, ran.instruction, ran.stage, word.rstrip("*").rstrip("/") or "/")
            if path is None or mounted(dockerfile, ran.instruction, path):
                continue
            line = ran.instruction.line
            earlier = (one for one in made(dockerfile) if one.whole and one.instruction.line < line)
            before = [one for one in earlier if lies_below(one.path, path) and not is_small(one.path)]
            if before:
                first, more = before[0], len(before) - 1
                what = f"{first.path} and {more} more are" if more else f"{first.path} is"
                new = "mode" if ran.command.program == "chmod" else "owner"
                message = f"{what} stored twice: as line {first.instruction.line} brought it, and with the new {new}"
                yield problem(ran, message, at=place, fix=_fix(dockerfile, ran, call, path, before))


def _fix(dockerfile: Dockerfile, ran: Ran, call: Call, path: str, before: list[Made]) -> Fix | None:
    """`COPY --chown` instead, where the RUN does nothing else, follows its COPYs at once, and they go just there."""
    if ran.command.program != "chown" or len(call.words) != 2 or "`" in call.verb or "$(" in call.verb:
        return None
    if shell.commands(dockerfile, ran.instruction) != (ran.command,) or ran.instruction.flags:
        return None
    copies = [one.instruction for one in before]
    first = min(one.line for one in copies)
    between = [one for one in ran.stage.instructions if first <= one.line < ran.instruction.line]
    if any(one.keyword not in ("COPY", "ENV", "ARG", "LABEL", "WORKDIR") for one in between):
        return None
    if any(one.path != path or one.stage is not ran.stage for one in before):
        return None
    if any(one.keyword != "COPY" or any(flag.startswith("--chown") for flag in one.flags) for one in copies):
        return None
    added = [mend.flag_added(dockerfile, one, f"--chown={call.verb}") for one in copies]
    return mend.fix("say it with COPY --chown", *added, mend.deleted(dockerfile, ran.instruction), safe=False)


RULE = Rule(
    id="ownership-changed-later",
    severity=Severity.WARNING,
    hint="`COPY --chown=… --chmod=…` sets both at once; for what a RUN makes, do it in that RUN",
    look=look,
)
