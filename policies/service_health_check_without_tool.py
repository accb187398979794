"""service-health-check-without-tool: a compose health check calls a program that the image does not have."""

from collections.abc import Iterator

from pipeline.analysis import contents, shell
from pipeline.analysis.bases import as_written, shipped_base
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.model.service import Service, problem


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the health check whose program neither the base has, as far as it is known, nor anything installs."""
    service: Service = context.service
    place = service.places.get("healthcheck")
    if service.healthcheck is None or place is None or not service.whole:
        return
    test = service.healthcheck.get("test")
    place = getattr(service.healthcheck, "places", {}).get("test", place)
    base = as_written(shipped_base(dockerfile))
    for program in _programs(test):
        tool = contents.tool(program)
        if tool is not None and contents.lacks(dockerfile, tool):
            yield problem(place, f"{base} has no {program}, and nothing installs it: {service.name} is never healthy")
            return


def _programs(test: object) -> Iterator[str]:
    """What a `test` calls: a list that begins with CMD or CMD-SHELL, or a text for the shell."""
    words = tuple(word for word in test if isinstance(word, str)) if isinstance(test, list) else ()
    if words[:1] == ("CMD",) and len(words) == len(test):  # type: ignore[arg-type]
        script = shell.shell_script(shell.command(words[1:], 1))
        if script is None:
            yield shell.command(words[1:], 1).program
            return
    else:
        script = test if isinstance(test, str) else words[1] if words[:1] == ("CMD-SHELL",) and words[1:] else None
    if script is not None:
        yield "sh"
        yield from (command.program for command in shell.split(str(script), 1))


RULE = Rule(
    id="service-health-check-without-tool",
    severity=Severity.WARNING,
    hint="install it in the image, or ask with a program that the image has",
    look=look,
    of_service=True,
)
