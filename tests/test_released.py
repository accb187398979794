"""The last release of an image, which its growth is measured against: by its records, else by its registry."""

import dataclasses
import json

import pytest

from pipeline import registry, released
from pipeline.errors import BadFile, ToolFailed
from pipeline.model import document
from pipeline.recipe import Recipe
from pipeline.yamlfile import grown
from tests.records import FAILED, PASSED

RECIPE = Recipe(name="app", repository="127.0.0.1:1/app", tags=["1.0"])
DIGEST = "sha256:" + "ab" * 32


def record(folder, name, value):
    file = folder / name / "record.json"
    file.parent.mkdir()
    file.write_text(json.dumps(document(value, "record")))
    return file


def test_the_newest_record_that_was_pushed_tells(tmp_path):
    assert PASSED.pushed is not None and PASSED.measure is not None
    older = dataclasses.replace(PASSED, pushed=dataclasses.replace(PASSED.pushed, reference="r/app@sha256:old"))
    damaged = tmp_path / "damaged.json"
    damaged.write_text("{")
    files = [damaged, record(tmp_path, "b", FAILED), record(tmp_path, "c", PASSED), record(tmp_path, "d", older)]
    found = released.last(RECIPE, files)
    assert found is not None
    assert (found.reference, found.source) == (PASSED.pushed.reference, "its record")
    assert found.compressed_bytes == PASSED.measure.totals.compressed_bytes


def test_without_a_record_the_first_tag_in_the_registry_tells(monkeypatch):
    manifest = {"layers": [{"size": 700}, {"size": 34}]}
    asked = []

    def fetched(reference, file, run):
        asked.append(reference)
        file.write_text(json.dumps(manifest))

    monkeypatch.setattr(registry, "digest_of", lambda reference, run: DIGEST if reference.endswith(":1.0") else None)
    monkeypatch.setattr(registry, "manifest", fetched)
    found = released.last(RECIPE, [])
    assert found is not None
    assert (found.reference, found.compressed_bytes, found.source) == (
        f"127.0.0.1:1/app@{DIGEST}",
        734,
        "its registry",
    )
    assert asked == [f"127.0.0.1:1/app@{DIGEST}"]
    manifest = {"manifests": []}
    assert released.last(RECIPE, []) is None


def test_a_registry_that_does_not_answer_knows_no_release():
    def refused(argv, **more):
        raise ToolFailed("connection refused", hint="start it")

    assert released.last(RECIPE, [], run=refused) is None
    assert released.last(Recipe(name="app", repository="r/app"), [], run=refused) is None


@pytest.mark.parametrize(
    ("growth", "allowed"), [("5%", 1050), ("0.5%", 1005), ("0%", 1000), ("2kB", 3000), ("7", 1007)]
)
def test_growth_is_a_share_or_a_size(growth, allowed):
    assert grown(1000, growth) == allowed


@pytest.mark.parametrize("growth", ["-5%", "5 percent", "5%%", "a lot", "99999%"])
def test_other_growth_is_refused_with_an_example(tmp_path, growth):
    from pipeline import recipe

    (tmp_path / "image.yaml").write_text(f"name: app\nrepository: r/app\nbudget: {{growth: '{growth}'}}\n")
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    with pytest.raises(BadFile, match="growth looks like 5% or 50MB"):
        recipe.read(tmp_path)
