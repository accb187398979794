"""missing-source: a COPY of something that is not in the folder of the build."""

from collections.abc import Iterator

from pipeline import context as contexts
from pipeline.context import BuildContext
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.walk import Placed, copied_from, nearest, placed, resolved, sources

# What a build or a download makes first: that it is not there now says nothing.
_MADE = frozenset({
    ".made", ".next", "_build", "bin", "build", "dist", "models", "node_modules", "out", "output", "public",
    "target", "vendor", "wheelhouse", "wheels",
})  # fmt: skip


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each plain source of a needed stage that is not there, where the folder of the build is known.

    A Dockerfile can be built from another folder than its own. So this one must hold something else that the file
    copies, or an image.yaml must name it; and one that prepares files itself is not judged.
    """
    if context.folder is None or getattr(context.recipe, "prepare", None):
        return
    build = contexts.of(dockerfile, context)
    if build is None:
        return
    there, missing = context.recipe is not None, []
    for place in placed(dockerfile, "COPY", "ADD"):
        if place.stage.needed and copied_from(place.instruction) is None:
            for path in _plain(dockerfile, place):
                exists = build.exists(path)
                there = there or bool(exists)
                if exists is False and not _MADE & set(path.split("/")):
                    missing.append((place, path))
    for (instruction, stage), path in missing if there else ():
        message = f"{path} is not in the folder of the build"
        yield Problem(instruction.line, message, stage=stage.label, hint=_hint(dockerfile, build, path))


def _plain(dockerfile: Dockerfile, place: Placed) -> Iterator[str]:
    for word in sources(place.instruction):
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
