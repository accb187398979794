"""undefined-variable: a variable in an instruction that nothing gives a value there."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

from pipeline import mend
from pipeline.analysis.bases import is_plain
from pipeline.analysis.walk import global_arguments, missing, nearest, root_of
from pipeline.model import Context, Dockerfile, Fix, Instruction, Problem, Rule, Severity, Stage, once_per_file
from policies.undefined_argument_in_from import PREDEFINED

_EXPANDED = frozenset({"ADD", "ARG", "COPY", "ENV", "EXPOSE", "LABEL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"})
_MOST = 500  # names that one may be a misspelling of
# What a shell or an engine sets, and what builders take without an ARG.
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
_ALWAYS = frozenset({"PATH", "HOME", "HOSTNAME", "TERM", "USER", "PWD", *_PROXIES, *map(str.lower, _PROXIES)})


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each variable in a needed stage that is certainly empty there, or nearly the name of another one.

    What the base image sets is not known, except that the plain system images set nothing. Not judged are a default
    (`${A:-b}`), `ENV A=…$A`, and RUN, CMD and ENTRYPOINT, where variables are the shell's affair.
    """
    if "$" not in dockerfile.text:
        return
    outer = {word.partition("=")[0] for instruction in global_arguments(dockerfile) for word in instruction.words}
    seen: list[set[str]] = []
    for stage in dockerfile.stages:
        names = set(seen[stage.parent]) if stage.parent is not None else set()
        for instruction in stage.instructions[1:]:
            if stage.needed and instruction.keyword in _EXPANDED and "$" in instruction.original:
                for name in sorted(_missing(dockerfile, instruction) - names - _ALWAYS):
                    problem = _problem(dockerfile, stage, instruction, name, names, outer)
                    if problem:
                        yield problem
            names.update(_set(instruction))
        seen.append(names)


def _set(instruction: Instruction) -> Iterator[str]:
    if instruction.keyword == "ENV":
        yield from instruction.words[::3]
    elif instruction.keyword == "ARG":
        yield from (word.partition("=")[0] for word in instruction.words)


@once_per_file
def _last_set(dockerfile: Dockerfile, stage: Stage) -> dict[str, int]:
    """The line that sets each of the stage's names last."""
    return {name: one.line for one in stage.instructions for name in _set(one)}


def _missing(dockerfile: Dockerfile, instruction: Instruction) -> frozenset[str]:
    """The variables of an instruction's words that would have to have a value of their own."""
    words = instruction.words[1::3] if instruction.keyword == "ENV" else instruction.words
    used = (word for word in (*words, *instruction.flags) if "$" in word and "<<" not in word)
    # Its own names: `ENV A=x:$A` adds to what the base may bring, `ARG A B=$A` sees the one before.
    return missing(dockerfile, used) - set(_set(instruction))


def _problem(
    dockerfile: Dockerfile, stage: Stage, instruction: Instruction, name: str, names: set[str], outer: set[str]
) -> Problem | None:
    if name in outer or name in PREDEFINED:
        if name in root_of(dockerfile, stage).base and name not in PREDEFINED:
            return None  # a python:${PYTHON_VERSION} image sets PYTHON_VERSION itself
        where = "above the first FROM" if name in outer else "by the builder"
        fix = Fix(
            f"declare ARG {name} in this stage", (mend.above(dockerfile, instruction, f"ARG {name}"),), safe=False
        )
        return _made(instruction, stage, f"${name} is empty here: it is set {where} and not declared in this stage",
                     hint=f"write ARG {name} in this stage, above this line", fix=fix)  # fmt: skip
    later = _last_set(dockerfile, stage).get(name, 0)
    if later > instruction.line:
        return _made(instruction, stage, f"${name} is set only later, on line {later}", hint="move that line up")
    if is_plain(stage.image):
        meant = nearest(dockerfile, name, chain(names, outer))
        return _made(instruction, stage, f"${name} is empty here: nothing sets it",
                     hint=f"did you mean ${meant}?" if meant else None)  # fmt: skip
    known = sorted(names | _ALWAYS) if len(names) <= _MOST else ()
    meant = next((one for one in known if _differs_by_one(name, one)), None)
    if meant is not None and len(name) > 3:
        return _made(instruction, stage, f"nothing here sets ${name}", hint=f"did you mean ${meant}?")
    return None


def _made(instruction: Instruction, stage: Stage, message: str, **more: Any) -> Problem:
    return Problem(instruction.line, message, stage=stage.label, **more)


def _differs_by_one(one: str, other: str) -> bool:
    """Is one letter changed, missing or too many, or are two neighbours swapped?"""
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    swapped = one[:start] + one[start + 1 : start + 2] + one[start : start + 1] + one[start + 2 :]
    if one[start:][-1:].isdigit() and other[start:][-1:].isdigit():
        return False  # LIB1 and LIB2 are two names
    return (
        other in (swapped,)
        or one[start + 1 :] == other[start + 1 :]
        or one[start:] == other[start + 1 :]
        or (one[start + 1 :] == other[start:])
    )


RULE = Rule(
    id="undefined-variable",
    severity=Severity.WARNING,
    hint="set it with ARG or ENV above this line, or give it a default: ${NAME:-value}",
    look=look,
)
