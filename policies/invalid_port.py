"""invalid-port: an EXPOSE that no engine accepts."""

import re
from collections.abc import Iterator

from pipeline.analysis.walk import placed, resolved
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

HIGHEST = 65_535


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each word of an EXPOSE that is no port, range or port with a protocol, where its value is known."""
    for instruction, stage in placed(dockerfile, "EXPOSE"):
        for word in instruction.words:
            value = resolved(dockerfile, stage, word)
            for one in (value or "").split():
                wrong = _wrong(one.rpartition(":")[2])  # what stands before is for host-port-in-expose
                if wrong:
                    yield Problem(instruction.line, f"EXPOSE {one}: {wrong}", stage=stage.label)


def _wrong(port: str) -> str | None:
    found = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?(?:/([A-Za-z0-9]*))?", port, re.ASCII)
    if not found:
        return "no port is written like this"
    first, last = int(found[1]), int(found[2] or found[1])
    if max(first, last) > HIGHEST:
        return f"a port is at most {HIGHEST}"
    if last < first:
        return "the range ends before it begins"
    if found[3] is not None and found[3].lower() not in ("tcp", "udp", "sctp"):
        return "the protocol is tcp, udp or sctp"
    return None


RULE = Rule(
    id="invalid-port",
    severity=Severity.ERROR,
    hint="write a number up to 65535, or a range, with /tcp, /udp or /sctp if need be: EXPOSE 8000 9000-9010/udp",
    look=look,
)
