"""setup-py-install: a Python package installed by calling its setup.py."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.calls import by_program, problem
from pipeline.analysis.shell import Ran
from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity, Span


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each `python setup.py install` and `develop`."""
    for program, rans in by_program(dockerfile).items():
        if not program.startswith("python"):
            continue
        for ran in rans:
            words = ran.command.arguments
            verb = next((word for word in words[1:] if word in ("install", "develop")), None)
            if verb and words[0].endswith("setup.py"):
                message = f"setuptools deprecates `setup.py {verb}`: it goes around pip and its records"
                yield problem(ran, message, fix=_fix(dockerfile, ran))


def _fix(dockerfile: Dockerfile, ran: Ran) -> Fix | None:
    words, spans = ran.command.argv, ran.command.argv_spans
    if words[1:] not in (("setup.py", "install"), ("setup.py", "develop")) or len(spans) < 3:
        return None
    first, last = spans[1], spans[2]
    if first is None or last is None:
        return None
    instead = "-m pip install ." if words[2] == "install" else "-m pip install -e ."
    return mend.fix("call pip", mend.replaced(Span(first.start, last.end), instead), safe=False)


RULE = Rule(
    id="setup-py-install",
    severity=Severity.INFO,
    hint="`python -m pip install .`, with --no-build-isolation where the build needs the torch that is installed",
    look=look,
)
