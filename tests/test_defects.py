"""Seeded GPU defects in the forms that real files use: each is caught on its line, and no clean twin is flagged.

    tests/defects/NN-name/bad/      a folder with `# defect: RULE` above each line that must be found
    tests/defects/NN-name/clean/    the same folder without the defect

What is judged is the folder, as `lint` judges it: by the shipped policy, with image.yaml and its variants, compose
and bake files, and what else lies beside the Dockerfile.
"""

from functools import cache
from pathlib import Path

import pytest

from pipeline import fix
from pipeline.lint import each, lint, ruleset
from pipeline.lint.inputs.dockerfiles import BAKE, COMPOSE
from pipeline.lint.ruleset import Ruleset
from pipeline.model import Finding
from pipeline.parse import text_of
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
    "gpu-chosen-in-image", "gpu-driver-misnamed", "gpu-needed-at-build", "gpu-not-reserved", "gpu-switched-off",
    "health-check-proves-nothing", "health-check-too-early", "health-check-without-tool",
    "ld-library-path-overwritten", "library-without-friends", "missing-arch-list", "missing-cuda-tag",
    "missing-nvidia-variables", "missing-torch-wheel", "python-mismatch", "reservation-without-capability",
    "rocm-and-cuda", "secret-in-image", "service-health-check-without-tool", "shared-memory-too-small",
    "stubs-in-library-path", "torch-without-this-python", "unknown-framework-tag",
    "visible-devices-instead-of-reservation", "weights-in-layer", "wheel-cuda-mismatch", "wheel-misses-fleet",
})  # fmt: skip


def only_about_gpus() -> Ruleset:
    """The shipped policy, with every rule about GPUs on, quiet ones too, and all others off."""
    shipped = ruleset.read(ruleset.SHIPPED, frozenset(rule.id for rule in RULES))
    off = {rule.id: {"severity": "off", "parameters": {}} for rule in RULES if rule.id not in ABOUT_GPUS}
    profiles = {
        name: choice._replace(every_rule=True, rules={**choice.rules, **off})
        for name, choice in shipped.profiles.items()
    }
    return shipped._replace(profiles=profiles)


POLICY = only_about_gpus()


@cache
def found(folder: Path) -> tuple[Finding, ...]:
    """What `seatrial lint FOLDER` finds."""
    result = lint([folder], POLICY)
    assert not result.errors
    return result.findings


def seeded(folder: Path) -> set[tuple[str, str, int]]:
    """File, rule and line of each defect: the line below its comment."""
    files = [file for file in folder.iterdir() if file.name in (*COMPOSE, *BAKE) or "Dockerfile" in file.name]
    return {
        (str(file), line.strip().removeprefix("# defect: "), number + 1)
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if line.strip().startswith("# defect: ")
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_seeded_defect_is_caught_on_its_line_and_nowhere_else(case: Path) -> None:
    wanted = seeded(case / "bad")
    assert wanted
    rules = {rule for _, rule, _ in wanted}
    assert {(one.file, one.rule, one.line) for one in found(case / "bad") if one.rule in rules} == wanted
    count("seeded GPU defects caught", len(CASES))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_clean_twin_is_not_flagged(case: Path) -> None:
    assert not seeded(case / "clean")
    assert [(one.rule, one.line, one.message) for one in found(case / "clean")] == []
    count("clean twins left alone", len(CASES))


def test_the_set_is_large_and_its_rules_are_ours() -> None:
    rules = {rule for case in CASES for _, rule, _ in seeded(case / "bad")}
    assert len(CASES) >= 80
    assert rules <= ABOUT_GPUS <= {rule.id for rule in RULES}


MENDABLE = [case for case in CASES if any(one.fix for one in found(case / "bad"))]


@pytest.mark.parametrize("case", MENDABLE, ids=lambda case: case.name)
def test_what_a_rule_offers_to_mend_is_gone_afterwards(case: Path) -> None:
    mended = 0
    for file, judged in each([case / "bad"], POLICY, build_args={}, target=None):

        def look(text: str) -> tuple[Finding, ...]:
            return judged(text).findings  # noqa: B023 -- asked within this round only

        before = text_of(file)
        ended = fix.mend(before, look, unsafe=True)
        assert not ended.refused
        assert not [one for one in look(ended.text) if one.fix]
        assert len(look(ended.text)) < len(look(before)) or not ended.done
        mended += len(ended.done)
    assert mended
