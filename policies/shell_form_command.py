"""shell-form-command: a CMD or ENTRYPOINT whose process never sees SIGTERM."""

from collections.abc import Iterator

from pipeline.analysis import shell
from pipeline.model import Context, Dockerfile, Instruction, Problem, Rule, Severity, Stage


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
        written = shell.command(instruction.words, instruction.line)
        if shell.shell_script(written) is None:
            return False
    commands = shell.commands(dockerfile, instruction)
    if not commands or commands[-1].words[:1] == ("exec",):
        return False
    if len(commands) > 1:
        return True
    only = commands[0]
    if only.program in shell.SHELLS and all(word.startswith("-") and "c" not in word for word in only.arguments):
        return False  # a prompt: nothing in there waits for SIGTERM
    return not _becomes_it(instruction)


def _becomes_it(instruction: Instruction) -> bool:
    """bash puts itself aside for a single command; the sh of Debian and Ubuntu does not."""
    return instruction.json_form and instruction.words[0].rpartition("/")[2] == "bash"


RULE = Rule(
    id="shell-form-command",
    severity=Severity.WARNING,
    hint="write it as a JSON array, or put `exec` before the last command",
    look=look,
)
