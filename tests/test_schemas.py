"""The JSON Schemas that editors use: current, valid, and true of the files in this repository."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from pipeline.schemas import SCHEMAS, text_of

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_on_disk_is_what_the_models_say(name):
    assert (ROOT / "docs" / "schema" / name).read_text() == text_of(name), "run ./inv schemas"
    jsonschema.Draft202012Validator.check_schema(json.loads(text_of(name)))


OURS = [*ROOT.glob("dockerfiles/*/image.yaml"), *ROOT.glob("policies/*.yaml")]


@pytest.mark.parametrize("file", OURS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_our_own_files_are_valid_under_their_schema(file):
    name = file.stem + ".schema.json"
    jsonschema.validate(yaml.safe_load(file.read_text()), json.loads(text_of(name)))


def test_an_unknown_key_is_invalid_in_the_schema_too():
    schema = json.loads(text_of("image.schema.json"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"name": "x", "repository": "a/x", "dockefile": "Dockerfile"}, schema)
