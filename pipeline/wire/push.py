"""An image's layers, its Dockerfile and a changed line in, what is pushed again out. Speaks to: nothing."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Sequence

from pipeline.analysis.walk import copied_from, mounts, origins, sources
from pipeline.model import Dockerfile, Instruction
from pipeline.model.image import Layer
from pipeline.model.wire import PushedAgain

# What lists dependencies, and so changes more seldom than code does.
_LISTS = re.compile(
    r"(?:.*require.*|constraints.*|pyproject|setup|environment.*|conda.*|pipfile|poetry|pdm|uv|package(?:-lock)?"
    r"|npm-shrinkwrap|yarn|pnpm-lock|pnpm-workspace|cargo|go|gemfile|composer|\.python-version|\.npmrc|\.nvmrc)"
    r"(?:\.(?:txt|in|toml|lock|cfg|ya?ml|json|mod|sum|work))?"
)
_CODE = frozenset({
    ".bash", ".c", ".cc", ".cpp", ".css", ".cu", ".cuh", ".cxx", ".go", ".h", ".hpp", ".html", ".ipynb", ".java",
    ".js", ".jsx", ".kt", ".lua", ".mjs", ".php", ".pl", ".proto", ".py", ".pyx", ".r", ".rb", ".rs", ".sh", ".ts",
    ".tsx",
})  # fmt: skip
# Folders of these names hold what others made.
_NOT_CODE = frozenset({
    "assets", "certs", "checkpoints", "data", "dataset", "datasets", "dist", "licenses", "model", "models",
    "requirements", "third-party", "third_party", "vendor", "weights", "wheelhouse", "wheels",
})  # fmt: skip


def pushed_again(layers: Sequence[Layer], dockerfile: Dockerfile, line: int) -> PushedAgain | None:
    """What a change of the instruction at `line` (its first line) pushes again, at most; None when nobody can tell.

    That is the layer that the line makes, or the first that copies from a stage in which the line stands, and all
    above it; but for `COPY --link`, which stands on its own, unless it copies what changed. Nobody can tell for an
    instruction that makes no layer and changes no stage: FROM of the shipped stage, ENV, a line between two.
    """
    return _after(layers, dockerfile, frozenset({line}))


def code_change(layers: Sequence[Layer], dockerfile: Dockerfile) -> PushedAgain | None:
    """What a change of the project's own sources pushes again, at most; None when nothing tells what brings them."""
    return _after(layers, dockerfile, frozenset(code_lines(dockerfile)))


def code_lines(dockerfile: Dockerfile) -> tuple[int, ...]:
    """The lines of the COPY, ADD and RUN --mount that bring the project's own code out of the build context."""
    return tuple(
        instruction.line
        for stage in dockerfile.stages
        if stage.needed
        for instruction in stage.instructions
        if any(map(_is_code, _from_context(instruction)))
    )


def _from_context(instruction: Instruction) -> Iterator[str]:
    if instruction.keyword in ("COPY", "ADD") and copied_from(instruction) is None:
        yield from sources(instruction)
    elif instruction.keyword == "RUN":
        yield from (one.source or "." for one in mounts(instruction, "bind") if not one.origin)


def _is_code(source: str) -> bool:
    """Is this path of the context code of the project's own? False where a name does not tell."""
    if "://" in source or source.startswith("git@"):
        return False
    path = posixpath.normpath("/" + source).lstrip("/").lower()
    name = posixpath.basename(path)
    if name in ("", "*", "**", ".*"):
        return True
    suffix = posixpath.splitext(name)[1].rstrip("*")
    if _NOT_CODE.intersection(path.split("/")) or (_LISTS.fullmatch(name.rstrip("*?")) and suffix not in _CODE):
        return False
    return suffix in _CODE or not suffix  # without a suffix it is a folder, or a script


def _after(layers: Sequence[Layer], dockerfile: Dockerfile, lines: Collection[int]) -> PushedAgain | None:
    found: list[Layer] = []
    placed = {one.line: one for stage in dockerfile.shipped() for one in stage.instructions}
    changed = _reached(dockerfile, lines)
    for layer in layers:
        if layer.origin != "own":
            continue
        instruction = placed.get(layer.dockerfile_line or 0)
        if (instruction is not None and instruction.line in changed) or (
            found and not (instruction is not None and _stands_alone(instruction))
        ):
            found.append(layer)
    if not found or found[0].dockerfile_line is None:
        return None
    return PushedAgain(
        dockerfile_line=found[0].dockerfile_line,
        instruction=found[0].instruction,
        compressed_bytes=sum(layer.compressed_bytes for layer in found),
        of_bytes=sum(layer.compressed_bytes for layer in layers),
        layers=tuple(layer.digest for layer in found),
    )


def _stands_alone(instruction: Instruction) -> bool:
    """Is it a COPY or ADD whose layer does not depend on the ones below?"""
    values = [flag.partition("=")[2].lower() for flag in instruction.flags if flag.partition("=")[0] == "--link"]
    return instruction.keyword in ("COPY", "ADD") and bool(values) and values[-1] not in ("false", "0", "f")


def _reached(dockerfile: Dockerfile, lines: Collection[int]) -> frozenset[int]:
    """The lines that a change of these reaches, through what is copied or mounted from a stage whose files change."""
    found = set(lines)
    changed: set[int] = set()
    named: dict[str, int] = {}  # a stage takes from earlier ones only, and from the last of a name
    for stage in dockerfile.stages:
        hit = stage.parent in changed
        for one in stage.instructions:
            origin_stages = {named.get(name.lower(), _number(name)) for name in origins(one)}
            if one.line in lines or not origin_stages.isdisjoint(changed):
                found.add(one.line)
                hit = True
        if hit:
            changed.add(stage.index)
        if stage.name:
            named[stage.name] = stage.index
    return frozenset(found)


def _number(name: str) -> int:
    """The stage that a number names; -1 for an image."""
    return int(name[:9]) if name.isascii() and name.isdecimal() else -1
