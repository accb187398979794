"""A Dockerfile in, what ShellCheck says of its RUNs out. Speaks to: shellcheck, as a program (it is GPL).

All scripts of a file go through one start of it. Where it reports is told in the file's own bytes, and what it offers
as a replacement becomes edits there.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeline import tools
from pipeline.errors import ToolFailed
from pipeline.model import Dockerfile, Edit, Instruction, Span, Stage, once_per_file
from pipeline.parse import tokens
from pipeline.parse.spans import in_bytes, logical

# Variables that come from ARG and ENV look unassigned to it; files that a script sources are not here; it asks for a
# shebang; and a `cd` that fails ends a RUN that is one list of commands joined by &&.
NOT_ASKED = "SC1090,SC1091,SC2034,SC2148,SC2154"
_SHELLS = ("sh", "bash", "dash", "ksh")


class Remark(NamedTuple):
    """One remark. `level`: error, warning, info or style; `edits` is empty where it offers none."""

    code: str
    level: str
    message: str
    span: Span
    stage: Stage
    edits: tuple[Edit, ...]


class _Script(NamedTuple):
    text: str
    shell: str
    stage: Stage
    starts: tuple[int, ...]  # where each of its lines begins in the file, in characters; one for a joined line
    instruction: Instruction | None  # set when the text is the instruction's joined line


@once_per_file
def remarks(dockerfile: Dockerfile) -> tuple[Remark, ...]:
    """Return what ShellCheck says, in its own order. Raises ToolMissing, ToolFailed."""
    scripts = list(_scripts(dockerfile))
    if not scripts:
        return ()
    with tempfile.TemporaryDirectory() as folder:
        names = {}
        for number, script in enumerate(scripts):
            file = Path(folder) / str(number)
            file.write_text(f"# shellcheck shell={script.shell}\n{script.text}\n", encoding="utf-8", newline="")
            names[str(file)] = script
        argv = ["shellcheck", "--norc", "--format=json1", f"--exclude={NOT_ASKED}", "--", *names]
        answer = tools.run(argv, timeout=60, fine=(0, 1))
    try:
        comments = json.loads(answer)["comments"]
        return tuple(_remark(dockerfile, names[one["file"]], one) for one in comments)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ToolFailed(f"shellcheck answered what we cannot read: {error}", hint="try another version") from None


def _scripts(dockerfile: Dockerfile) -> Iterator[_Script]:
    for stage in dockerfile.stages:
        shell = "sh"
        for instruction in stage.instructions:
            if instruction.keyword == "SHELL" and instruction.words:
                shell = instruction.words[0].rpartition("/")[2]
            if instruction.keyword != "RUN" or instruction.json_form or shell not in _SHELLS or not stage.needed:
                continue
            if instruction.heredocs:
                yield from _heredoc(dockerfile, stage, instruction, shell)
            elif instruction.words:
                yield _Script(instruction.words[0], shell, stage, (), instruction)


def _heredoc(dockerfile: Dockerfile, stage: Stage, instruction: Instruction, shell: str) -> Iterator[_Script]:
    """`RUN <<EOF` and `RUN bash <<EOF`: the body is the script. Whatever else reads a body is not the shell."""
    words = re.sub(r"\d*<<-?\s*\S+", "", instruction.words[0]).split() if instruction.words else []
    program = words[0].rpartition("/")[2] if words else ""
    body = instruction.heredocs[0].content
    if body.startswith("#!"):
        program = body.partition("\n")[0].rpartition("/")[2].removeprefix("env ").strip()
    if (program or shell) not in _SHELLS or instruction.heredocs[0].chomp:
        return
    start = len(dockerfile.text.encode()[: tokens(dockerfile, instruction).heredocs[0].start].decode())
    lines = dockerfile.text[start:].split("\n")[: body.count("\n")]
    starts = [start]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    yield _Script(body, program or shell, stage, tuple(starts), None)


def _remark(dockerfile: Dockerfile, script: _Script, said: Mapping[str, Any]) -> Remark:
    span = _span(dockerfile, script, said)
    wanted = ((said.get("fix") or {}).get("replacements")) or ()
    edits = [
        (Edit(_span(dockerfile, script, one), one["replacement"]), one["precedence"])
        for one in wanted
    ]  # fmt: skip
    return Remark(
        code=f"SC{said['code']}",
        level=str(said["level"]),
        message=str(said["message"]).strip(),
        span=span,
        stage=script.stage,
        edits=tuple(edit for edit, _ in sorted(edits, key=lambda pair: (pair[0].span, pair[1]))),
    )


def _span(dockerfile: Dockerfile, script: _Script, said: Mapping[str, Any]) -> Span:
    """Its lines count from 1, the first of them is our own remark about the shell; so do its columns."""
    first = _place(dockerfile, script, int(said["line"]) - 2, int(said["column"]) - 1)
    last = _place(dockerfile, script, int(said["endLine"]) - 2, int(said["endColumn"]) - 1)
    return in_bytes(dockerfile, first, max(first, last))


def _place(dockerfile: Dockerfile, script: _Script, line: int, column: int) -> int:
    if script.instruction is None:
        return script.starts[line] + column
    whole = logical(dockerfile, script.instruction)
    return whole.place(whole.text.rindex(script.text) + column)
