"""A condition of a policy (CEL) in, a rule out. Speaks to: cel, only where a policy has conditions.

    for: image         image, stage, base           once, at the FROM of the stage that ships
    for: stage         stage, base                  each stage
    for: instruction   instruction, stage, base     each instruction of a stage that the target needs
    for: command       command, instruction, stage, base     each command of their RUNs

A fact that is not there is empty (`""`, `[]`, `{}`), never an error. A key that a map does not have makes a condition
untrue: `stage.environment.HF_HOME == "/models"`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.analysis import shell
from pipeline.errors import BadFile
from pipeline.model import Context, Dockerfile, Instruction, Problem, Rule, Severity, Stage

if TYPE_CHECKING:
    import cel

Facts = dict[str, Any]
KINDS = ("instruction", "stage", "command", "image")
SAMPLE = """\
FROM nvidia/cuda:12.4.1-base-ubuntu22.04 AS first
ENV A=b
LABEL c=d
RUN --network=none echo e | cat > f
USER 1000:1000
HEALTHCHECK CMD true
EXPOSE 8000
CMD ["serve"]
"""
LONGEST, DEEPEST = 4000, 2
LOOP = r"\.\s*(?:map|filter|all|exists|exists_one)\s*\(|[()]"
STRING = r"r?(\"\"\".*?\"\"\"|'''.*?'''|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"


def rule(said: Mapping[str, Any], file: Path, line: int | None) -> Rule:
    """Return the rule that a condition makes. `said` is a Condition's fields, already checked, by their names."""
    try:
        program = compiled(said["when"], said["kind"])
    except ValueError as error:
        raise BadFile(f"the condition {said['id']}: {error}", file=file, line=line, hint="mend its `when`") from None

    def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
        for at, stage, facts in things(dockerfile, context, said["kind"]):
            if _true(program, facts, said, file, line):
                yield Problem(at, said["message"], stage=stage)

    return Rule(
        id=said["id"], severity=Severity(said["severity"]), hint=said["hint"], look=look, page=page(said, file, line),
        docs=str(file),
    )  # fmt: skip


def page(said: Mapping[str, Any], file: Path, line: int | None) -> str:
    """What `explain` says of a condition."""
    place = str(file) if line is None else f"{file}:{line}"
    return (
        f"# {said['id']}\n\n{said['message']}\n\nTry: {said['hint']}\n\n"
        f"A condition of {place}, looked at for each {said['kind']}:\n\n```cel\n{said['when'].strip()}\n```\n\n"
        f"## Allowing it\n\n`# policy: allow {said['id']} until 2027-03-01 -- REASON` on the line above.\n"
    )


@lru_cache(maxsize=256)
def compiled(expression: str, kind: str) -> cel.Program:
    """Return the expression, ready to run. Raises ValueError for one that cannot be true or false here.

    It is tried on a small Dockerfile, so that a wrong name or type is told where the policy is read.
    """
    import cel

    if len(expression) > LONGEST or _loops_inside_loops(expression) > DEEPEST:
        raise ValueError(
            f"at most {LONGEST} characters, and at most {DEEPEST} of map, filter, all and exists in one another"
        )
    try:
        program = cel.compile(expression)
    except ValueError as error:
        raise ValueError(f"not an expression of CEL: {_short(str(error))}") from None
    _known_names(expression, program, kind)
    for _, _, facts in things(_sample(), Context(), kind):
        try:
            found = program.execute(cel.Context(variables=facts, functions=dict(FUNCTIONS)))
        except KeyError:
            continue
        except Exception as error:
            raise ValueError(_short(str(error))) from None
        if not isinstance(found, bool):
            raise ValueError(f"must be true or false, and is {type(found).__name__}")
    return program


def _loops_inside_loops(expression: str) -> int:
    """How many loops run inside one another: each multiplies the time and the memory that nothing else bounds."""
    inside: list[bool] = []
    deepest = 0
    for found in re.finditer(LOOP, re.sub(STRING, '""', expression, flags=re.DOTALL)):
        if found[0] != ")":
            inside.append(found[0] != "(")
            deepest = max(deepest, sum(inside))
        elif inside:
            inside.pop()
    return deepest


def things(dockerfile: Dockerfile, context: Context, kind: str) -> Iterator[tuple[int, str | None, Facts]]:
    """Yield everything that a condition for `kind` is asked about: its line, the label of its stage, its facts."""
    if kind == "image":
        final = dockerfile.final
        yield final.line, final.label, {"image": _image(dockerfile, context), **_of_stage(dockerfile, final)}
        return
    for stage in dockerfile.stages:
        around = _of_stage(dockerfile, stage)
        if kind == "stage":
            yield stage.line, stage.label, around
        elif stage.needed:
            yield from _inside(dockerfile, stage, around, kind)


def _inside(
    dockerfile: Dockerfile, stage: Stage, around: Facts, kind: str
) -> Iterator[tuple[int, str | None, Facts]]:
    for one in stage.instructions:
        facts = {**around, "instruction": _instruction(one)}
        if kind == "instruction":
            yield one.line, stage.label, facts
        elif one.keyword == "RUN":
            for command in shell.commands(dockerfile, one):
                yield command.line, stage.label, {**facts, "command": _command(command)}


