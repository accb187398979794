"""ssh-port-exposed: port 22 of an image that ships."""

import re
from collections.abc import Iterator

from pipeline.analysis.walk import placed, resolved
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each EXPOSE of a shipped stage that names port 22 over TCP, or a range with it."""
    for instruction, stage in placed(dockerfile, "EXPOSE"):
        if not stage.ships or "2" not in instruction.original:
            continue
        for word in instruction.words:
            value = resolved(dockerfile, stage, word) or ""
            found = re.fullmatch(r"(?:.*:)?(\d{1,5})(?:-(\d{1,5}))?(?:/tcp)?", value, re.ASCII | re.IGNORECASE)
            if found and int(found[1]) <= 22 <= int(found[2] or found[1]):
                yield Problem(instruction.line, "the image offers SSH", stage=stage.label)


RULE = Rule(
    id="ssh-port-exposed",
    severity=Severity.WARNING,
    hint="use `docker exec` or `kubectl exec`; for training over several nodes let the launcher start the processes",
    look=look,
)
