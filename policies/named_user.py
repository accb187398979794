"""named-user: a user that is told by name, which Kubernetes cannot check."""

from collections.abc import Iterator

from pipeline.analysis.walk import resolved
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the last USER that ships when it is a name. root is runs-as-root's affair."""
    for stage in dockerfile.shipped():
        users = [instruction for instruction in stage.instructions if instruction.keyword == "USER"]
        if users:
            user = (resolved(dockerfile, stage, users[-1].words[0]) or "0").partition(":")[0].strip()
            if user and user != "root" and not user.isdecimal():
                message = f"{user} is a name: runAsNonRoot refuses to start what it cannot tell from root"
                yield Problem(users[-1].line, message, stage=stage.label)
            return


RULE = Rule(
    id="named-user",
    severity=Severity.INFO,
    hint="write the number, `USER 10001:10001`",
    look=look,
    by_default=False,
)
