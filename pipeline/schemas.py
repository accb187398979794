"""The models of the files that users write in, their JSON Schemas out. Speaks to: nothing."""

from __future__ import annotations

import json

from pipeline.policy import PolicyFile, WaiversFile
from pipeline.recipe import Recipe
from pipeline.yamlfile import Strict

SCHEMAS: dict[str, type[Strict]] = {
    "image.schema.json": Recipe,
    "policy.schema.json": PolicyFile,
    "waivers.schema.json": WaiversFile,
}


def text_of(name: str) -> str:
    """The schema of one kind of file, as it lies in docs/schema/."""
    schema = SCHEMAS[name].model_json_schema(by_alias=True)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=1) + "\n"
