"""A Dockerfile in, what the image.yaml beside it tells of it out, without checking it twice. Speaks to: the cache.

The result has the attributes of `recipe.Recipe`, read-only and without its methods: `fleet.drivers`, `build_args`,
`smoke.gpu`. Whoever builds reads the Recipe itself.
"""

from __future__ import annotations

import os.path
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline import parse, settings
from pipeline.errors import BadFile
from pipeline.lint.remembered import remembered
from pipeline.model import Context, Dockerfile


def read(file: Path) -> SimpleNamespace | None:
    """Return the facts of an image.yaml; None when there is no such file. Raises BadFile."""
    if not os.path.isfile(file):  # noqa: PTH113  # Path.is_file raises below a folder that is closed
        return None

    def make() -> Any:
        from pipeline import recipe

        found = recipe.read(file)
        return {"recipe": _plain(found), "has_host": found.full_repository == found.repository}

    kept = remembered("image", (file,), make)
    facts = _facts(kept["recipe"])
    assert isinstance(facts, SimpleNamespace)
    host = "" if kept["has_host"] else f"{settings.registry()}/"
    facts.full_repository = f"{host}{facts.repository}"
    facts.folder = file.parent
    facts.dockerfile_path = file.parent / facts.dockerfile
    return facts


def of(file: Path) -> SimpleNamespace | None:
    """The same for the image.yaml beside a Dockerfile, unless it speaks of another one in the same folder."""
    found = read(file.with_name("image.yaml"))
    # realpath: a link that leads to itself is no Dockerfile, and no reason to stop
    mine = found is not None and os.path.realpath(found.dockerfile_path) == os.path.realpath(file)
    return found if mine else None


def situated(file: Path, text: str) -> tuple[Dockerfile, Context, str | None]:
    """Parse a text as if it stood in a file; also return what is known beside it, and the profile it asks for."""
    recipe = of(file)
    if recipe is None:
        return parse.parse(text, path=str(file)), Context(folder=file.parent), None
    dockerfile = parse.parse(text, path=str(file), build_args=recipe.build_args, target=recipe.target)
    return dockerfile, Context(folder=file.parent / recipe.context, recipe=recipe), recipe.profile


def tree_names(files: Sequence[Path]) -> tuple[str, ...]:
    """What the images of the trees that these files lie in are called."""
    names: set[str] = set()
    for folder in {Path(os.path.realpath(file)).parent.parent for file in files}:
        for other in folder.glob("*/image.yaml"):
            try:
                one = read(other)
            except BadFile:
                continue  # told when its own Dockerfile is judged
            if one is not None:
                names |= {one.name, one.repository, one.full_repository}
    return tuple(sorted(names))


def _plain(value: Any) -> Any:
    """JSON types that tell a model from a mapping: a model is {"is": fields}, a mapping {"map": items}."""
    from pydantic import BaseModel

    if isinstance(value, BaseModel):
        return {"is": {name: _plain(getattr(value, name)) for name in type(value).model_fields}}
    if isinstance(value, dict):
        return {"map": {str(key): _plain(item) for key, item in value.items()}}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _facts(value: Any) -> Any:
    if isinstance(value, dict):
        if "is" in value:
            return SimpleNamespace(**{name: _facts(item) for name, item in value["is"].items()})
        return {key: _facts(item) for key, item in value["map"].items()}
    return [_facts(item) for item in value] if isinstance(value, list) else value
