"""A Dockerfile in, the image that it ships on out, and where that is written. Speaks to: nothing."""

from __future__ import annotations

from pipeline.facts import reference
from pipeline.model import Dockerfile, Fix, Problem, Span, Stage
from pipeline.parse import tokens


def shipped_base(dockerfile: Dockerfile) -> Stage:
    """Return the stage whose FROM names the image under everything that ships; its `image` is that image."""
    *_, first = dockerfile.shipped()
    return first


def problem_with(
    stage: Stage, dockerfile: Dockerfile, message: str, *, hint: str | None = None, fix: Fix | None = None
) -> Problem:
    """A problem at the base that a FROM names, as the file writes it."""
    return Problem(
        stage.line,
        message,
        at=tokens(dockerfile, stage.instructions[0]).words[0].span,
        stage=stage.label,
        hint=hint,
        fix=fix,
    )


def as_written(stage: Stage) -> str:
    """The effective base, and how the file writes it where that differs: `a:1 (written ${BASE})`."""
    return stage.image or stage.base if stage.base == stage.image else f"{stage.image} (written {stage.base})"


def is_at(image: str | None, name: str) -> bool:
    """Is an image the repository `name`, at any registry and below any mirror's path?"""
    repository = reference(image or "").repository
    return repository == name or repository.endswith("/" + name)


def root(dockerfile: Dockerfile, stage: Stage) -> Stage:
    """The stage whose FROM names the image that a stage is built on in the end."""
    while stage.parent is not None:
        stage = dockerfile.stages[stage.parent]
    return stage


def at_base(dockerfile: Dockerfile, stage: Stage) -> Span | None:
    """Where a FROM writes its base."""
    words = tokens(dockerfile, stage.instructions[0]).words
    return words[0].span if words else None
