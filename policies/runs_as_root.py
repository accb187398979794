"""runs-as-root: a shipped image whose processes run as root."""

from collections.abc import Iterator

from pipeline.bases import shipped_base
from pipeline.installs import substituted
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_ROOT = frozenset({"root", "0"})
_NOT_ROOT = ("nonroot", "rootless", "unprivileged")  # bases that say so in their name or tag


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the last USER of the shipped stages when it is root, or the final FROM when there is none.

    Without a USER the base decides; a base whose name says that it does not run as root is believed.
    A user that only a build argument gives is not judged.
    """
    for stage in dockerfile.shipped():
        users = [instruction for instruction in stage.instructions if instruction.keyword == "USER"]
        if users:
            last = users[-1]
            user = substituted(last.words[0], stage) if last.words else ""
            if user.partition(":")[0].strip().lower() in _ROOT:
                yield Problem(last.line, "the image runs as root", stage=stage.label)
            return
    base = shipped_base(dockerfile).image
    if base is not None and not any(word in base for word in _NOT_ROOT):
        yield Problem(
            dockerfile.final.line, "no USER is set, so the image runs as root", stage=dockerfile.final.label
        )


RULE = Rule(
    id="runs-as-root",
    severity=Severity.ERROR,
    hint="end with a numeric user, `USER 10001`: Kubernetes' runAsNonRoot cannot check a name",
    look=look,
)
