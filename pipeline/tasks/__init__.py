"""The command line: one Invoke task for each thing that a person does, in the order of the flow.

A task reads its arguments, calls one function, prints the result on stdout. Everything else goes to stderr. Exit
codes: 0 passed, 3 the job could not be done, 10 the policy says no. `seatrial TASK --help` explains each.
"""

from pipeline.tasks.before import explain, lint, parse, rules
from pipeline.tasks.compare import diff
from pipeline.tasks.editor import lsp
from pipeline.tasks.gpu import gpu, refresh
from pipeline.tasks.machine import doctor, setup
from pipeline.tasks.mend import fix
from pipeline.tasks.own import test_rules
from pipeline.tasks.shared import expected_errors
from pipeline.tasks.stages import build, measure, push, scan, sign, smoke
from pipeline.tasks.whole import release, report, verify

__all__ = [
    "build", "diff", "doctor", "expected_errors", "explain", "fix", "gpu", "lint", "lsp", "measure", "parse", "push",
    "refresh", "release", "report", "rules", "scan", "setup", "sign", "smoke", "test_rules", "verify",
]  # fmt: skip
