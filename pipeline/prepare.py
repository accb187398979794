"""Preparation steps of image.yaml in, files beside the Dockerfile out. Speaks to: the programs they name.

A step makes files that a build or a smoke test needs: a root file system, a trained model. It runs when an input
changed, an output is gone, or it is no longer fresh; what it made is recorded by sha256.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import tools
from pipeline.errors import PipelineError, ToolMissing
from pipeline.model import Preparation
from pipeline.recipe import Prepare, Recipe

STAMPS = ".made/.stamps.json"
ExportStage = Callable[[str, Path], None]  # stage, folder: builds the stage and copies its files there


def prepare(
    recipe: Recipe,
    *,
    export: ExportStage,
    say: Callable[[str], None],
    secrets: Mapping[str, str] | None = None,
    fresh: bool = False,
    run: tools.Run = tools.run,
) -> tuple[tuple[Preparation, ...], dict[str, str]]:
    """Run what must run. Returns what each step did, and build arguments of the stand-ins.

    A program finds the file of a secret (`secrets`: id → path) in the variable SEATRIAL_SECRET_<ID>.

    Raises ToolFailed when a step fails or leaves an output out, ToolMissing when its programs are missing and nothing
    stands in.
    """
    done: list[Preparation] = []
    build_args: dict[str, str] = {}
    for step in recipe.prepare:
        started = time.monotonic()
        because = None
        if step.needs and not any(tools.find(program) for program in step.needs):
            because = f"none of {', '.join(step.needs)} is installed"
            if step.otherwise is None:
                raise ToolMissing(f"{recipe.name}: {step.name}: {because}", hint="`setup` installs what is missing")
            build_args |= step.otherwise
            outcome = "replaced"
        elif not fresh and _unchanged(recipe.folder, step):
            outcome = "unchanged"
        else:
            say(step.name)
            _make(recipe.folder, step, export, secrets or {}, run)
            outcome = "made"
        outputs = {} if outcome == "replaced" else {path: _digest(recipe.folder / path) for path in step.outputs}
        done.append(Preparation(name=step.name, outcome=outcome, because=because, outputs=outputs,
                                seconds=round(time.monotonic() - started, 3)))  # fmt: skip
    return tuple(done), build_args


def _make(folder: Path, step: Prepare, export: ExportStage, secrets: Mapping[str, str], run: tools.Run) -> None:
    for output in step.outputs:
        (folder / output).parent.mkdir(parents=True, exist_ok=True)
    stamps = _stamps(folder)
    if stamps.pop(step.name, None) is not None:  # killed half-way, it must not pass for made
        _write_stamps(folder, stamps)
    if step.target is not None:
        export(step.target, folder / step.outputs[0])
    else:
        argv = _argv(folder, step.run or ())
        named = {f"SEATRIAL_SECRET_{re.sub(r'[^A-Z0-9]', '_', name.upper())}": path for name, path in secrets.items()}
        run(argv, cwd=folder, timeout=1800, env=named)
    for output in step.outputs:
        if not (folder / output).exists():
            raise PipelineError(f"{step.name}: it ended well and left no {output} in {folder}",
                                hint="correct the step's `outputs:` in image.yaml, or the program")  # fmt: skip
    _write_stamps(folder, {**stamps, step.name: {"inputs": _inputs(folder, step), "made": time.time()}})


def _write_stamps(folder: Path, stamps: dict[str, dict[str, Any]]) -> None:
    (folder / STAMPS).parent.mkdir(exist_ok=True)
    (folder / STAMPS).write_text(json.dumps(stamps, indent=1))


def _argv(folder: Path, argv: Sequence[str]) -> list[str]:
    """A program written as ./name lies in the image's folder."""
    first = str(folder / argv[0]) if argv[0].startswith("./") else argv[0]
    return [first, *argv[1:]]


def _unchanged(folder: Path, step: Prepare) -> bool:
    stamp = _stamps(folder).get(step.name)
    if stamp is None or stamp["inputs"] != _inputs(folder, step):
        return False
    if step.fresh_for is not None and time.time() - stamp["made"] > step.fresh_for:
        return False
    return all((folder / output).exists() for output in step.outputs)


def _stamps(folder: Path) -> dict[str, dict[str, Any]]:
    try:
        return dict(json.loads((folder / STAMPS).read_text()))
    except (OSError, ValueError):
        return {}  # never made, or damaged: both mean "make it"


def _inputs(folder: Path, step: Prepare) -> str:
    hasher = hashlib.sha256(step.model_dump_json().encode())
    for path in sorted(step.inputs):
        hasher.update(f"{path}\0{_digest(folder / path)}\0".encode())
    return hasher.hexdigest()


def _digest(path: Path) -> str:
    """sha256 of a file, or of a folder's names and contents in order."""
    if path.is_file():
        return tools.sha256_of(path)
    hasher = hashlib.sha256()
    for entry in sorted(path.rglob("*")):
        if entry.is_file():
            hasher.update(f"{entry.relative_to(path)}\0{tools.sha256_of(entry)}\n".encode())
    return hasher.hexdigest()
