"""A Dockerfile in, its images with their digests out. Speaks to: whoever `resolve` asks, a registry.

`name:tag` becomes `name:tag@sha256:…`; a digest that stands there already is brought up to date with its tag. Where
the reference comes whole from one argument with a default, the default is what changes. A reference that is put
together from several arguments cannot be pinned in place: it names another image with each of their values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from pipeline import facts
from pipeline.errors import PipelineError
from pipeline.fix.engine import apply
from pipeline.model import Dockerfile, Edit, Instruction, Span, Stage
from pipeline.parse import mount_options, parse, tokens

Resolve = Callable[[str], str | None]  # a reference with its tag → its digest, None when the registry has no such tag

_ARGUMENT = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """One image that got a digest. `before` is the digest that stood there, None when there was none."""

    line: int
    image: str
    before: str | None
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotPinned:
    """One image that got none, and why."""

    line: int
    image: str
    because: str


@dataclass(frozen=True, slots=True)
class _Place:
    line: int
    image: str  # as the file writes it
    span: Span | None
    because: str = ""  # why there is no span


def pinned(
    text: str, path: str, resolve: Resolve, tree: Collection[str] = ()
) -> tuple[str, tuple[Pinned, ...], tuple[NotPinned, ...]]:
    """Return the text with every image pinned that can be, what was pinned, and what was not. Raises BadFile.

    Images of the `tree` are left alone: a build gets their fresh digest anyway.
    """
    edits: list[Edit] = []
    done: list[Pinned] = []
    failed: list[NotPinned] = []
    answers: dict[str, str | PipelineError | None] = {}
    for place in _places(parse(text, path=path)):
        parts = facts.reference(place.image)
        if {place.image, parts.repository} & set(tree):
            continue
        if place.span is None:
            failed.append(NotPinned(line=place.line, image=place.image, because=place.because))
            continue
        if parts.tag is None and parts.digest is not None:
            continue  # only a digest: there is no tag that could have moved
        wanted = f"{parts.repository}:{parts.tag or 'latest'}"
        if wanted not in answers:
            answers[wanted] = _asked(wanted, resolve)
        answer = answers[wanted]
        if isinstance(answer, PipelineError):
            failed.append(NotPinned(line=place.line, image=place.image, because=answer.what.splitlines()[0]))
        elif answer is None:
            failed.append(NotPinned(line=place.line, image=place.image, because=f"the registry has no {wanted}"))
        elif answer != parts.digest:
            edits.append(Edit(place.span, f"{wanted}@{answer}"))
            done.append(Pinned(line=place.line, image=wanted, before=parts.digest, digest=answer))
    return apply(text, edits), tuple(done), tuple(failed)


def _asked(image: str, resolve: Resolve) -> str | PipelineError | None:
    try:
        return resolve(image)
    except PipelineError as error:
        return error


def _places(dockerfile: Dockerfile) -> Iterator[_Place]:
    """Every place that names an image of a registry: FROM, COPY --from, RUN --mount=from."""
    names = {stage.name for stage in dockerfile.stages if stage.name}
    for stage in dockerfile.stages:
        if stage.parent is None and stage.base != "scratch":
            yield _base(dockerfile, stage)
        for instruction in stage.instructions:
            yield from _sources(dockerfile, instruction, names)


def _base(dockerfile: Dockerfile, stage: Stage) -> _Place:
    word = tokens(dockerfile, stage.instructions[0]).words[0]
    if "$" not in word.text:
        return _Place(stage.line, word.text, word.span)
    whole = _ARGUMENT.fullmatch(word.text)
    if whole is None:
        return _Place(stage.line, word.text, None, "it is put together from arguments")
    name = whole[1] or whole[2]
    found = None
    for instruction in dockerfile.instructions:
        if instruction.keyword == "FROM":
            break  # only the arguments above the first FROM count in one
        if instruction.keyword == "ARG":
            for token in tokens(dockerfile, instruction).words:
                key, equals, default = token.text.partition("=")
                if key == name and equals and default and not set(default) & set("$\"'\\"):
                    found = _Place(
                        instruction.line, default, Span(token.span.start + len(key.encode()) + 1, token.span.end)
                    )
    return found or _Place(stage.line, word.text, None, f"the argument {name} has no plain default here")


def _sources(dockerfile: Dockerfile, instruction: Instruction, stages: set[str]) -> Iterator[_Place]:
    if instruction.keyword not in ("COPY", "RUN"):
        return
    for flag in tokens(dockerfile, instruction).flags if instruction.flags else ():
        option, _, value = flag.text.partition("=")
        image = value if instruction.keyword == "COPY" and option == "--from" else None
        if instruction.keyword == "RUN" and option == "--mount":
            image = mount_options(value).get("from")
        if not image or image.isdecimal() or image.lower() in stages or "$" in image:
            continue
        written = dockerfile.text.encode()[flag.span.start : flag.span.end]
        at = written.find(f"from={image}".encode())
        if at >= 0:
            start = flag.span.start + at + len(b"from=")
            yield _Place(instruction.line, image, Span(start, start + len(image.encode())))
