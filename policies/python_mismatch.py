"""python-mismatch: a virtual environment copied to an image with another Python."""

import re
from collections.abc import Iterator

from pipeline.analysis import shell
from pipeline.analysis.copies import Taken, taken
from pipeline.analysis.paths import absolute, lies_below
from pipeline.analysis.systems import Interpreter, interpreter
from pipeline.analysis.variables import substituted
from pipeline.analysis.walk import chain, working_folder
from pipeline.analysis.wording import dotted
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity, Stage, once_per_file

_MOST = 100  # environments of a stage
_SITE = r"/(?:usr|usr/local|opt/[\w.-]+)/lib/python(\d)\.(\d+)(?:/|$)"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each COPY of an environment or of site-packages made by a Python that the shipped image does not have."""
    if len(dockerfile.stages) < 2:
        return
    here = interpreter(dockerfile, dockerfile.final)
    if here is None:
        return
    for one in taken(dockerfile):
        there = _maker(dockerfile, one)
        if there is not None and there.version != here.version:
            yield Problem(
                one.instruction.line,
                f"{one.path} was made by Python {dotted(there.version)}, and the image that ships has "
                f"{dotted(here.version)} in {here.folder}",
                stage=one.stage.label,
            )
        elif there is not None and there.folder != here.folder and not re.match(_SITE, one.path):
            yield Problem(
                one.instruction.line,
                f"{one.path}/bin/python is a link into {there.folder}, and the image that ships has its Python "
                f"in {here.folder}",
                stage=one.stage.label,
            )


def _maker(dockerfile: Dockerfile, one: Taken) -> Interpreter | None:
    """The Python that made what is copied; None where it cannot be told, or where it is no environment."""
    if one.source is None:
        return None
    site = re.match(_SITE, one.path)
    if site:
        theirs = interpreter(dockerfile, one.source)
        return Interpreter((int(site[1]), int(site[2])), theirs.folder if theirs else "") if theirs else None
    if any(lies_below(place, one.path) for place in _environments(dockerfile, one.source)):
        return interpreter(dockerfile, one.source)
    return None


@once_per_file
def _environments(dockerfile: Dockerfile, whole: Stage) -> tuple[str, ...]:
    """Where a stage, or one that it builds on, makes virtual environments."""
    found: dict[str, None] = {}
    for stage in chain(dockerfile, whole):
        for instruction in stage.instructions:
            for command in shell.commands(dockerfile, instruction) if instruction.keyword == "RUN" else ():
                place = substituted(_environment(command) or "$", stage)
                if "$" not in place:
                    found[absolute(place, working_folder(dockerfile, stage, instruction))] = None
                if len(found) >= _MOST:
                    return tuple(found)
    return tuple(found)


def _environment(command: shell.Command) -> str | None:
    """Where `python3 -m venv PLACE` and `virtualenv PLACE` make an environment; with --copies it is another thing."""
    words = command.argv
    plain = [word for word in words[1:] if not word.startswith("-")]
    if re.fullmatch(r"python3?", command.program) and words[1:3] == ("-m", "venv"):
        return plain[-1] if len(plain) > 1 and "--copies" not in words else None
    return plain[-1] if command.program == "virtualenv" and len(plain) == 1 else None


RULE = Rule(
    id="python-mismatch",
    severity=Severity.ERROR,
    hint="make the environment on the image that ships (`FROM base AS build`), or bring that Python along with it",
    look=look,
)
