"""runs-as-root: a shipped image whose processes run as root."""

from collections.abc import Iterator

from pipeline.analysis.around import family
from pipeline.analysis.bases import shipped_base
from pipeline.analysis.installs import substituted
from pipeline.analysis.walk import is_placeholder
from pipeline.model import Context, Dockerfile, Instruction, Problem, Rule, Severity

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
    for stage in dockerfile.shipped():
        users = [instruction for instruction in stage.instructions if instruction.keyword == "USER"]
        if users:
            last = users[-1]
            user = substituted(last.words[0], stage) if last.words else ""
            if user.partition(":")[0].strip().lower() in _ROOT:
                yield Problem(last.line, "the image runs as root", stage=stage.label)
            return
    base = shipped_base(dockerfile)
    if base.image is None or is_placeholder(base) or any(word in base.image for word in _NOT_ROOT):
        return
    if base.image == "scratch" and not any(one.keyword in ("CMD", "ENTRYPOINT") for one in _shipped(dockerfile)):
        return  # files to copy from or to export: nothing in there runs
    message = "no USER is set, so the image runs as root"
    if family(dockerfile, base) is None and "nvcr.io/nvidia/" not in base.image:
        message += ", unless its base chose another user"
    yield Problem(dockerfile.final.line, message, stage=dockerfile.final.label)


def _shipped(dockerfile: Dockerfile) -> Iterator[Instruction]:
    return (instruction for stage in dockerfile.shipped() for instruction in stage.instructions)


RULE = Rule(
    id="runs-as-root",
    severity=Severity.ERROR,
    hint="end with a numeric user, `USER 10001`: Kubernetes' runAsNonRoot cannot check a name",
    look=look,
)
