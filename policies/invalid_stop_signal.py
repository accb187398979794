"""invalid-stop-signal: a STOPSIGNAL that is no signal, or one that no process can handle."""

import re
from collections.abc import Iterator

from pipeline.analysis.walk import placed, resolved
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_SIGNALS = frozenset({
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "UNUSED", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
})  # fmt: skip


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each STOPSIGNAL of a shipped stage that an engine would not take, and KILL and STOP."""
    for instruction, stage in placed(dockerfile, "STOPSIGNAL"):
        value = resolved(dockerfile, stage, instruction.words[0])
        if value is None or not stage.ships:
            continue
        name = value.strip().upper().removeprefix("SIG")
        if name in ("KILL", "STOP", "9", "19"):
            message = f"no process can handle {value}: it ends without cleaning up"
            yield Problem(
                instruction.line, message, stage=stage.label, hint="mostly SIGTERM is what it shuts down on"
            )
        elif not _is_signal(name):
            yield Problem(instruction.line, f"there is no signal {value}", stage=stage.label)


def _is_signal(name: str) -> bool:
    if name.isascii() and name.isdecimal():
        return 1 <= int(name[:6]) <= 64
    return name in _SIGNALS or bool(re.fullmatch(r"RTMIN\+(?:\d|1[0-5])|RTMAX-(?:\d|1[0-4])", name))


RULE = Rule(
    id="invalid-stop-signal",
    severity=Severity.ERROR,
    hint="name a signal, SIGTERM or SIGINT, or its number from 1 to 64",
    look=look,
)
