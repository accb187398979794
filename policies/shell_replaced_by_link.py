"""shell-replaced-by-link: /bin/sh made a link to another shell."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.calls import calls, problem
from pipeline.analysis.shell import commands
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.parse import tokens


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each command that puts a link in the place of /bin/sh."""
    for ran, call in calls(dockerfile, "ln"):
        words = [word for _, word in call.words]
        if len(words) != 2 or words[1] not in ("/bin/sh", "/usr/bin/sh"):
            continue
        target = words[0] if words[0].startswith("/") else f"/bin/{words[0]}"
        fix = None
        others = [one for one in commands(dockerfile, ran.instruction) if one is not ran.command]
        if all(one.program in ("rm", "mv") for one in others) and not ran.instruction.heredocs and "$" not in target:
            whole = tokens(dockerfile, ran.instruction).whole
            fix = mend.fix("say it with SHELL", mend.replaced(whole, f'SHELL ["{target}", "-c"]'), safe=False)
        yield problem(ran, f"/bin/sh becomes {words[0]} for every script of the system", fix=fix)


RULE = Rule(
    id="shell-replaced-by-link",
    severity=Severity.WARNING,
    hint='`SHELL ["/bin/bash", "-c"]` changes the shell of RUN, and of nothing else',
    look=look,
)
