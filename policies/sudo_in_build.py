"""sudo-in-build: sudo in a RUN."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.shell import Ran, needed
from pipeline.analysis.walk import is_root
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity, Span


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each command that sudo runs."""
    if "sudo" not in dockerfile.text:
        return
    for ran in needed(dockerfile):
        words = ran.command.words
        if len(words) < 2 or words[0].rpartition("/")[2] != "sudo":
            continue
        root = is_root(dockerfile, ran.stage, ran.instruction)
        message = "sudo in a build that runs as root already" if root else _MESSAGE
        at = ran.command.spans[0] if ran.command.spans else None
        fix = _fix(dockerfile, ran) if root else None
        yield Problem(ran.command.line, message, stage=ran.stage.label, at=at, fix=fix)


_MESSAGE = "sudo can only work here without a password, so whoever runs in the container can become root as well"


def _fix(dockerfile: Dockerfile, ran: Ran) -> Fix | None:
    """Drop the word, and options that change nothing for root."""
    words, spans = ran.command.words, ran.command.spans
    keep = next((at for at, word in enumerate(words) if at and word not in ("-E", "-n", "-H", "-EH", "-HE")), 0)
    if not keep or words[keep].startswith("-") or "=" in words[keep] or len(spans) <= keep:
        return None
    first, rest = spans[0], spans[keep]
    if first is None or rest is None or "\n" in mend.written(dockerfile, Span(first.start, rest.start)):
        return None
    return mend.fix("drop sudo", mend.replaced(Span(first.start, rest.start), ""))


RULE = Rule(
    id="sudo-in-build",
    severity=Severity.WARNING,
    hint="do what needs root before the USER instruction, or between `USER root` and the user's own",
    look=look,
)
