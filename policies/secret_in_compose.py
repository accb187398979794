"""secret-in-compose: a credential written into a compose file."""

import re
from collections.abc import Iterator

from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.model.service import Service, problem
from policies.secret_in_image import credential

# What nobody keeps secret: words in one case, with a few digits behind them; and what says that it is to be replaced.
_MADE_UP = (
    r"[a-z .,:_@!?-]*\d{0,4}!?|[A-Z .,:_@!?-]*\d{0,4}!?|[A-Z][a-z]+[@!_-]?\d{0,4}!?|.{0,5}|(.)\1*"
    r"|(?i:(?:.*[^a-z])?(?:change|your|replace|insert|example|placeholder|dummy|fake|not|here)(?:[^a-z].*|me.*)?)"
)
_PASSWORD = r"://[^/\s:@]*:([^/\s@]+)@"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each variable and build argument of the service that has a credential for a value, spelled out.

    Values that a variable of compose brings are not in the file, even if their default is. No message repeats one.
    """
    service: Service = context.service
    for one in service.settings:
        if one.varies or (what := credential(one.name, one.value)) is None:
            continue
        if what == "a URL with a password in it":
            if all(_made_up(word) for word in re.findall(_PASSWORD, one.value)):
                continue
        elif what == "a secret" and _made_up(one.value.strip("\"'")):
            continue
        kind = "build argument " if one.of_build else ""
        yield problem(one.place, f"the {kind}{one.name} of {service.name} holds {what}, for whoever reads this file")


def _made_up(value: str) -> bool:
    """Is it a placeholder, or put together when the container starts?"""
    return (
        value.startswith("$")
        or "{{" in value
        or "${" in value
        or (len(value) < 60 and re.fullmatch(_MADE_UP, value) is not None)
    )


RULE = Rule(
    id="secret-in-compose",
    severity=Severity.ERROR,
    hint="name the variable without a value, take it from the environment (${NAME}), or use `secrets:`",
    look=look,
    of_service=True,
)
