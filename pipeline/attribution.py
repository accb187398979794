"""An image's layers and its Dockerfile in, the line that brought each layer out. Speaks to: nothing.

BuildKit writes one history entry for each instruction but FROM and ONBUILD, in the order of the build, and marks the
entries that made no layer. Read backwards, the end of the history is the Dockerfile, and what is left below it is the
base image. Each step is checked: where history and Dockerfile disagree, that layer and all below it have no line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.layout import Layout
from pipeline.model import Dockerfile, Instruction, LayerOrigin

LONGEST = 2000  # characters kept of an instruction that only the history knows
FILLER = "buildkit.exporter.image.v0"  # BuildKit's note on a layer that the history of the base forgot
SHELL_FORM = re.compile(r"^(?:RUN )?(?:\|\d+ .*?)?/bin/(?:ba)?sh -c (.*)$", re.DOTALL)
CLASSIC_MARK = "#(nop)"
FLAGS = re.compile(r"^(?:--\S+ )+")
CHANGED_BY_BUILDKIT = re.compile(r"""[$"'\\<]""")  # variables, quotes and heredocs look different in the history


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of the history, in the Dockerfile's words as far as they can be had again."""

    keyword: str
    arguments: str
    made_layer: bool
    classic: bool  # written by the classic builder, which notes `COPY file:<hash> in <path>`
    known_shell: bool  # of a RUN: the arguments begin after the shell's own words

    @property
    def text(self) -> str:
        """What a person would call the instruction."""
        return f"{self.keyword} {self.arguments}"[:LONGEST].strip()


@dataclass(frozen=True, slots=True)
class _Step:
    """One instruction that the build ran, and the line it stands on: for an ONBUILD trigger, the ONBUILD's."""

    keyword: str
    words: tuple[str, ...]
    heredocs: bool
    original: str
    line: int


def attribute(layout: Layout, dockerfile: Dockerfile | None, base_layers: tuple[str, ...]) -> tuple[LayerOrigin, ...]:
    """Return the origin of each layer, lowest first.

    `base_layers` are the base image's diff IDs, () when nobody knows them; an image that does not start with them has
    an unknown base. A layer is "base" when it is one of them or, with an unknown base, when the whole Dockerfile was
    found above it. A layer that nobody can place is "own". A layer between the base's and the Dockerfile's came
    from a trigger of the base image; its line is the FROM's.
    """
    layers = layout.layers
    diff_ids = tuple(diff_id for _, diff_id, _, _ in layers)
    base = len(base_layers) if diff_ids[: len(base_layers)] == base_layers else 0
    entries = _history(layout.config)
    # Only when every layer has its entry can entries be told to layers from below.
    makers = [entry for entry in entries if entry.made_layer]
    texts = [entry.text for entry in makers] if len(makers) == len(layers) else [""] * len(layers)
    lines: list[int | None] = [None] * len(layers)

    found, complete = _placed(entries, dockerfile, len(layers), base)
    for index, step in found.items():
        texts[index], lines[index] = step.original, step.line
    root = tuple(dockerfile.shipped())[-1] if dockerfile else None
    if complete and root and "scratch" not in (root.base, root.image):
        lowest = min(found, default=len(layers))
        base = base or lowest
        lines[base:lowest] = [root.line] * (lowest - base)
    return tuple(
        LayerOrigin(
            digest=digest,
            diff_id=diff_id,
            instruction=texts[index],
            dockerfile_line=lines[index] if index >= base else None,
            origin="base" if index < base else "own",
        )
        for index, (digest, diff_id, _, _) in enumerate(layers)
    )


def _placed(
    entries: list[_Entry], dockerfile: Dockerfile | None, layers: int, base: int
) -> tuple[dict[int, _Step], bool]:
    """Walk history and Dockerfile from their ends; return the step of each layer, and whether all of it was found."""
    found: dict[int, _Step] = {}
    if dockerfile is None:
        return found, False
    steps = list(_steps(dockerfile))
    layer, position = layers, len(entries)
    while steps:
        step = steps.pop()
        entry = entries[position - 1] if position else None
        if step.keyword == "ONBUILD" and (entry is None or entry.keyword != "ONBUILD"):
            continue  # BuildKit keeps no entry for it, the classic builder does
        if entry is None or not _agree(entry, step):
            return found, False
        position -= 1
        if entry.made_layer:
            layer -= 1
            if layer < base:
                return found, False
            found[layer] = step
    return found, True


def _steps(dockerfile: Dockerfile) -> Iterator[_Step]:
    """Yield what ran for the shipped image, in order. A stage first runs the ONBUILD triggers of the stage below."""
    triggers: list[_Step] = []
    for stage in reversed(tuple(dockerfile.shipped())):
        yield from triggers
        triggers = []
        for instruction in stage.instructions[1:]:
            yield _step(instruction)
            if instruction.keyword == "ONBUILD":
                triggers.append(_trigger(instruction))


def _step(instruction: Instruction) -> _Step:
    return _Step(
        instruction.keyword,
        instruction.words,
        bool(instruction.heredocs),
        instruction.original,
        instruction.line,
    )


def _trigger(onbuild: Instruction) -> _Step:
    """What an ONBUILD runs in the next stage."""
    keyword, *words = onbuild.words
    return _Step(keyword.upper(), tuple(words), bool(onbuild.heredocs), onbuild.original, onbuild.line)


def _agree(entry: _Entry, step: _Step) -> bool:
    """Could this instruction have written that entry? Words are compared where BuildKit keeps them as they are."""
    if entry.keyword != step.keyword:
        return False
    if step.heredocs:
        return True
    written, kept = _plain(" ".join(step.words)), _plain(entry.arguments)
    if step.keyword == "RUN":
        if not entry.known_shell:  # another SHELL: nobody can tell where its own words end
            return kept == written or kept.endswith(f" {written}")
        shell = SHELL_FORM.match(written)  # RUN ["/bin/sh", "-c", "…"] looks like the shell form afterwards
        return kept == written or (shell is not None and kept == shell[1])
    if step.keyword in ("COPY", "ADD") and not entry.classic and not CHANGED_BY_BUILDKIT.search(written):
        return FLAGS.sub("", kept) == written
    return True


def _plain(text: str) -> str:
    return " ".join(text.split())


def _history(config: dict[str, Any]) -> list[_Entry]:
    """The history of an image config, without BuildKit's fillers at its end. [] when there is none to rely on."""
    raw = config.get("history")
    if not isinstance(raw, list) or not all(isinstance(item, dict) for item in raw):
        return []
    while raw and raw[-1].get("comment") == FILLER:
        raw = raw[:-1]
    return [_entry(str(item.get("created_by") or ""), not item.get("empty_layer")) for item in raw]


def _entry(created_by: str, made_layer: bool) -> _Entry:
    text = created_by.removesuffix(" # buildkit").strip()
    shell = SHELL_FORM.match(text)
    classic = shell is not None and shell[1].startswith(CLASSIC_MARK)
    if shell is not None:
        text = shell[1].removeprefix(CLASSIC_MARK).strip() if classic else f"RUN {shell[1]}"
    keyword, _, arguments = text.partition(" ")
    return _Entry(keyword.upper(), arguments, made_layer, classic, shell is not None)
