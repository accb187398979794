"""archive-unpacked-by-hand: an archive copied into a layer, to be unpacked into another."""

from collections.abc import Iterator
from posixpath import basename

from pipeline.analysis import walk
from pipeline.analysis.calls import by_program, problem
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
_PROGRAMS = {"tar": _TAR, "bsdtar": (*_TAR, ".zip"), "unzip": (".zip", ".whl"), "7z": (".7z", ".zip", *_TAR)}


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each unpacking, in a shipped stage, of an archive that a COPY of the same stage brought."""
    if not any(program in by_program(dockerfile) for program in _PROGRAMS):
        return
    copied = [
        (placed.stage, placed.instruction.line, basename(source))
        for placed in walk.placed(dockerfile, "COPY")
        if placed.stage.ships
        for source in walk.sources(placed.instruction)
        if source.endswith(tuple({end for ends in _PROGRAMS.values() for end in ends}))
    ][:300]
    for program, ends in _PROGRAMS.items():
        for ran in by_program(dockerfile).get(program, ()):
            for one in copied:
                stage, line, name = one
                if stage is ran.stage and name.endswith(ends) and _names(ran.command.words, name):
                    yield problem(ran, f"{name} ships twice: packed by the COPY in line {line}, and unpacked")
                    copied.remove(one)
                    break


def _names(words: tuple[str, ...], name: str) -> bool:
    if "*" in name:
        return any("*" in word and word.endswith(name.rpartition("*")[2]) for word in words)
    return any(basename(word) == name for word in words)


RULE = Rule(
    id="archive-unpacked-by-hand",
    severity=Severity.WARNING,
    hint="ADD unpacks a local tar archive as it copies; `RUN --mount=type=bind,…` brings any archive to one RUN",
    look=look,
)
