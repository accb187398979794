"""built-on-newer-system: programs linked to a newer C library than the image they run in has."""

import re
from collections.abc import Iterator

from pipeline import facts
from pipeline.analysis.compiles import compiled, compiling
from pipeline.analysis.copies import Taken, taken
from pipeline.analysis.systems import system
from pipeline.analysis.walk import root_of
from pipeline.analysis.wording import dotted
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity, Stage, once_per_file

_SYSTEM_FILE = (
    r"/(?:usr/)?(?:lib|lib64)/(?:x86_64-linux-gnu/|aarch64-linux-gnu/)?lib[^/]*\.so[^/]*|/usr/(?:s?bin)/[\w.+-]+"
)
_STATIC = frozenset({"go", "cargo"})  # Go needs no C library; Rust on Alpine links musl into the program


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each COPY of compiled things out of a stage whose glibc is newer, or whose C library is another."""
    if len(dockerfile.stages) < 2:
        return
    here = system(dockerfile.final.image)
    if here is None:
        return
    told = set()
    for one in taken(dockerfile):
        why = _why(dockerfile, one, here) if one.source is not None else None
        if why and one.source is not None and one.instruction.line not in told:
            told.add(one.instruction.line)
            line = root_of(dockerfile, one.source).line
            yield Problem(one.instruction.line, f"{one.path} comes from {why} (line {line})", stage=one.stage.label)


def _why(dockerfile: Dockerfile, one: Taken, here: str) -> str | None:
    there = system(one.image)
    made = compiled(dockerfile, one)
    own = bool(re.fullmatch(_SYSTEM_FILE, one.path))
    if there is None or there == here or not (made or own):
        return None
    newer, older = facts.os_glibc(there), facts.os_glibc(here)
    if newer and older and newer > older and (own or _linked(dockerfile, one.source, frozenset({"go"}))):
        return f"{there} with glibc {dotted(newer)}, and {here}, which ships, has {dotted(older)}"
    if (
        facts.os_musl(there) != facts.os_musl(here)
        and (newer or older)
        and (own or _linked(dockerfile, one.source, _STATIC))
    ):
        return f"{there}, and {here}, which ships, has another C library"
    return None


@once_per_file
def _linked(dockerfile: Dockerfile, stage: Stage | None, static: frozenset[str]) -> bool:
    """Does a stage compile what needs a C library, as far as its commands tell?"""
    made = () if stage is None else compiling(dockerfile, stage)
    return any(each.what not in static and "static" not in each.instruction.original for each in made)


RULE = Rule(
    id="built-on-newer-system",
    severity=Severity.WARNING,
    hint="build on the system that ships, or on an older one; or link statically",
    look=look,
)
