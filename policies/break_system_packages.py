"""break-system-packages: pip told to install over the distribution's own Python packages."""

from collections.abc import Iterator

from pipeline.analysis import walk
from pipeline.analysis.calls import problem
from pipeline.analysis.installs import all_pip_installs
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each install with the option, and each ENV that sets it for all."""
    for pip in all_pip_installs(dockerfile):
        if "--break-system-packages" in pip.install.flags:
            at = next((at for at, word in enumerate(pip.command.argv) if word == "--break-system-packages"), 0)
            yield problem(pip.ran, _MESSAGE, at=at)
    for placed in walk.placed(dockerfile, "ENV"):
        names = placed.instruction.words[::3]
        if {"PIP_BREAK_SYSTEM_PACKAGES", "UV_BREAK_SYSTEM_PACKAGES"} & set(names):
            yield Problem(placed.instruction.line, _MESSAGE, stage=placed.stage.label)


_MESSAGE = "pip may replace files of the distribution's packages, and apt may replace them back"

RULE = Rule(
    id="break-system-packages",
    severity=Severity.INFO,
    hint="make a virtual environment (`python3 -m venv /venv`) and put it first in PATH",
    look=look,
    by_default=False,
)
