"""runs-as-root: a shipped image whose processes run as root."""

from collections.abc import Iterator

from pipeline.analysis.bases import family, is_placeholder, shipped_base
from pipeline.analysis.variables import substituted
from pipeline.analysis.walk import last_shipped
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_ROOT = frozenset({"root", "0"})
# Bases that say so in their name or tag, and publishers whose images end with a USER of their own.
_NOT_ROOT = (
    "nonroot", "rootless", "unprivileged", "bitnami/", "cgr.dev/", "jupyter/", "mambaorg/micromamba", "nvcr.io/nim/",
    "rapidsai/base", "rapidsai/notebooks",
)  # fmt: skip


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the last USER of the shipped stages when it is root, or the final FROM when there is none.

    Without a USER the base decides; a base whose name says that it does not run as root is believed.
    A user that only a build argument gives is not judged.
    """
    last = last_shipped(dockerfile, "USER")
    if last is not None:
        user = substituted(last.instruction.words[0], last.stage)
        if user.partition(":")[0].strip().lower() in _ROOT:
            yield Problem(last.instruction.line, "the image runs as root", stage=last.stage.label)
        return
    base = shipped_base(dockerfile)
    if base.image is None or is_placeholder(base) or any(word in base.image for word in _NOT_ROOT):
        return
    if base.image == "scratch" and not any(last_shipped(dockerfile, one) for one in ("CMD", "ENTRYPOINT")):
        return  # files to copy from or to export: nothing in there runs
    message = "no USER is set, so the image runs as root"
    if family(base.image) is None and "nvcr.io/nvidia/" not in base.image:
        message += ", unless its base chose another user"
    yield Problem(dockerfile.final.line, message, stage=dockerfile.final.label)


RULE = Rule(
    id="runs-as-root",
    severity=Severity.ERROR,
    hint="end with a numeric user, `USER 10001`: Kubernetes' runAsNonRoot cannot check a name",
    look=look,
)
