"""A folder in, its images in build order out. Speaks to: nothing.

A workspace is a folder with dockerfiles/<image>/image.yaml. An image whose FROM names another image of the tree, by
its name or its repository, is built after it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from pipeline import parse, recipe
from pipeline.errors import BadFile
from pipeline.model import Dockerfile
from pipeline.recipe import Recipe


@dataclass(frozen=True)
class Workspace:
    """The images of a tree, by name, the Dockerfile of each, and the folders that hold none yet."""

    root: Path
    recipes: Mapping[str, Recipe]
    dockerfiles: Mapping[str, Dockerfile]
    unfinished: Mapping[str, BadFile]  # folder → why it holds no image

    def bases(self, name: str) -> dict[str, str]:
        """Which images of the tree the image needs: name as its Dockerfile writes it → name in the tree."""
        known = {alias: other.name for other in self.recipes.values() for alias in _aliases(other)}
        known |= {folder: folder for folder in self.unfinished}
        wanted = {stage.image for stage in self.dockerfiles[name].stages if stage.needed and stage.parent is None}
        return {image: known[image] for image in sorted(filter(None, wanted)) if image in known}

    def names(self) -> tuple[str, ...]:
        """Every name that means an image of this tree."""
        return tuple(sorted({alias for one in self.recipes.values() for alias in _aliases(one)}))

    def ordered(self, names: Iterable[str]) -> tuple[Recipe, ...]:
        """The named images and all that they build on, bases first.

        Raises BadFile when they go in a circle, and for one that is not there or not finished.
        """
        return tuple(self.named(name) for name in self.order(names))

    def order(self, names: Iterable[str]) -> tuple[str, ...]:
        """The same by name, with the unfinished ones that they build on.

        Raises BadFile for a circle, and without names, which asks for the whole tree, for any that is not finished.
        """
        names = tuple(names)
        if not names and self.unfinished:
            raise next(iter(self.unfinished.values()))
        graph: dict[str, set[str]] = {}
        waiting = [self.named(name).name for name in names] or list(self.recipes)
        while waiting:
            name = waiting.pop()
            if name not in graph:
                graph[name] = set(self.bases(name).values()) if name in self.recipes else set()
                waiting.extend(sorted(graph[name]))
        try:
            return tuple(TopologicalSorter(_sorted(graph)).static_order())
        except CycleError as error:
            circle = list(reversed(error.args[1]))
            file = self.recipes[circle[0]].dockerfile_path
            raise BadFile(
                f"images build on each other in a circle: {' → '.join(circle)}",
                file=file, line=self._from_line(circle[0], circle[1]),
                hint="one of them must start FROM an image outside the circle",
            ) from None  # fmt: skip

    def named(self, name: str) -> Recipe:
        """The recipe of this name. Raises BadFile with the nearest name."""
        if name in self.recipes:
            return self.recipes[name]
        if name in self.unfinished:
            raise self.unfinished[name]
        near = difflib.get_close_matches(name, self.recipes, n=1)
        known = ", ".join(sorted(self.recipes)) or "none"
        raise BadFile(f"no image `{name}` in this tree", file=self.root / "dockerfiles",
                      hint=f"did you mean `{near[0]}`?" if near else f"images here: {known}")  # fmt: skip

    def _from_line(self, name: str, base: str) -> int | None:
        aliases = _aliases(self.recipes[base])
        return next((stage.line for stage in self.dockerfiles[name].stages if stage.image in aliases), None)


def read(root: Path) -> Workspace:
    """Read every image.yaml below dockerfiles/ and parse its Dockerfile.

    A mistake in one folder is kept for whoever asks for that image: the others are still there. Raises BadFile when
    there is no image at all, or when two have the same name.
    """
    folder = root / "dockerfiles"
    recipes: dict[str, Recipe] = {}
    dockerfiles: dict[str, Dockerfile] = {}
    unfinished: dict[str, BadFile] = {}
    for place in sorted({file.parent for name in ("image.yaml", "Dockerfile") for file in folder.glob(f"*/{name}")}):
        try:
            for one in expand(_recipe(place)):
                if one.name in recipes:
                    raise BadFile(
                        f"two images are named `{one.name}`", file=place / "image.yaml", hint="names must differ"
                    )
                dockerfiles[one.name] = parsed(one, root)
                recipes[one.name] = one
        except BadFile as error:
            unfinished[place.name] = error
    if not recipes and not unfinished:
        raise BadFile(
            "no image to build", file=folder, hint="put a Dockerfile and an image.yaml in dockerfiles/<image>/"
        )
    return Workspace(root=root, recipes=recipes, dockerfiles=dockerfiles, unfinished=unfinished)


def _recipe(place: Path) -> Recipe:
    if not (place / "image.yaml").is_file():
        raise BadFile("no image.yaml beside the Dockerfile", file=place,
                      hint=f"write {place / 'image.yaml'} with at least `name:` and `repository:`")  # fmt: skip
    return recipe.read(place)


def expand(one: Recipe) -> tuple[Recipe, ...]:
    """The recipe itself, or one for each row of its matrix."""
    return tuple(one.variant(row) for row in one.variants) or (one,)


def parsed(one: Recipe, root: Path) -> Dockerfile:
    """The recipe's Dockerfile with its build arguments and target applied.

    It is called by its path below `root`: records are published, and where a checkout lies is nobody's business.
    """
    file = one.dockerfile_path
    path = str(file.relative_to(root.resolve())) if file.is_relative_to(root.resolve()) else file.name
    return parse.parse(parse.text_of(file), path=path, build_args=one.build_args, target=one.target)


def _aliases(one: Recipe) -> set[str]:
    return {one.name, one.repository, one.full_repository}


def _sorted(graph: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """The same graph in a fixed order, so that the same tree is always built in the same order."""
    return {name: sorted(graph[name]) for name in sorted(graph)}
