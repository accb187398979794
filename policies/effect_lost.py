"""effect-lost: a RUN that only changes its own shell."""

import re
from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.calls import by_program
from pipeline.analysis.shell import Command, commands, needed
from pipeline.model import Context, Dockerfile, Fix, Instruction, Problem, Rule, Severity
from pipeline.parse import tokens

_SHELL = frozenset({
    "export", "cd", "source", ".", "ulimit", "alias", "umask", "set", "unset", "pushd", "popd", "shopt", "newgrp",
})  # fmt: skip
_TELLS = frozenset({"echo", "pwd", "true", ":"})  # beside one of those, these add nothing
_PLAIN = r"[\w./:@%+,-]*"
_VALUE = r"(?:[\w./:@%+,-]|\$\w|\$\{\w+\})*"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each RUN that changes nothing but its shell, or whose last command is left in the background."""
    seen: set[int] = set()
    found = by_program(dockerfile)
    suspects = [ran for name in (*_SHELL, "", "service", "conda", "mamba") for ran in found.get(name, ())]
    suspects += [ran for ran in needed(dockerfile) if ran.instruction.original.rstrip().endswith("&")]
    for ran in suspects:
        instruction = ran.instruction
        if instruction.line in seen:
            continue
        seen.add(instruction.line)
        of_run = commands(dockerfile, instruction)
        if re.search(r"[^&]&$", instruction.original.rstrip()) and not instruction.json_form:
            message = "what runs in the background ends with this RUN"
            yield Problem(instruction.line, message, stage=ran.stage.label)
        elif all(_is_lost(one) or _only_tells(one) for one in of_run) and any(_is_lost(one) for one in of_run):
            names = ", ".join(dict.fromkeys(_name(one) for one in of_run if _is_lost(one)))
            fix = _fix(dockerfile, instruction, of_run)
            message = f"the effect of {names} ends with this RUN"
            yield Problem(instruction.line, message, stage=ran.stage.label, fix=fix)


def _is_lost(command: Command) -> bool:
    if any(">" in sign for sign, target in command.redirects if target != "/dev/null") or command.piped:
        return False
    if command.program in ("service", "conda", "mamba"):
        return {"start", "restart"} & set(command.arguments) != set() or command.arguments[:1] == ("activate",)
    if not command.words:
        return bool(command.assignments)
    return command.program in _SHELL


def _only_tells(command: Command) -> bool:
    return command.program in _TELLS and not command.redirects and not command.piped


def _name(command: Command) -> str:
    if not command.words:
        return next(iter(command.assignments))
    return " ".join(command.words[:2]) if command.program in ("service", "conda", "mamba") else command.program


def _fix(dockerfile: Dockerfile, instruction: Instruction, of_run: tuple[Command, ...]) -> Fix | None:
    """ENV for an export of plain values, WORKDIR for a cd to a plain folder."""
    if len(of_run) != 1 or instruction.heredocs:
        return None
    command, instead = of_run[0], None
    if command.program == "cd" and len(command.arguments) == 1 and re.fullmatch(_PLAIN, command.arguments[0]):
        instead = f"WORKDIR {command.arguments[0]}"
    if command.program == "export" and command.arguments:
        pairs = [word.partition("=") for word in command.arguments]
        if all(equals and re.fullmatch(_VALUE, value) for _, equals, value in pairs):
            instead = f"ENV {' '.join(command.arguments)}"
    whole = tokens(dockerfile, instruction).whole
    return mend.fix(f"say {instead}", mend.replaced(whole, instead), safe=False) if instead else None


RULE = Rule(
    id="effect-lost",
    severity=Severity.WARNING,
    hint="ENV for variables, WORKDIR for the folder, CMD or ENTRYPOINT for what should run in the container",
    look=look,
)
