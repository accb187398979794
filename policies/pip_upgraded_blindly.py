"""pip-upgraded-blindly: pip brought to whatever version is newest on the day of the build."""

import re
from collections.abc import Iterator

from pipeline.analysis.installs import all_pip_installs
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each upgrade of pip, setuptools or wheel without a version."""
    for pip in all_pip_installs(dockerfile):
        install = pip.install
        if not install.flags & {"-U", "--upgrade"}:
            continue
        tools = [one for one in install.requirements if re.fullmatch(r"pip|setuptools|wheel", one)]
        if tools:
            command = pip.command
            message = f"{', '.join(tools)} will be the newest of the day: a new one may refuse what built until now"
            yield Problem(command.line, message, stage=pip.stage.label, at=command.span)


RULE = Rule(
    id="pip-upgraded-blindly",
    severity=Severity.INFO,
    hint="name the version (`pip==25.1.1`), or keep the one of the base image",
    look=look,
    by_default=False,
)
