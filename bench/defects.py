"""What each linter catches of the GPU defects seeded in tests/defects. Prints a table, with --each a line a case.

A program catches a defect when it says something on the defect's instruction that it does not say about the clean
twin: its general remarks stand in both and count in neither. `in the file` lets it say so on any line, or on none.
Each is asked about the Dockerfile: cases that a compose or bake file makes are left out, as the others read none.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

from peers import installed_peers

from pipeline.lint.inputs.dockerfiles import BAKE, COMPOSE
from pipeline.parse import parse

ROOT = Path(__file__).parents[1]
CASES = sorted(
    case for case in (ROOT / "tests" / "defects").iterdir()
    if not any((case / "bad" / name).exists() for name in (*COMPOSE, *BAKE))
)  # fmt: skip
ENV_DOCTOR = """
import contextlib, io, json, sys
from env_doctor.validators.dockerfile_validator import DockerfileValidator
rows = []
for name in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()):
        issues = DockerfileValidator(name).validate().issues
    rows.append([(issue.line_number or -1, issue.issue) for issue in issues])
print(json.dumps(rows))
"""


def main(*options):
    bin = installed_peers() / "bin"
    files = [case / side / "Dockerfile" for case in CASES for side in ("bad", "clean")]
    said = {
        "seatrial": [seatrial(file) for file in files],
        "tally": [tally(bin, file) for file in files],
        "env-doctor": env_doctor(bin, files),
        "hadolint": [hadolint(bin, file) for file in files],
    }
    print(f"{len(CASES)} seeded defects, each with a clean twin\n")
    print(f"{'':12} {'on its line':>12} {'in the file':>12}")
    each = {}
    for name, answers in said.items():
        placed = anywhere = 0
        for number, case in enumerate(CASES):
            bad, clean = answers[2 * number], answers[2 * number + 1]
            new = [(line, what) for line, what in bad if what not in {other for _, other in clean}]
            there = any(first <= line <= last for line, _ in new for first, last in spans(case))
            placed, anywhere = placed + there, anywhere + bool(new)
            each.setdefault(case.name, {})[name] = "line" if there else "file" if new else "-"
        print(f"{name:12} {placed:>12} {anywhere:>12}")
    if "--each" in options:
        print()
        for case, row in each.items():
            print(f"{case:44} " + "  ".join(f"{name} {what:4}" for name, what in row.items()))


def spans(case):
    """First and last line of the instructions that the case's comments speak of."""
    text = (case / "bad" / "Dockerfile").read_text()
    marked = [number + 1 for number, line in enumerate(text.splitlines(), 1) if line.strip().startswith("# defect: ")]
    found = parse(text).instructions
    return [(one.line, one.end_line) for one in found for line in marked if one.line <= line <= one.end_line]


def asked(argv):
    return subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False).stdout


def seatrial(file):
    rows = json.loads(asked([Path(sys.prefix) / "bin" / "seatrial", "lint", "--format", "json", file]))
    return [(one["line"], one["rule"]) for one in rows["findings"]]


def hadolint(bin, file):
    return [(one["line"], one["code"]) for one in json.loads(asked([bin / "hadolint", "-f", "json", file]))]


def tally(bin, file):
    files = json.loads(asked([bin / "tally", "lint", "--format", "json", "--slow-checks", "off", file]))["files"]
    return [(one["location"]["start"]["line"], one["rule"]) for row in files for one in row["violations"]]


def env_doctor(bin, files):
    answer = asked([bin / "python", "-c", ENV_DOCTOR, *files])
    rows = json.loads(answer.splitlines()[-1])
    return [[(line, re.sub(r"\d+", "#", issue)) for line, issue in row] for row in rows]


if __name__ == "__main__":
    main(*sys.argv[1:])
