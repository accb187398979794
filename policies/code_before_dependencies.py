"""code-before-dependencies: the whole project copied before its dependencies are installed."""

from collections.abc import Iterator

from pipeline.analysis import shell
from pipeline.analysis.shell import Command
from pipeline.analysis.walk import by_keyword, copied_from
from pipeline.model import Context, Dockerfile, Instruction, Problem, Rule, Severity


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the first install from a lock or requirements file below a COPY of the whole context, in a needed stage.

    Nothing is said when a narrower COPY stood above that one, or when the install needs the project itself.
    """
    if "COPY" not in by_keyword(dockerfile) and "ADD" not in by_keyword(dockerfile):
        return
    for stage in dockerfile.stages:
        whole = narrow = None
        for instruction in stage.instructions if stage.needed else ():
            if instruction.keyword in ("COPY", "ADD") and copied_from(instruction) is None:
                if instruction.words[:-1] in ((".",), ("./",), ("/",)):
                    whole = whole or instruction
                elif whole is None:
                    narrow = instruction
            elif instruction.keyword == "RUN" and whole is not None and narrow is None:
                line = _installs(dockerfile, instruction)
                if line:
                    message = (
                        f"every edit of the project installs these again: line {whole.line} copies all of it first"
                    )
                    yield Problem(line, message, stage=stage.label)
                    break


def _installs(dockerfile: Dockerfile, instruction: Instruction) -> int | None:
    text = instruction.original
    if not any(word in text for word in ("pip", "npm", "yarn", "pnpm", "poetry", "uv ")):
        return None
    return next((one.line for one in shell.commands(dockerfile, instruction) if _from_a_list(one)), None)


def _from_a_list(command: Command) -> bool:
    """Does it install what a file lists, and nothing of the project itself?"""
    words, program = command.arguments, command.program
    if program in ("python", "python3") and words[:2] == ("-m", "pip"):
        program, words = "pip", words[2:]
    if program == "uv" and words[:1] == ("pip",):
        program, words = "pip", words[1:]
    if program.startswith("pip"):
        plain = [word for word in words[1:] if not word.startswith("-")]
        listed = any(word in ("-r", "--requirement") or word.startswith(("--requirement=", "-r")) for word in words)
        return (
            words[:1] == ("install",)
            and listed
            and not any(one.startswith((".", "/")) and "req" not in one for one in plain)
        )
    if program in ("npm", "pnpm"):
        return words[:1] in (("ci",), ("install",), ("i",)) and not any(
            not word.startswith("-") for word in words[1:]
        )
    if program == "yarn":
        return not any(not word.startswith("-") for word in words[1:]) and words[:1] in ((), ("install",))
    if program == "poetry":
        return words[:1] == ("install",) and "--no-root" in words
    return program == "uv" and words[:1] == ("sync",) and "--no-install-project" in words


RULE = Rule(
    id="code-before-dependencies",
    severity=Severity.INFO,
    hint="COPY the requirements or lock file alone, install, and COPY the rest below",
    look=look,
)
