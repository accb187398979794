"""every-driver-capability: NVIDIA_DRIVER_CAPABILITIES=all puts display and video libraries into each container."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis import environment
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the ENV that ships with `all`."""
    variable = environment.shipped(dockerfile).get("NVIDIA_DRIVER_CAPABILITIES")
    if variable is not None and "all" in [word.strip() for word in variable.value.split(",")]:
        edit = environment.rewritten(dockerfile, variable.last, "compute,utility")
        yield environment.problem(
            dockerfile,
            variable.last,
            "every part of the host's driver goes into the container, also those for displays and games",
            fix=mend.fix("ask for compute and utility only", edit, safe=False),
        )


RULE = Rule(
    id="every-driver-capability",
    severity=Severity.INFO,
    hint="name what the program uses: compute,utility; video where it decodes, graphics where it renders",
    look=look,
    by_default=False,
)
