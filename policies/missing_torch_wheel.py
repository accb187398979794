"""missing-torch-wheel: a torch version that has no wheel for the CUDA version asked for."""

from collections.abc import Iterator

from pipeline import facts
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.wheels import shipped_wheels


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each `torch==X+cuYYY` that torch's own index does not have; unknown versions are not judged."""
    for wheel in shipped_wheels(dockerfile, context):
        if wheel.name != "torch" or wheel.version is None or wheel.cuda is None or not wheel.version.local:
            continue
        offered = facts.torch_index_cuda(wheel.version)
        if offered is not None and wheel.cuda not in offered:
            there = ", ".join(f"cu{version.major}{version.minor}" for version in sorted(offered))
            message = f"torch {wheel.version} does not exist; {wheel.version.public} comes as {there}"
            yield Problem(wheel.line, message, stage=wheel.stage)


RULE = Rule(
    id="missing-torch-wheel",
    severity=Severity.ERROR,
    hint="take one of the CUDA variants that this release has, and the index of the same name",
    look=look,
)
