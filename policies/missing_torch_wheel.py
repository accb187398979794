"""missing-torch-wheel: a torch version that has no wheel for the CUDA version asked for."""

from collections.abc import Iterator, Sequence

from packaging.version import Version

from pipeline import facts
from pipeline.analysis import shell
from pipeline.analysis.wheels import shipped_wheels
from pipeline.mend import replaced, written
from pipeline.model import Context, Dockerfile, Edit, Fix, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each `torch==X+cuYYY` that torch's own index does not have; unknown versions are not judged."""
    for wheel in shipped_wheels(dockerfile, context):
        if wheel.name != "torch" or wheel.version is None or wheel.cuda is None or not wheel.version.local:
            continue
        offered = facts.torch_index_cuda(wheel.version)
        if offered is not None and wheel.cuda not in offered:
            there = ", ".join(_variant(version) for version in sorted(offered))
            message = f"torch {wheel.version} does not exist; {wheel.version.public} comes as {there}"
            fix = _fix(dockerfile, wheel.line, wheel.version.local, _nearest(wheel.cuda, offered))
            yield Problem(wheel.line, message, stage=wheel.stage, fix=fix)


def _variant(cuda: Version) -> str:
    return f"cu{cuda.major}{cuda.minor}"


def _nearest(asked: Version, offered: Sequence[Version]) -> Version:
    """The closest of the same major version, else the closest at all."""
    return min(offered, key=lambda one: (one.major != asked.major, abs(one.minor - asked.minor), one))


def _fix(dockerfile: Dockerfile, line: int, old: str, cuda: Version) -> Fix | None:
    """Write the other variant into the command: after the `+`, and in the index that it names."""
    edits: list[Edit] = []
    for ran in shell.needed(dockerfile):
        if ran.command.line == line:
            for span in ran.command.argv_spans:
                text = written(dockerfile, span) if span else ""
                if span and (f"+{old}" in text or f"/{old}" in text):
                    edits.append(replaced(span, text.replace(old, _variant(cuda))))
    whole = any("+" in edit.text for edit in edits)
    return Fix(f"take {_variant(cuda)}", tuple(edits), safe=False) if whole else None


RULE = Rule(
    id="missing-torch-wheel",
    severity=Severity.ERROR,
    hint="take one of the CUDA variants that this release has, and the index of the same name",
    look=look,
)
