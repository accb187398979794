"""Instructions in, stages out: what each builds on, what of them ships, what is built at all. Speaks to: nothing."""

from __future__ import annotations

import graphlib
import itertools
from collections.abc import Mapping, Sequence

from pipeline import lazily
from pipeline.model import Instruction, Stage
from pipeline.parse import grammar
from pipeline.parse.expand import BadWord, Lexer
from pipeline.parse.instructions import trigger
from pipeline.parse.lines import Refused
from pipeline.parse.scope import Globals, Scope, refusal

_INDEX = lazily.pattern(r"[+-]?[0-9]{1,9}\Z")
_TRIGGER_WORK = 1000  # an ONBUILD runs once for each stage on top of it, a file can ask for millions of that


def resolve(
    instructions: Sequence[Instruction], *, escape: str, build_args: Mapping[str, str], target: str | None
) -> tuple[tuple[Stage, ...], int]:
    """Return the stages and the index of the one that ships. Raises Refused with a line."""
    graph = _Graph(instructions, escape, build_args, target)
    ships, needed = graph.reach()
    stages: list[Stage] = []
    scopes: list[Scope] = []
    for index, group in enumerate(graph.groups):
        parent = graph.parents[index]
        try:
            scope = Scope(graph.outer, None if parent is None else scopes[parent], image=graph.images[index])
        except BadWord as error:
            raise Refused(f"{error}", hint="use fewer variables and stages", line=group[0].line) from None
        scope.walk(graph.triggered[index], strict=index in needed)
        scope.walk(group, strict=index in needed)
        scopes.append(scope)
        start = group[0]
        stages.append(
            Stage(
                index=index,
                name=_name(start),
                base=start.words[0],
                image=graph.images[index],
                parent=parent,
                platform=graph.platforms[index],
                instructions=tuple(group),
                ships=index in ships,
                needed=index in needed,
                environment=scope.environment,
                arguments=scope.arguments,
            )
        )
    return tuple(stages), graph.target


def _name(start: Instruction) -> str | None:
    return start.words[2].lower() if len(start.words) == 3 else None


