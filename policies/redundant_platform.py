"""redundant-platform: `FROM --platform=$TARGETPLATFORM`, which is what FROM does anyway."""

import re
from collections.abc import Iterator

from pipeline.model import Context, Dockerfile, Edit, Fix, Problem, Rule, Severity, Span
from pipeline.parse import tokens


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each FROM whose platform is the one that is built for. An ARG of that name changes what it means."""
    own = any(one.keyword == "ARG" and "TARGETPLATFORM=" in one.original for one in dockerfile.instructions)
    for stage in dockerfile.stages:
        start = stage.instructions[0]
        if (
            start.flags
            and not own
            and re.fullmatch(r"--platform=\$(?:TARGETPLATFORM|\{TARGETPLATFORM\})", start.flags[0])
        ):
            parts = tokens(dockerfile, start)
            cut = Span(parts.keyword.span.end, parts.flags[0].span.end)
            fix = Fix("drop --platform=$TARGETPLATFORM", (Edit(cut, ""),))
            message = "the platform that is built for is the default"
            yield Problem(stage.line, message, stage=stage.label, at=parts.flags[0].span, fix=fix)


RULE = Rule(
    id="redundant-platform",
    severity=Severity.INFO,
    hint="drop the flag",
    look=look,
)
