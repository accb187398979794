"""Seeded GPU defects in the forms that real files use: each is caught on its line, and no clean twin is flagged.

    tests/defects/NN-name/bad/Dockerfile     with `# defect: RULE` above each line that must be found
    tests/defects/NN-name/clean/Dockerfile   the same file without the defect

Beside a Dockerfile lies what it reads: requirement and lock files, image.yaml with fleet and variants.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import fix
from pipeline.check import lint
from pipeline.lint import beside
from pipeline.model import Context, Dockerfile, Finding
from pipeline.parse import parse, text_of
from policies import RULES
from tests.conftest import count

DEFECTS = Path(__file__).with_name("defects")
CASES = sorted(DEFECTS.iterdir())
# The rules about GPUs, whoever of them a case is about: a clean twin must satisfy all.
ABOUT_GPUS = frozenset({
    "arch-list-misses-fleet", "arch-unknown-to-toolkit", "build-tools-shipped", "built-on-newer-cuda",
    "built-on-newer-system", "cache-folder-not-writable", "container-toolkit-in-image", "cpu-image-ships-cuda",
    "cuda-compat-forced", "cuda-packages-on-cuda-base", "cuda-path-hard-coded", "cuda-twice", "cudnn-missing",
    "current-folder-in-library-path", "devel-image-shipped", "driver-capabilities-wrong", "driver-check-disabled",
    "driver-in-image", "end-of-life-cuda", "every-driver-capability", "fleet-driver-too-old", "framework-replaced",
    "gpu-chosen-in-image", "gpu-needed-at-build", "gpu-switched-off", "health-check-proves-nothing",
    "health-check-too-early", "health-check-without-tool", "ld-library-path-overwritten", "library-without-friends",
    "missing-arch-list", "missing-cuda-tag", "missing-nvidia-variables", "missing-torch-wheel", "python-mismatch",
    "rocm-and-cuda", "secret-in-image", "stubs-in-library-path", "torch-without-this-python", "unknown-framework-tag",
    "weights-in-layer", "wheel-cuda-mismatch", "wheel-misses-fleet",
})  # fmt: skip
RULED = [rule for rule in RULES if rule.id in ABOUT_GPUS]


def readings(file: Path) -> Iterator[tuple[Dockerfile, Context]]:
    """The Dockerfile as each variant of its image.yaml builds it; once where there is none."""
    recipe = beside.read(file.with_name("image.yaml"))
    rows = [row.build_args for row in recipe.variants] if recipe is not None and recipe.variants else [{}]
    for row in rows:
        known = {**(recipe.build_args if recipe is not None else {}), **row}
        yield parse(text_of(file), path=str(file), build_args=known), Context(folder=file.parent, recipe=recipe)


def found(file: Path) -> list[Finding]:
    findings: list[Finding] = []
    for dockerfile, context in readings(file):
        result = lint(dockerfile, RULED, context=context)
        assert not result.errors
        findings += result.findings
    return findings


def seeded(file: Path) -> set[tuple[str, int]]:
    """Rule and line of each defect: the line below its comment."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return {
        (line.strip().removeprefix("# defect: "), number + 1)
        for number, line in enumerate(lines, start=1)
        if line.strip().startswith("# defect: ")
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_seeded_defect_is_caught_on_its_line_and_nowhere_else(case: Path) -> None:
    wanted = seeded(case / "bad" / "Dockerfile")
    assert wanted
    rules = {rule for rule, _ in wanted}
    assert {(one.rule, one.line) for one in found(case / "bad" / "Dockerfile") if one.rule in rules} == wanted
    count("seeded GPU defects caught", len(CASES))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_clean_twin_is_not_flagged(case: Path) -> None:
    assert not seeded(case / "clean" / "Dockerfile")
    assert [(one.rule, one.line, one.message) for one in found(case / "clean" / "Dockerfile")] == []
    count("clean twins left alone", len(CASES))


def test_the_set_is_large_and_its_rules_are_ours() -> None:
    rules = {rule for case in CASES for rule, _ in seeded(case / "bad" / "Dockerfile")}
    assert len(CASES) >= 45
    assert rules <= ABOUT_GPUS == {rule.id for rule in RULED}


MENDABLE = [case for case in CASES if any(one.fix for one in found(case / "bad" / "Dockerfile"))]


@pytest.mark.parametrize("case", MENDABLE, ids=lambda case: case.name)
def test_what_a_rule_offers_to_mend_is_gone_afterwards(case: Path) -> None:
    file = case / "bad" / "Dockerfile"
    *_, (_, context) = readings(file)
    recipe = context.recipe
    row = {**recipe.build_args, **(recipe.variants[-1].build_args if recipe.variants else {})} if recipe else {}

    def look(text: str) -> tuple[Finding, ...]:
        dockerfile = parse(text, path=str(file), build_args=row)
        return lint(dockerfile, RULED, context=context).findings

    before = text_of(file)
    offered = [one for one in look(before) if one.fix]
    mended = fix.mend(before, look, unsafe=True)
    assert mended.done or not offered
    assert not mended.refused
    assert not [one for one in look(mended.text) if one.fix]
    assert len(look(mended.text)) < len(look(before)) or not offered
