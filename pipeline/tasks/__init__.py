"""The command line: one Invoke task for each thing that a person does, in the order of the flow.

A task reads its arguments, calls one function, prints the result on stdout. Everything else goes to stderr. Exit
codes: 0 passed, 3 the job could not be done, 10 the policy says no. `seatrial TASK --help` explains each.
"""

from pipeline.tasks.before import explain, lint, parse, rules
from pipeline.tasks.machine import doctor, setup
from pipeline.tasks.shared import expected_errors
from pipeline.tasks.stages import build, measure, push, scan, sign, smoke
from pipeline.tasks.whole import release, report, verify

__all__ = [
    "build", "doctor", "expected_errors", "explain", "lint", "measure", "parse", "push", "release", "report", "rules",
    "scan", "setup", "sign", "smoke", "verify",
]  # fmt: skip
