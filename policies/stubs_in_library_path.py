"""stubs-in-library-path: CUDA's stubs, libraries without code, where programs of the shipped image find them."""

import re
from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis import environment
from pipeline.analysis.shell import Command, Ran, shipped
from pipeline.analysis.variables import substituted
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity, Stage

_LIBRARY = r"/stubs/lib[\w.-]*\.so[\d.]*$"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield the ENV that puts a stubs folder on LD_LIBRARY_PATH, and links and configuration that do the same."""
    if "stubs" not in dockerfile.text:
        return
    yield from _variable(dockerfile)
    yield from _commands(dockerfile)
    for stage in dockerfile.shipped():
        for instruction in stage.instructions:
            if instruction.keyword in ("COPY", "ADD"):
                for word in instruction.words[:-1]:
                    if re.search(_LIBRARY, substituted(word, stage)) and _found_there(instruction.words[-1], stage):
                        yield Problem(
                            instruction.line,
                            f"{word} is a library without code, and it is copied where the loader looks",
                            stage=stage.label,
                        )


def _variable(dockerfile: Dockerfile) -> Iterator[Problem]:
    variable = environment.shipped(dockerfile).get("LD_LIBRARY_PATH")
    if variable is None or not any(_stubs(entry) for entry in variable.entries):
        return
    setting = variable.setting_with(_stubs)
    edit = environment.without(dockerfile, setting, _stubs)
    yield environment.problem(
        dockerfile,
        setting,
        "LD_LIBRARY_PATH holds CUDA's stubs folder: libraries without code come before the driver's",
        fix=mend.fix("take the stubs folder out of LD_LIBRARY_PATH", edit, safe=False),
    )


def _commands(dockerfile: Dockerfile) -> Iterator[Problem]:
    """`ln -s …/stubs/libcuda.so …`, `ldconfig …/stubs`, and what is written into the loader's or a shell's files."""
    ran = shipped(dockerfile)
    undone = _undone(ran)
    for number, one in enumerate(ran):
        command = one.command
        if not any("stubs" in word for word in command.words):
            continue
        words = [substituted(word, one.stage) for word in command.arguments if not word.startswith("-")]
        message = None
        if command.program in ("ln", "cp", "install", "mv") and len(words) > 1:
            library = any(re.search(_LIBRARY, word) for word in words[:-1])
            if (
                library
                and _found_there(words[-1], one.stage)
                and undone.get((one.stage.index, words[-1]), -1) < number
            ):
                message = f"{words[-1]} becomes a library without code that hides the driver's"
        elif command.program == "ldconfig":
            if undone[one.stage.index, "ldconfig"] == number:
                message = "ldconfig makes the loader prefer libraries without code"
        elif command.program in ("echo", "printf", "tee") and _lasts(command):
            message = "this puts libraries without code on the loader's path for good"
        if message is not None:
            yield Problem(command.line, message, stage=one.stage.label)


def _undone(ran: tuple[Ran, ...]) -> dict[tuple[int, str], int]:
    """When each path was last removed in a stage, and when `ldconfig` last ran: numbers of commands."""
    found = {}
    for number, one in enumerate(ran):
        if one.command.program == "ldconfig":
            found[one.stage.index, "ldconfig"] = number
        elif one.command.program in ("rm", "unlink"):
            found.update(((one.stage.index, substituted(word, one.stage)), number) for word in one.command.arguments)
    return found


def _lasts(command: Command) -> bool:
    """Does it write a stubs folder into a file that the loader or each shell reads?"""
    text = " ".join(command.arguments)
    into = " ".join(target for _, target in command.redirects)
    if re.search(r"(?<!LD_)LIBRARY_PATH=", text) or "/stubs" not in text:
        return False
    return bool(re.search(r"ld\.so\.conf|\.bashrc|\.profile|/etc/(?:profile|environment|bash)", f"{into} {text}"))


def _stubs(entry: str) -> bool:
    return entry.rstrip("/").endswith("/stubs")


def _found_there(target: str, stage: Stage) -> bool:
    """Does the loader look there, and is it not the link editor's own folder?"""
    target = substituted(target, stage)
    return "/stubs" not in target and bool(
        re.match(r"(?:/usr(?:/local)?)?/lib(?:64)?\b|/usr/local/cuda[^/]*/(?:lib|targets)", target)
    )


RULE = Rule(
    id="stubs-in-library-path",
    severity=Severity.WARNING,
    hint="link against the stubs in a build stage only, by LIBRARY_PATH or -L; the host brings the real libraries",
    look=look,
)
