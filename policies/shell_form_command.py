"""shell-form-command: a CMD or ENTRYPOINT whose process never sees SIGTERM."""

from collections.abc import Iterator

from pipeline import shell
from pipeline.model import Context, Dockerfile, Instruction, Problem, Rule, Severity, Stage
from pipeline.shell import Command


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the shipped image's ENTRYPOINT and CMD that run below a shell without `exec`.

    Only the last of each counts; a CMD that a shell-form ENTRYPOINT ignores does not.
    """
    entrypoint = command = None
    for stage in dockerfile.shipped():
        entrypoint = _last(stage, "ENTRYPOINT")
        command = command or _last(stage, "CMD")
        if entrypoint is not None:
            break  # an ENTRYPOINT forgets the CMD of the stages below it
    if entrypoint is not None and not entrypoint.json_form:
        command = None
    for instruction in (entrypoint, command):
        if instruction is not None and _below_a_shell(dockerfile, instruction):
            message = f"process 1 of this {instruction.keyword} is a shell, which does not pass SIGTERM on"
            yield Problem(instruction.line, message, stage=dockerfile.final.label)


def _last(stage: Stage, keyword: str) -> Instruction | None:
    found = [instruction for instruction in stage.instructions if instruction.keyword == keyword]
    return found[-1] if found else None


def _below_a_shell(dockerfile: Dockerfile, instruction: Instruction) -> bool:
    if not instruction.words:
        return False
    if instruction.json_form:
        written = Command(words=instruction.words, line=instruction.line)
        if shell.shell_script(written) is None:
            return False
    commands = shell.commands(dockerfile, instruction)
    return bool(commands) and commands[-1].words[:1] != ("exec",)


RULE = Rule(
    id="shell-form-command",
    severity=Severity.WARNING,
    hint="write it as a JSON array, or put `exec` before the last command",
    look=look,
)
