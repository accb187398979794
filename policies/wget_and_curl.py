"""wget-and-curl: both download programs installed for one image."""

from collections.abc import Iterator

from pipeline.analysis.calls import APT, DNF, calls, problem
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the install that brings the second of the two into the shipped image."""
    have: set[str] = set()
    found = [
        (ran, call)
        for ran, call in calls(dockerfile, *APT, *DNF, "apk", "zypper")
        if ran.stage.ships and call.verb in ("install", "in", "add")
    ]
    for ran, call in sorted(found, key=lambda one: one[0].command.line):
        names = {word.partition("=")[0] for word in call.operands} & {"wget", "curl"}
        if names - have and len(names | have) == 2:
            yield problem(ran, "wget and curl do the same, and both ship")
        have |= names


RULE = Rule(
    id="wget-and-curl",
    severity=Severity.INFO,
    hint="choose one of them; `ADD --checksum=… https://…` needs neither",
    look=look,
    by_default=False,
)
