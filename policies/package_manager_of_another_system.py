"""package-manager-of-another-system: apk on Debian, apt-get on Alpine, and their like."""

from collections.abc import Iterator

from pipeline.analysis import shell
from pipeline.analysis.bases import ALPINE, DEBIAN, REDHAT, SUSE, family
from pipeline.analysis.calls import calls, problem
from pipeline.analysis.shell import Ran
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity, once_per_file

_HOME = {
    "apt-get": DEBIAN, "apt": DEBIAN, "apt-cache": DEBIAN, "apk": ALPINE, "dnf": REDHAT, "microdnf": REDHAT,
    "yum": REDHAT, "zypper": SUSE,
}  # fmt: skip
_INSTEAD = {DEBIAN: "apt-get install", ALPINE: "apk add", REDHAT: "dnf install", SUSE: "zypper install"}


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the first such call of each RUN, on known bases. A RUN that asks what is there is left alone."""
    seen: set[int] = set()
    for ran, _ in calls(dockerfile, *_HOME):
        if ran.instruction.line in seen:
            continue
        system = family(ran.stage.image)
        home = _HOME[ran.command.program]
        if system in _INSTEAD and system != home:
            seen.add(ran.instruction.line)
            if _asked(dockerfile, ran):
                continue
            message = f"`{ran.command.program}` is not in the image: it belongs to {home}, and the base is {system}"
            yield problem(ran, message, at=0, hint=f"`{_INSTEAD[system]}`, or a base of {home}")


def _asked(dockerfile: Dockerfile, ran: Ran) -> bool:
    """Does the RUN branch, or has an earlier one installed it?"""
    if ran.command.inside or ran.command.joined == "||":
        return True
    of_run = shell.commands(dockerfile, ran.instruction)
    if any(one.inside == "condition" or one.joined == "||" or one.program in ("[", "test", "[[") for one in of_run):
        return True
    return bool({ran.command.program, "yum-utils", "rpm"} & _installed(dockerfile))


@once_per_file
def _installed(dockerfile: Dockerfile) -> frozenset[str]:
    """The package managers that some command names: installs, or copies."""
    names = {*_HOME, "yum-utils", "rpm"}
    return frozenset(word for one in shell.needed(dockerfile) for word in one.command.arguments if word in names)


RULE = Rule(
    id="package-manager-of-another-system",
    severity=Severity.ERROR,
    hint="use the package manager of the base image",
    look=look,
)
