"""failure-hidden: a command whose failure the build does not notice."""

import re
from collections.abc import Iterator
from itertools import groupby

from pipeline import mend
from pipeline.analysis.calls import problem, read
from pipeline.analysis.shell import Command, Ran, commands, needed
from pipeline.analysis.walk import shell_of
from pipeline.model import Context, Dockerfile, Fix, Instruction, Problem, Rule, Severity
from pipeline.parse import tokens

_VERBS = {
    "pip": "install", "pip3": "install", "uv": "pip sync add", "apt-get": "update install build-dep",
    "apt": "update install", "dnf": "install", "yum": "install", "microdnf": "install", "apk": "add",
    "zypper": "install in", "git": "clone checkout", "npm": "install ci run", "yarn": "install build",
    "conda": "install create", "mamba": "install create", "cargo": "build install", "go": "build install",
    "poetry": "install",
}  # fmt: skip
_ALWAYS = ("curl", "wget", "make", "ninja", "cmake", "tar", "unzip", "pytest", "nvcc", "gcc", "g++", "aria2c")
_SHRUGS = ("true", ":")


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield, once per RUN, an install, download or compilation that may fail and let the build go on."""
    for _, rans in groupby(needed(dockerfile), key=lambda ran: ran.instruction.line):
        of_run = tuple(rans)
        if len(of_run) < 2:
            continue
        errexit = _errexit(dockerfile, of_run[0].instruction)
        lost = _lost(tuple(ran.command for ran in of_run))
        for at, ran in enumerate(of_run[:-1]):
            if ran.command.inside or not _matters(ran.command):
                continue
            following = of_run[at + 1].command
            if following.joined == "||":
                if following.program in _SHRUGS and not following.arguments:
                    yield problem(ran, f"`|| {following.program}`: when {_name(ran.command)} fails the build goes on")
                    break
            elif not errexit and lost[at]:
                message = f"when {_name(ran.command)} fails here the build goes on with what comes after"
                yield problem(ran, message, fix=_fix(dockerfile, ran))
                break


def _matters(command: Command) -> bool:
    if command.program in _ALWAYS:
        return True
    verbs = _VERBS.get(command.program)
    call = read(command)
    if command.program == "uv" and call.verb == "pip":
        return call.operands[:1] in (("install",), ("sync",))
    return verbs is not None and call.verb in verbs.split()


def _name(command: Command) -> str:
    return f"{command.program} {read(command).verb}" if command.program in _VERBS else command.program


def _lost(of_run: tuple[Command, ...]) -> list[bool]:
    """For each command: does its list end, with its failure, at a `;` or a new line, and something else runs then?"""
    lost = [False] * len(of_run)
    for at in range(len(of_run) - 2, -1, -1):
        following = of_run[at + 1]
        if following.joined in (";", "\n"):
            lost[at] = not re.fullmatch(r"exit|return|set|test|\[|\[\[", following.program or "set")
        elif following.joined in ("&&", "|"):
            lost[at] = lost[at + 1]
    return lost


def _errexit(dockerfile: Dockerfile, instruction: Instruction) -> bool:
    """Is `set -e` in force, by the shell's options, a shebang, or the first commands of the RUN?"""
    shell = shell_of(dockerfile, instruction)
    if shell and (not shell[0].endswith("sh") or any(re.fullmatch(r"-[a-z]*e[a-z]*", word) for word in shell[1:])):
        return True
    if any(re.match(r"#!\S+(?:\s+\S*sh)?\s+-\w*e", heredoc.content) for heredoc in instruction.heredocs):
        return True
    of_run = commands(dockerfile, instruction)
    found = (one for one in of_run if one.program == "set" or one.program.endswith("sh"))
    return any(
        re.fullmatch(r"-[a-zA-Z]*e[a-zA-Z]*", word) or word == "errexit" for one in found for word in one.arguments
    )


def _fix(dockerfile: Dockerfile, ran: Ran) -> Fix | None:
    """`set -e` at the front: as the first line of a here-document, or before the first command."""
    instruction = ran.instruction
    spans = tokens(dockerfile, instruction).heredocs
    if spans:
        if len(spans) > 1 or instruction.heredocs[0].content.startswith("#!"):
            return None
        return mend.fix("set -e", mend.inserted(spans[0].start, f"set -e{mend.newline(dockerfile)}"), safe=False)
    words = tokens(dockerfile, instruction).words
    if instruction.json_form or not words:
        return None
    return mend.fix("set -e", mend.inserted(words[0].span.start, "set -e; "), safe=False)


RULE = Rule(
    id="failure-hidden",
    severity=Severity.WARNING,
    hint="join with `&&`, or begin with `set -e`",
    look=look,
)
