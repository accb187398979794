"""end-of-life-cuda: a CUDA base image that NVIDIA has given up."""

from collections.abc import Iterator

from pipeline import facts, mend
from pipeline.analysis.bases import as_written, problem_with
from pipeline.analysis.rebase import rebased
from pipeline.facts import CudaTag
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each FROM of a needed stage on an nvidia/cuda version, or system of it, that is end of life."""
    for stage in dockerfile.stages:
        tag = facts.cuda_tag(stage.image) if stage.needed and stage.parent is None and stage.image else None
        if tag is None or not facts.is_end_of_life(tag) or facts.exists(tag) is False:
            continue  # one that does not exist is missing-cuda-tag's
        near = facts.nearest_tag(tag)
        later = facts.cuda_tag(f"{tag.repository}:{near}")
        alike = later is not None and tag.digest is None and _is_alike(tag, later)
        edit = rebased(dockerfile, stage, f"{tag.repository}:{near}") if alike else None
        yield problem_with(
            stage,
            dockerfile,
            f"{as_written(stage)} is end of life: no more fixes, and NVIDIA deletes such tags; {near} is maintained",
            hint=f"FROM {tag.repository}:{near}",
            fix=mend.fix(f"take {near}", edit, safe=False),
        )


def _is_alike(tag: CudaTag, later: CudaTag) -> bool:
    """Is it a later patch of the same CUDA on the same system? Over more than that the program must be ported."""
    if tag.version is None or later.version is None:
        return False
    return tag.version.release[:2] == later.version.release[:2] and tag.os == later.os


RULE = Rule(
    id="end-of-life-cuda",
    severity=Severity.ERROR,
    hint="move to a maintained CUDA version",
    look=look,
)
