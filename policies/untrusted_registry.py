"""untrusted-registry: an image taken from a registry that is not on the list of allowed ones."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from pipeline.analysis.bases import problem_with
from pipeline.analysis.walk import origins, placed
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each image of a needed stage, as base, in COPY --from or in a mount, that no allowed prefix covers.

    Parameters: `allowed`, a list of registries or prefixes with wildcards; without it nothing is judged. `tree`, the
    names of images that are built here. An image that only a build argument gives is not judged.
    """
    allowed = tuple(map(str, context.parameters.get("allowed", ())))
    if not allowed:
        return
    tree = frozenset(context.parameters.get("tree", ()))
    for stage in dockerfile.stages:
        if stage.needed and stage.parent is None and stage.image and not _is_allowed(stage.image, allowed, tree):
            yield problem_with(stage, dockerfile, f"{stage.image} comes from {_host(stage.image)}")
    names = {stage.name for stage in dockerfile.stages}
    for instruction, stage in placed(dockerfile, "COPY", "RUN"):
        if not stage.needed:
            continue
        for image in origins(instruction):
            if image.isdecimal() or image.lower() in names or "/" not in image + ":":
                continue
            if (":" in image or "/" in image or "@" in image) and not _is_allowed(image, allowed, tree):
                yield Problem(instruction.line, f"{image} comes from {_host(image)}", stage=stage.label)


def _is_allowed(image: str, allowed: tuple[str, ...], tree: frozenset[str]) -> bool:
    if image == "scratch" or image in tree or image.partition("@")[0].rpartition(":")[0] in tree:
        return True
    full = _full(image)
    return any(full.startswith(one.rstrip("/") + end) or fnmatchcase(full, one) or fnmatchcase(full, f"{one}/*")
               for one in allowed for end in "/:@")  # fmt: skip


def _host(image: str) -> str:
    return _full(image).partition("/")[0]


def _full(image: str) -> str:
    """The reference with the registry that an engine adds."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return image
    return f"docker.io/{image}" if slash else f"docker.io/library/{image}"


RULE = Rule(
    id="untrusted-registry",
    severity=Severity.ERROR,
    hint="take the image from an allowed registry, or add its registry to the rule's `allowed` in policy.yaml",
    look=look,
    takes={"allowed": "texts"},
)
