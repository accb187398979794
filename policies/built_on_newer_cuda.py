"""built-on-newer-cuda: programs compiled with a newer CUDA than the image they run in has."""

from collections.abc import Iterator

from pipeline import facts, mend
from pipeline.analysis.bases import shipped_base
from pipeline.analysis.compiles import compiled
from pipeline.analysis.copies import taken
from pipeline.analysis.rebase import rebased
from pipeline.analysis.walk import root_of
from pipeline.analysis.wheels import shipped_wheels
from pipeline.facts import GpuBase
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each COPY of what a stage on a newer CUDA compiled, unless a wheel that ships brings that CUDA along."""
    if len(dockerfile.stages) < 2:
        return
    here = facts.gpu_base(dockerfile.final.image)
    if here is None or here.cuda is None:
        return
    asked = False
    for one in taken(dockerfile):
        there = facts.gpu_base(one.image)
        if one.source is None or there is None or there.cuda is None or not compiled(dockerfile, one):
            continue
        if there.cuda.release[:2] <= here.cuda.release[:2]:
            continue
        if not asked and any(wheel.brings_cuda for wheel in shipped_wheels(dockerfile, context)):
            return  # the wheels' libraries are loaded, not the base's
        asked = True
        major = there.cuda.major
        if major > here.cuda.major:
            why = f"it asks for libraries like libcudart.so.{major}, which CUDA {here.cuda} does not have"
        else:
            why = "what it uses of the newer libraries is missing at run time"
        stage = root_of(dockerfile, one.source)
        yield Problem(
            one.instruction.line,
            f"{one.path} was compiled with CUDA {there.cuda} (line {stage.line}) and ships on {here.cuda}: {why}",
            stage=one.stage.label,
            fix=_fix(dockerfile, there),
        )


def _fix(dockerfile: Dockerfile, there: GpuBase) -> Fix | None:
    """Ship on the version that compiled, where nvidia/cuda has that tag."""
    stage = shipped_base(dockerfile)
    tag = facts.cuda_tag(stage.image or "")
    if tag is None or tag.digest is not None or there.name != "nvidia/cuda" or there.cuda is None:
        return None
    other = f"{tag.repository}:{there.cuda}-{tag.variant}-{tag.os}"
    wanted = facts.cuda_tag(other)
    edit = rebased(dockerfile, stage, other) if wanted is not None and facts.exists(wanted) else None
    return mend.fix(f"ship on CUDA {there.cuda}", edit, safe=False)


RULE = Rule(
    id="built-on-newer-cuda",
    severity=Severity.WARNING,
    hint="build and ship on the same CUDA version: one ARG above the first FROM, used by both",
    look=look,
)
