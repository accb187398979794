"""host-port-in-expose: an EXPOSE that tries to choose the host's port or address."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.walk import placed
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity
from pipeline.parse import tokens


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each word of an EXPOSE with a colon outside a `${…}`."""
    for instruction, stage in placed(dockerfile, "EXPOSE"):
        if ":" not in instruction.original:
            continue
        for number, word in enumerate(instruction.words):
            if ":" in word and "${" not in word:
                at = tokens(dockerfile, instruction).words[number].span
                port = word.rpartition(":")[2]
                fix = Fix(f"write {port}", (mend.replaced(at, port),)) if port else None
                message = f"{word}: an image cannot choose where its port is published"
                yield Problem(instruction.line, message, stage=stage.label, at=at, fix=fix)


RULE = Rule(
    id="host-port-in-expose",
    severity=Severity.WARNING,
    hint="write the container's port only; `docker run --publish` chooses the host's",
    look=look,
)
