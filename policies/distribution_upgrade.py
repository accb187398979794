"""distribution-upgrade: every package of the base image brought up to date in a layer."""

from collections.abc import Iterator

from pipeline.analysis.calls import APT, DNF, calls, problem
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_UPGRADES = {
    **dict.fromkeys(APT, "upgrade dist-upgrade full-upgrade safe-upgrade"),
    **dict.fromkeys(DNF, "update upgrade distro-sync upgrade-minimal"),
    "apk": "upgrade",
    "zypper": "update up dist-upgrade dup",
}


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each upgrade of everything in a shipped stage. One of named packages or of security fixes is fine."""
    for ran, call in calls(dockerfile, *_UPGRADES):
        program = ran.command.program
        if not ran.stage.ships or call.verb not in _UPGRADES[program].split() or call.operands:
            continue
        if call.place("--security", "--advisory", "--sec-severity", "--bugfix") is None:
            yield problem(ran, f"`{program} {call.verb}` replaces packages of the base image, and both copies ship")


RULE = Rule(
    id="distribution-upgrade",
    severity=Severity.INFO,
    hint="take a newer base image, by digest; or upgrade the packages that need it by name",
    look=look,
)
