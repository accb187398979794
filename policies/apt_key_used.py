"""apt-key-used: apt-key, which newer Debian and Ubuntu releases no longer have."""

from collections.abc import Iterator

from pipeline.analysis.calls import calls, problem
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each apt-key that adds a key. Deleting one is the way out of it."""
    for ran, call in calls(dockerfile, "apt-key"):
        if call.verb not in ("del", "list", "export", "exportall", "finger") and call.place("--keyring") is None:
            yield problem(ran, "a key added by apt-key may sign packages of every repository, the system's too")


RULE = Rule(
    id="apt-key-used",
    severity=Severity.WARNING,
    hint="put the key into /usr/share/keyrings (gpg --dearmor) and name it: `deb [signed-by=/usr/share/keyrings/…]`",
    look=look,
)