class _Graph:
    """Which stage builds on, copies from and mounts which. Indexes are those of the FROMs in the file."""

    def __init__(
        self, instructions: Sequence[Instruction], escape: str, build_args: Mapping[str, str], target: str | None
    ) -> None:
        before, self.groups = _grouped(instructions)
        last = _name(self.groups[-1][0])
        self.escape = escape
        self.outer = Globals(escape, build_args, target or last)
        self.by_name: dict[str, int] = {}
        self.parents: list[int | None] = []
        self.images: list[str | None] = []
        self.platforms: list[str | None] = []
        self.triggered: list[Sequence[Instruction]] = []
        self._triggers: dict[int, tuple[Instruction, ...]] = {}
        for instruction in before:
            self.outer.declare(instruction)
        for index, group in enumerate(self.groups):
            self._add(index, group[0])
        self.target = self._find_target(target)
        # For each stage, the stages it copies or mounts from, and the line that says so.
        self.sources = [self._sources(index) for index in range(len(self.groups))]
        self._refuse_circles()

    def _add(self, index: int, start: Instruction) -> None:
        base = start.words[0]
        image = self.outer.expand(base, start.line)
        if not image and "$" not in base:
            raise Refused("FROM with an empty image", hint="write `FROM image`", line=start.line)
        if image is not None and "$" in base and (not image or image[0] in "/:@" or image[-1] in "/:@"):
            image = None  # an ARG that is there, but empty
        parent = None if image is None else self.by_name.get(image)
        platforms = grammar.flag_values(start, "platform")
        self.platforms.append((self.outer.expand(platforms[0], start.line) or None) if platforms else None)
        self.parents.append(parent)
        self.images.append(image if parent is None else self.images[parent])
        self.triggered.append(() if parent is None else self._triggers_of(parent))
        name = _name(start)
        if name:
            self.by_name[name] = index

    def _triggers_of(self, parent: int) -> tuple[Instruction, ...]:
        """The instructions that the ONBUILDs of `parent` add to a stage on top of it."""
        if parent not in self._triggers:
            inside = (trigger(each, self.escape) for each in self.groups[parent] if each.keyword == "ONBUILD")
            self._triggers[parent] = tuple(each for each in inside if each)
            for each in self._triggers[parent]:
                _checked(each)
        try:
            self.outer.lexer.spend(_TRIGGER_WORK * len(self._triggers[parent]))
        except BadWord as error:
            raise Refused(f"{error}", hint="use fewer ONBUILDs", line=self.groups[parent][0].line) from None
        return self._triggers[parent]

    def _find_target(self, target: str | None) -> int:
        if target is None:
            return len(self.groups) - 1
        if target.lower() in self.by_name:
            return self.by_name[target.lower()]
        if target.isascii() and target.isdecimal() and int(target[:9]) < len(self.groups):
            return int(target[:9])
        near = grammar.near(target.lower(), self.by_name)
        known = ", ".join(self.by_name) or f"0 to {len(self.groups) - 1}"
        raise Refused(
            f"there is no stage `{target}`",
            hint=f"did you mean `{near}`?" if near else f"the stages are: {known}",
            line=self.groups[-1][0].line,
        )

    def _sources(self, index: int) -> dict[int, int]:
        sources: dict[int, int] = {}
        for instruction in (*self.triggered[index], *self.groups[index]):
            if not instruction.flags:
                continue
            if instruction.keyword == "COPY":
                found = [self._copied(name, instruction.line) for name in grammar.flag_values(instruction, "from")]
            elif instruction.keyword == "RUN":
                mounts = map(grammar.mount_options, grammar.flag_values(instruction, "mount"))
                found = [self.by_name.get(mount.get("from", "").lower()) for mount in mounts]
            else:
                continue
            for source in found:
                if source is not None:
                    sources.setdefault(source, instruction.line)
        return sources

    def _copied(self, name: str, line: int) -> int | None:
        """The stage that `COPY --from=name` means; None for an image."""
        try:
            plain = Lexer(self.escape).word(name, {})
        except BadWord as error:
            raise refusal(name, error, line) from None
        if plain != name:
            raise Refused(f"COPY --from={name}: no variable is substituted there",
                          hint="give the image a stage of its own: FROM …$VARIABLE AS name", line=line)  # fmt: skip
        if not _INDEX.match(name):
            return self.by_name.get(name.lower())
        if not 0 <= int(name) < len(self.groups):
            raise Refused(f"COPY --from={name}: there is no such stage",
                          hint=f"the stages are 0 to {len(self.groups) - 1}", line=line)  # fmt: skip
        return int(name)

    def _refuse_circles(self) -> None:
        edges: dict[int, list[int]] = {
            index: [*sources, *([] if self.parents[index] is None else [self.parents[index] or 0])]
            for index, sources in enumerate(self.sources)
        }
        try:
            graphlib.TopologicalSorter(edges).prepare()
        except graphlib.CycleError as error:
            # Stages only build on earlier ones, so a circle holds a copy from a later one or from itself.
            circle = error.args[1]
            line = next(self.sources[i][j] for j, i in itertools.pairwise(circle) if j in self.sources[i])
            names = " → ".join(_name(self.groups[i][0]) or str(i) for i in reversed(circle))
            raise Refused(f"stages wait for each other: {names}",
                          hint="copy from an earlier stage, or from the context", line=line) from None  # fmt: skip

    def reach(self) -> tuple[set[int], set[int]]:
        """Return the stages that ship and those that are needed. Raises Refused for a copy from a later stage."""
        ships: set[int] = set()
        stage: int | None = self.target
        while stage is not None:
            ships.add(stage)
            stage = self.parents[stage]
        needed: set[int] = set()
        waiting = [self.target]
        while waiting:
            index = waiting.pop()
            if index in needed:
                continue
            needed.add(index)
            for source, line in self.sources[index].items():
                if source > index:
                    raise Refused(
                        f"stage {_name(self.groups[source][0]) or source} is used before it is defined",
                        hint="move its FROM above this stage's",
                        line=line,
                    )
                waiting.append(source)
            parent = self.parents[index]
            if parent is not None:
                waiting.append(parent)
        return ships, needed


def _grouped(instructions: Sequence[Instruction]) -> tuple[list[Instruction], list[list[Instruction]]]:
    """Split at each FROM; what stands before the first is apart. Raises Refused."""
    before: list[Instruction] = []
    groups: list[list[Instruction]] = []
    for instruction in instructions:
        _checked(instruction)
        if instruction.keyword == "FROM":
            groups.append([instruction])
        elif groups:
            groups[-1].append(instruction)
        elif instruction.keyword == "ARG":
            before.append(instruction)
        else:
            raise Refused(f"{instruction.keyword} before the first FROM", hint="begin with `FROM image`",
                          line=instruction.line)  # fmt: skip
    if not groups:
        raise Refused("there is no FROM in it", hint="write `FROM image` after the ARGs",
                      line=instructions[-1].end_line)  # fmt: skip
    return before, groups


def _checked(instruction: Instruction) -> None:
    try:
        grammar.check(instruction)
    except Refused as refused:
        refused.line = instruction.line
        raise
