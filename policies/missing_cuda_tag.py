"""missing-cuda-tag: a tag of nvidia/cuda that does not exist."""

from collections.abc import Iterator

from pipeline import facts, mend
from pipeline.analysis.bases import as_written, is_placeholder, problem_with
from pipeline.analysis.rebase import rebased
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each FROM of a needed stage with a tag that NVIDIA never published; beside a digest it is not used."""
    for stage in dockerfile.stages:
        tag = facts.cuda_tag(stage.image) if stage.needed and stage.parent is None and stage.image else None
        if tag is not None and tag.digest is None and facts.exists(tag) is False and not is_placeholder(stage):
            near = facts.nearest_tag(tag)
            edit = rebased(dockerfile, stage, f"{tag.repository}:{near}")
            yield problem_with(
                stage,
                dockerfile,
                f"{as_written(stage)} does not exist; the nearest tag that does is {near}",
                hint=f"FROM {tag.repository}:{near}",
                fix=mend.fix(f"take {near}", edit, safe=False),
            )


RULE = Rule(
    id="missing-cuda-tag",
    severity=Severity.ERROR,
    hint="a tag is VERSION-[cudnn-]FLAVOUR-SYSTEM, with a three-part version: 12.9.1-cudnn-runtime-ubuntu24.04",
    look=look,
)
