"""named-user: a user that is told by name, which Kubernetes cannot check."""

from collections.abc import Iterator

from pipeline.analysis.walk import last_shipped, resolved
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the last USER that ships when it is a name. root is runs-as-root's affair."""
    last = last_shipped(dockerfile, "USER")
    if last is None:
        return
    user = (resolved(dockerfile, last.stage, last.instruction.words[0]) or "0").partition(":")[0].strip()
    if user and user != "root" and not user.isdecimal():
        message = f"{user} is a name: runAsNonRoot refuses to start what it cannot tell from root"
        yield Problem(last.instruction.line, message, stage=last.stage.label)


RULE = Rule(
    id="named-user",
    severity=Severity.INFO,
    hint="write the number, `USER 10001:10001`",
    look=look,
    by_default=False,
)
