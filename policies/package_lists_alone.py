"""package-lists-alone: `apt-get update` in one RUN, the install that needs it in another."""

from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis import shell
from pipeline.analysis.calls import APT, by_program, problem, read
from pipeline.analysis.shell import Command, Ran
from pipeline.analysis.walk import mounts
from pipeline.model import Context, Dockerfile, Fix, Instruction, Problem, Rule, Severity

_INSTALLS = ("install", "build-dep", "satisfy", "upgrade", "dist-upgrade", "full-upgrade")


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each RUN that reads package lists and installs nothing, where a later one of its stage installs."""
    if not any(program in by_program(dockerfile) for program in APT):
        return
    for stage in dockerfile.stages:
        alone: Ran | None = None
        for instruction in stage.instructions if stage.needed else ():
            commands = shell.commands(dockerfile, instruction) if instruction.keyword == "RUN" else ()
            verbs = [(command, read(command).verb) for command in commands if command.program in APT]
            updates = [command for command, verb in verbs if verb == "update"]
            installs = [command for command, verb in verbs if verb in _INSTALLS]
            if alone and installs and not updates:
                yield problem(alone, _MESSAGE, fix=_fix(dockerfile, alone, instruction, installs[0], commands))
                alone = None
            elif updates and installs:
                alone = None
            elif updates and not any("/var/lib/apt" in one.target for one in mounts(instruction, "cache", "tmpfs")):
                alone = Ran(updates[0], instruction, stage)


_MESSAGE = "the lists are read in one RUN and used in a later one: the cache keeps the old lists for a new install"


def _fix(
    dockerfile: Dockerfile, alone: Ran, later: Instruction, install: Command, commands: tuple[Command, ...]
) -> Fix | None:
    """Join them, when the first RUN does nothing else, stands right above, and the install comes first in its own."""
    between = [one for one in alone.stage.instructions if alone.instruction.line < one.line < later.line]
    update = " ".join(alone.command.words)
    single = shell.commands(dockerfile, alone.instruction) == (alone.command,) and not alone.instruction.flags
    if between or not single or install is not commands[0] or alone.instruction.heredocs or later.heredocs:
        return None
    return mend.fix(
        "join the two",
        mend.deleted(dockerfile, alone.instruction),
        mend.put_in_front(install, f"{update} && "),
    )


RULE = Rule(
    id="package-lists-alone",
    severity=Severity.WARNING,
    hint="`RUN apt-get update && apt-get install …`: one instruction, cached or not as a whole",
    look=look,
)
