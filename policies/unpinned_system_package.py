"""unpinned-system-package: a system package without a version."""

from collections.abc import Iterator

from pipeline.analysis.calls import APT, DNF, calls, problem
from pipeline.analysis.variables import substituted
from pipeline.analysis.wording import listed
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_INSTALLS = {**dict.fromkeys((*APT, *DNF, "zypper"), "install"), "apk": "add"}


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each install in a shipped stage that leaves the version of a package to the day of the build."""
    for ran, call in calls(dockerfile, *_INSTALLS):
        program = ran.command.program
        short = program == "zypper" and call.verb == "in"
        if not ran.stage.ships or (call.verb != _INSTALLS[program] and not short):
            continue
        names = [name for word in call.operands for name in substituted(word, ran.stage).split()]
        loose = [name for name in names if not _pinned(program, name)]
        if loose:
            yield problem(ran, f"no version for {listed(loose)}")


def _pinned(program: str, name: str) -> bool:
    """A file, a URL, a group and what a variable holds are not judged."""
    if name.startswith(("$", "@", "/", "./", "http:", "https:")) or name.endswith((".deb", ".rpm", ".apk", "-")):
        return True
    if program in DNF:  # git-2.43.0-1.el9
        return any(part[:1].isdigit() and "." in part for part in name.split("-")[1:])
    return any(sign in name for sign in ("=", "~", "<", ">")) or (program in APT and "/" in name)


RULE = Rule(
    id="unpinned-system-package",
    severity=Severity.INFO,
    hint="name the version (`git=1:2.43.0-1ubuntu7`), or take packages from a snapshot of the distribution",
    look=look,
    by_default=False,
)
