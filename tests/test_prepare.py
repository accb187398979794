"""Preparation steps: they run when they must, only then, and say so when something stood in."""

import pytest

from pipeline.errors import PipelineError, ToolMissing
from pipeline.prepare import prepare
from pipeline.recipe import Recipe


@pytest.fixture
def image(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "packages").write_text("one\n")

    def recipe(**step):
        step = {"name": "make it", "run": ["sh", "-c", "cat packages > .made/out"], "inputs": ["packages"],
                "outputs": [".made/out"], **step}  # fmt: skip
        made = Recipe.model_validate({"name": "x", "repository": "a/x", "prepare": [step]})
        made._folder = tmp_path
        return made

    return recipe


def run(recipe, **more):
    def no_export(stage, folder):
        raise AssertionError("no stage was asked for")

    (done,), build_args = prepare(recipe, export=no_export, say=lambda _: None, **more)
    return done, build_args


def test_a_step_runs_once_and_again_when_an_input_changes_or_an_output_is_gone(image):
    recipe = image()
    first, _ = run(recipe)
    assert (first.outcome, run(recipe)[0].outcome) == ("made", "unchanged")
    (recipe.folder / "packages").write_text("two\n")
    second, _ = run(recipe)
    assert second.outcome == "made"
    assert second.outputs != first.outputs
    (recipe.folder / ".made" / "out").unlink()
    assert run(recipe)[0].outcome == "made"
    assert run(recipe, fresh=True)[0].outcome == "made"


def test_a_step_that_is_no_longer_fresh_runs_again(image):
    recipe = image(fresh_for="0s")
    assert [run(recipe)[0].outcome, run(recipe)[0].outcome] == ["made", "made"]


def test_where_no_program_can_do_it_the_stand_in_is_built_and_the_reason_recorded(image):
    done, build_args = run(image(needs=["no-such-program"], otherwise={"ROOT": "published"}))
    assert (done.outcome, done.because) == ("replaced", "none of no-such-program is installed")
    assert build_args == {"ROOT": "published"}
    with pytest.raises(ToolMissing):
        run(image(needs=["no-such-program"]))


def test_a_step_that_leaves_its_output_out_is_an_error(image):
    with pytest.raises(PipelineError, match=r"left no \.made/out"):
        run(image(run=["true"]))


def test_a_damaged_stamp_means_make_it_again(image):
    recipe = image()
    run(recipe)
    (recipe.folder / ".made" / ".stamps.json").write_text("{")
    assert run(recipe)[0].outcome == "made"
