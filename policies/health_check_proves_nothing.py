"""health-check-proves-nothing: a HEALTHCHECK that says healthy whatever the server does."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from pipeline import mend
from pipeline.analysis.health import HealthCheck, health_check
from pipeline.analysis.shell import Command
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity
from pipeline.parse import tokens

_FAILS = r"-[a-zA-Z]*f[a-zA-Z]*|--fail(?:-with-body|-early)?"  # the switches that make curl mind the status


class _Nothing(NamedTuple):
    message: str
    curl: bool = False


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the HEALTHCHECK that ships if its command cannot fail, or does not fail when the server answers 500."""
    health = health_check(dockerfile)
    if health is None or not health.commands:
        return
    nothing = _nothing(health)
    if nothing is not None:
        yield Problem(
            health.instruction.line,
            nothing.message,
            stage=health.stage.label,
            at=tokens(dockerfile, health.instruction).whole,
            fix=_fix(dockerfile, health) if nothing.curl else None,
        )


def _nothing(health: HealthCheck) -> _Nothing | None:
    commands = health.commands
    written = health.instruction.words[-1] if not health.instruction.json_form else " ".join(commands[-1].words)
    last, end = commands[-1], written[-200:]
    if all(_is_nothing(command) for command in commands):
        return _Nothing("this health check cannot fail")
    if (
        len(commands) > 1
        and _is_nothing(last)
        and re.search(r"(?:\|\||;)\s*(?:true|:|exit\s+0|echo\b.*)\s*;?\s*$", end)
    ):
        return _Nothing(f"`{' '.join(last.words)[:40]}` at its end makes this health check pass whatever came before")
    if all(command.program == "nvidia-smi" for command in commands):
        return _Nothing("nvidia-smi answers as long as there is a driver: the server itself is never asked")
    if len(commands) == 1 and _minds_no_status(last):
        return _Nothing("curl without --fail is content with a 500 or a 503", curl=True)
    if len(commands) == 2 and _minds_no_status(commands[0]) and re.search(r"\|\|\s*exit\s+1\s*$", end):
        return _Nothing("curl without --fail is content with a 500 or a 503", curl=True)
    return None


def _is_nothing(command: Command) -> bool:
    words = " ".join(command.argv)
    return words in ("true", ":", "/bin/true", "exit 0", "exit") or command.program == "echo"


def _minds_no_status(command: Command) -> bool:
    """A curl that prints or drops what it gets. What is written out and looked at elsewhere is another matter."""
    if command.program != "curl" or command.piped or command.inside:
        return False
    words = command.arguments
    if any(word in ("-w", "--write-out", "-K", "--config") or word.startswith("$") for word in words):
        return False
    return not any(re.fullmatch(_FAILS, word) for word in words)


def _fix(dockerfile: Dockerfile, health: HealthCheck) -> Fix | None:
    """Write -f behind the curl."""
    for word in tokens(dockerfile, health.instruction).words[1:]:
        text = mend.written(dockerfile, word.span)
        if health.instruction.json_form and text == '"curl"':
            return Fix("add --fail to curl", (mend.inserted(word.span.end, ', "--fail"'),), safe=False)
        found = re.match(r"(?:\S*/)?curl(?=\s)", text)
        if found:
            edit = mend.inserted(word.span.start + len(found[0].encode()), " --fail")
            return Fix("add --fail to curl", (edit,), safe=False)
    return None


RULE = Rule(
    id="health-check-proves-nothing",
    severity=Severity.WARNING,
    hint="ask the server and mind its answer: HEALTHCHECK CMD curl --fail --silent http://localhost:8000/health",
    look=look,
)
