"""An image.yaml in, what a rule may know of it out, without checking it twice. Speaks to: the cache (`remembered`).

The result has the attributes of `recipe.Recipe`, read-only and without its methods: `fleet.drivers`, `build_args`,
`smoke.gpu`. Whoever builds reads the Recipe itself.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipeline import settings
from pipeline.lint.remembered import remembered


def read(file: Path) -> SimpleNamespace | None:
    """Return the facts of an image.yaml; None when there is no such file. Raises BadFile."""
    if not file.is_file():
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
