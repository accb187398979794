"""unpinned-base: a base image named by a tag, which can be pushed again."""

from collections.abc import Iterator

from pipeline import facts
from pipeline.analysis.bases import as_written, is_placeholder, problem_with
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.parse.grammar import near


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each FROM of a needed stage that names an image without a digest.

    `scratch`, other stages and images of the tree (parameter `tree`: their names) are fine: the pipeline builds those
    itself and hands their fresh digest to the build. A base that only a build argument gives is not judged, with or
    without a placeholder (`notset`) for its default.
    """
    tree = frozenset(context.parameters.get("tree", ()))
    for stage in dockerfile.stages:
        if not stage.needed or stage.parent is not None or stage.image in (None, "", "scratch"):
            continue
        if is_placeholder(stage):
            continue
        parts = facts.reference(stage.image or "")
        if parts.repository != parts.repository.lower():
            continue  # no image has capitals in its name: a stage written otherwise, which stage-name-casing tells
        if parts.digest is None and not {stage.image, parts.repository} & tree:
            problem = problem_with(stage, dockerfile, f"{as_written(stage)} may be another image tomorrow")
            meant = near(stage.image or "", tree) if tree else None
            yield problem._replace(hint=f"did you mean this tree's `{meant}`?") if meant else problem


RULE = Rule(
    id="unpinned-base",
    severity=Severity.ERROR,
    hint="append the digest, `name:tag@sha256:…`; `docker buildx imagetools inspect NAME:TAG` prints it",
    look=look,
)
