"""port-casing: a protocol in capitals behind a port."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.walk import placed
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity
from pipeline.parse import tokens


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each `EXPOSE 53/UDP`."""
    for instruction, stage in placed(dockerfile, "EXPOSE"):
        for number, word in enumerate(instruction.words):
            protocol = word.rpartition("/")[2]
            if "/" in word and protocol.lower() in ("tcp", "udp", "sctp") and not protocol.islower():
                at = tokens(dockerfile, instruction).words[number].span
                good = word[: -len(protocol)] + protocol.lower()
                fix = Fix(f"write {good}", (mend.replaced(at, good),))
                yield Problem(instruction.line, f"{word} is known as {good}", stage=stage.label, at=at, fix=fix)


RULE = Rule(
    id="port-casing",
    severity=Severity.INFO,
    hint="write the protocol in lower case",
    look=look,
)