def _instruction(one: Instruction) -> Facts:
    return {
        "keyword": one.keyword, "flags": list(one.flags), "words": list(one.words), "text": one.original,
        "json_form": one.json_form, "line": one.line, "heredocs": [heredoc.content for heredoc in one.heredocs],
    }  # fmt: skip


def _command(one: shell.Command) -> Facts:
    return {
        "program": one.program, "arguments": list(one.arguments), "words": list(one.words),
        "text": " ".join(one.words), "line": one.line, "joined": one.joined, "piped": one.piped,
        "reads_pipe": one.reads_pipe, "redirects": [f"{sign} {target}" for sign, target in one.redirects],
        "inside": one.inside, "assignments": dict(one.assignments),
    }  # fmt: skip


def _of_stage(dockerfile: Dockerfile, stage: Stage) -> Facts:
    return {"stage": _stage(dockerfile, stage), "base": _base(stage)}


def _stage(dockerfile: Dockerfile, stage: Stage) -> Facts:
    return {
        "name": stage.name or "", "index": stage.index, "line": stage.line, "base": stage.base,
        "image": stage.image or "", "platform": stage.platform or "", "ships": stage.ships, "needed": stage.needed,
        "environment": dict(stage.environment), "arguments": dict(stage.arguments),
        "user": (_last(dockerfile, stage, "USER") or ("",))[0],
    }  # fmt: skip


def _base(stage: Stage) -> Facts:
    """The effective base in its parts; all empty when an ARG has no value."""
    from pipeline import facts

    parts, brings = facts.reference(stage.image or ""), facts.gpu_base(stage.image or "")
    return {
        "image": stage.image or "", "name": parts.repository, "tag": parts.tag or "", "digest": parts.digest or "",
        **{key: str(getattr(brings, key, None) or "") for key in ("cuda", "flavour", "framework", "os", "rocm")},
    }  # fmt: skip


def _image(dockerfile: Dockerfile, context: Context) -> Facts:
    final = dockerfile.final
    ships = [one for stage in reversed(tuple(dockerfile.shipped())) for one in stage.instructions]
    labels = {one.words[at]: one.words[at + 1] for one in ships if one.keyword == "LABEL"
              for at in range(0, len(one.words) - 1, 3)}  # fmt: skip
    return {
        "name": getattr(context.recipe, "name", ""), "file": dockerfile.path, "stages": len(dockerfile.stages),
        "environment": dict(final.environment), "user": (_last(dockerfile, final, "USER") or ("",))[0],
        "labels": labels, "exposed": [word for one in ships if one.keyword == "EXPOSE" for word in one.words],
        "entrypoint": list(_last(dockerfile, final, "ENTRYPOINT")), "command": list(_last(dockerfile, final, "CMD")),
        "healthcheck": list(_last(dockerfile, final, "HEALTHCHECK")),
    }  # fmt: skip


def _last(dockerfile: Dockerfile, stage: Stage, keyword: str) -> tuple[str, ...]:
    """The words of the last such instruction of a stage, or of the stages it builds on."""
    at: Stage | None = stage
    while at is not None:
        for one in reversed(at.instructions):
            if one.keyword == keyword:
                return one.words
        at = None if at.parent is None else dockerfile.stages[at.parent]
    return ()


def _at_least(version: str, least: str) -> bool:
    """`at_least(base.cuda, "12.4")`: compared as versions; false where there is none."""
    from packaging.version import InvalidVersion, Version

    try:
        return bool(version) and Version(version) >= Version(least)
    except InvalidVersion:
        return False


FUNCTIONS: Mapping[str, Callable[..., Any]] = {"at_least": _at_least}


def _true(program: cel.Program, facts: Facts, said: Mapping[str, Any], file: Path, line: int | None) -> bool:
    import cel

    try:
        found = program.execute(cel.Context(variables=facts, functions=dict(FUNCTIONS)))
    except KeyError:
        return False
    except Exception as error:
        raise BadFile(f"the condition {said['id']} cannot be answered: {_short(str(error))}", file=file, line=line,
                      hint="convert explicitly, or ask has(…) first") from None  # fmt: skip
    return found is True


def _known_names(expression: str, program: cel.Program, kind: str) -> None:
    """Raise ValueError for a name that no fact has: CEL itself only says so when it gets there."""
    facts = next(facts for _, _, facts in things(_sample(), Context(), kind))
    bare = re.sub(STRING, '""', expression, flags=re.DOTALL)
    bound = set(re.findall(r"\(\s*(\w+)\s*,", bare))  # of exists(x, …), all(x, …), map(x, …)
    for name in program.variables():
        if name not in facts and name not in bound:
            raise ValueError(f"no fact `{name}` for each {kind}: there are {', '.join(sorted(facts))}")
    for name, key in re.findall(r"(?<![\w.])(\w+)\.(\w+)\b(?!\s*\()", bare):
        if name in facts and name not in bound and key not in facts[name]:
            raise ValueError(f"`{name}` has no `{key}`: it has {', '.join(sorted(facts[name]))}")


@lru_cache(maxsize=1)
def _sample() -> Dockerfile:
    from pipeline.parse import parse

    return parse(SAMPLE)


def _short(words: str) -> str:
    line = re.sub(r"^.*?ERROR: <input>:", "line ", words.split("\n")[0])
    line = re.sub(r",? expecting \{.*", "", line)
    return line if len(line) <= 200 else f"{line[:199]}…"
