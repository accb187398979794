"""ld-library-path-overwritten: LD_LIBRARY_PATH set on a CUDA base without keeping what the base had there."""

from collections.abc import Iterator

from pipeline import facts
from pipeline.bases import shipped_base
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_DRIVER_FOLDER = "/usr/local/nvidia/lib64"  # where some container platforms mount the host's driver


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each ENV of the shipped stages that replaces LD_LIBRARY_PATH on a CUDA base."""
    if facts.cuda_base(shipped_base(dockerfile).image) is None:
        return
    for stage in dockerfile.shipped():
        for instruction in stage.instructions:
            if instruction.keyword != "ENV":
                continue
            for name, value in zip(instruction.words[::3], instruction.words[1::3], strict=False):
                kept = "$LD_LIBRARY_PATH" in value or "${LD_LIBRARY_PATH" in value or _DRIVER_FOLDER in value
                if name == "LD_LIBRARY_PATH" and not kept:
                    message = f"LD_LIBRARY_PATH loses the base's folders, among them the driver's {_DRIVER_FOLDER}"
                    yield Problem(instruction.line, message, stage=stage.label)


RULE = Rule(
    id="ld-library-path-overwritten",
    severity=Severity.WARNING,
    hint="keep it: LD_LIBRARY_PATH=/your/folder:${LD_LIBRARY_PATH}",
    look=look,
)
