"""The hooks that other repositories may use: which files they take, and that what they call is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
HOOKS = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))}
DOCKERFILES = [
    "Dockerfile",
    "Dockerfile.gpu",
    "a/b/dockerfile",
    "Containerfile",
    "x/app.Dockerfile",
    "a.containerfile",
]
OTHERS = ["compose.yaml", "docker-compose.yml", "compose.prod.yaml", "docker-bake.hcl", "x/docker-bake.override.json"]
NONE = ["Dockerfile.dockerignore", ".dockerignore", "Dockerfiles/README.md", "mycompose.yaml", "dockerfile_notes.txt",
        "bake.json", "Dockerfile/x.py"]  # fmt: skip


def taken(hook: str, file: str) -> bool:
    """What pre-commit does with `files` and `exclude`."""
    said = HOOKS[hook]
    return bool(re.search(said["files"], file)) and not re.search(said["exclude"], file)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_takes_dockerfiles_and_nothing_that_only_looks_like_one(hook: str) -> None:
    assert [file for file in DOCKERFILES if not taken(hook, file)] == []
    assert [file for file in NONE if taken(hook, file)] == []


def test_lint_also_takes_compose_and_bake_files_and_fix_does_not() -> None:
    assert [file for file in OTHERS if not taken("seatrial-lint", file)] == []
    assert [file for file in OTHERS if taken("seatrial-fix", file)] == []


@pytest.mark.parametrize("hook", HOOKS)
def test_what_a_hook_calls_takes_any_number_of_files(hook: str, tmp_path: Path) -> None:
    program, name = HOOKS[hook]["entry"].split()
    assert program == "seatrial" and HOOKS[hook]["language"] == "python"
    files = [tmp_path / "Dockerfile", tmp_path / "Dockerfile.gpu"]
    for file in files:
        file.write_text("FROM scratch\n", encoding="utf-8")
    argv = [sys.executable, "-m", "pipeline.start", name, *map(str, files)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (0, 10) and "Traceback" not in done.stderr, done.stderr
