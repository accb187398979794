"""recommended-packages: apt installs what packages merely recommend."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.calls import APT, calls, problem
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each apt install of a shipped stage without --no-install-recommends. A configuration file counts."""
    configured: bool | None = None  # told once: the text may be long, and the calls many
    for ran, call in calls(dockerfile, *APT):
        if call.verb != "install" or not ran.stage.ships or call.place("--no-install-recommends") is not None:
            continue
        if configured is None:
            configured = "Install-Recommends" in dockerfile.text
        if configured or call.place("--install-recommends", "--download-only", "-d") is not None:
            continue
        if not call.operands or any(word.startswith("$") for word in ran.command.arguments[:2]):
            continue
        if ran.command.program == "aptitude":
            continue  # it calls the option --without-recommends
        added = mend.word_added(ran.command, call.words[0][0], "--no-install-recommends")
        fix = mend.fix("add --no-install-recommends", added, safe=False)
        yield problem(ran, "packages that are only recommended are installed as well", fix=fix)


RULE = Rule(
    id="recommended-packages",
    severity=Severity.INFO,
    hint="add --no-install-recommends, and name what the build turns out to miss",
    look=look,
)
