"""missing-source: a COPY of something that is not in the folder of the build."""

import os
from collections.abc import Iterator

from pipeline import context as contexts
from pipeline.analysis.walk import Placed, copied_from, nearest, placed, resolved, sources
from pipeline.context import BuildContext
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

# What a build or a download makes first: that it is not there now says nothing.
_MADE = frozenset({
    ".made", ".next", "_build", "artifacts", "bin", "build", "dist", "models", "node_modules", "out", "output",
    "public", "staging", "target", "vendor", "wheelhouse", "wheels",
})  # fmt: skip
_UP = 4  # how many folders above the Dockerfile's may be the one that it is built from
_ASKED = 20  # missing sources that are looked for there


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each plain source of a needed stage that is not there, where the folder of the build is known.

    A Dockerfile can be built from another folder than its own. So most of what it copies must be in this one and
    nothing of the rest in a folder above it, or an image.yaml must name it; and one that prepares files itself is not
    judged.
    """
    if context.folder is None or getattr(context.recipe, "prepare", None):
        return
    build = contexts.of(dockerfile, context)
    if build is None:
        return
    there, missing = 0, []
    for place in placed(dockerfile, "COPY", "ADD"):
        if place.stage.needed and copied_from(place.instruction) is None:
            for path in _plain(dockerfile, place):
                exists = build.exists(path)
                there += bool(exists)
                if exists is False and not _MADE & set(path.split("/")):
                    missing.append((place, path))
    if context.recipe is None and (there < len(missing) or _lie_above(build, [path for _, path in missing])):
        return
    for (instruction, stage), path in missing:
        message = f"{path} is not in the folder of the build"
        yield Problem(instruction.line, message, stage=stage.label, hint=_hint(dockerfile, build, path))


def _lie_above(build: BuildContext, paths: list[str]) -> bool:
    """Is one of them there as seen from a folder above? Then that one is what the build is given."""
    above = build.folder.absolute().parents[:_UP]
    inside = [path for path in paths[:_ASKED] if ".." not in path.split("/")]
    return any(os.path.lexists(folder / path.lstrip("/")) for path in inside for folder in above)


def _plain(dockerfile: Dockerfile, place: Placed) -> Iterator[str]:
    for word in sources(place.instruction):
        if "$" in word:
            continue  # whoever builds chooses it
        path = resolved(dockerfile, place.stage, word)
        if path and not set(path) & set("*?[\\:@") and path.strip("./"):
            yield path


def _hint(dockerfile: Dockerfile, build: BuildContext, path: str) -> str | None:
    folder, _, name = path.rstrip("/").rpartition("/")
    names = [one.rpartition("/")[2] for one in build.sources(f"{folder}/*" if folder else "*") or ()]
    meant = nearest(dockerfile, name, names)
    return f"did you mean {folder}/{meant}?" if meant and folder else f"did you mean {meant}?" if meant else None


RULE = Rule(
    id="missing-source",
    severity=Severity.WARNING,
    hint="the path counts from the build's folder, not from the Dockerfile's",
    look=look,
)
