"""What several test modules share: the command line as a program, and the example tree, released once."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.model import Lint

ROOT = Path(__file__).parents[1]
PROGRAM = Path(sys.prefix) / "bin" / "seatrial"
os.environ["PATH"] = f"{os.environ['PATH']}{os.pathsep}{PROGRAM.parent}"  # ShellCheck is among the dev dependencies

COUNTS: dict[str, list[int]] = {}  # what → how many were right, of how many; shown in pytest's summary


def count(what, of, right=1):
    """Say that one more case of a set is right."""
    COUNTS.setdefault(what, [0, of])[0] += right


def together(lints):
    """What was found on several files, as a run over them has it."""
    return Lint(*(tuple(itertools.chain.from_iterable(part)) for part in zip(*lints, strict=True)))


def pytest_terminal_summary(terminalreporter):
    if COUNTS:
        terminalreporter.section("counts")
        terminalreporter.line(", ".join(f"{what} {right}/{of}" for what, (right, of) in COUNTS.items()))


def seatrial(*words, cwd=ROOT, **environment):
    return subprocess.run([str(PROGRAM), *words], cwd=cwd, capture_output=True, text=True, check=False,
                          env={**os.environ, **environment})  # fmt: skip


@pytest.fixture(scope="session")
def released():
    """The whole tree, released from this checkout: what it answered, by image."""
    ended = seatrial("release", "--format", "json", SEATRIAL_ROOT=str(ROOT))
    assert ended.returncode == 0, ended.stderr + ended.stdout
    document = json.loads(ended.stdout)
    assert document["schema"] == "seatrial/release/v1"
    return {one["image"]: one for one in document["releases"]}
