"""A Dockerfile in, the image that it ships on out, and where that is written. Speaks to: nothing."""

from __future__ import annotations

from functools import lru_cache

from pipeline.model import Dockerfile, Problem, Stage


def shipped_base(dockerfile: Dockerfile) -> Stage:
    """Return the stage whose FROM names the image under everything that ships; its `image` is that image."""
    *_, first = dockerfile.shipped()
    return first


def problem_with(stage: Stage, dockerfile: Dockerfile, message: str, *, hint: str | None = None) -> Problem:
    """A problem at the base that a FROM names, as the file writes it."""
    return Problem(
        stage.line,
        message,
        column=column(dockerfile, stage.line, stage.base),
        stage=stage.label,
        hint=hint,
    )


def as_written(stage: Stage) -> str:
    """The effective base, and how the file writes it where that differs: `a:1 (written ${BASE})`."""
    return stage.image or stage.base if stage.base == stage.image else f"{stage.image} (written {stage.base})"


def column(dockerfile: Dockerfile, line: int, word: str) -> int | None:
    """Where a word begins on a line, counted from 1; None when it does not stand there."""
    lines = _lines(dockerfile.text)
    found = lines[line - 1].find(word) if 0 < line <= len(lines) and word else -1
    return found + 1 if found >= 0 else None


@lru_cache(maxsize=4)  # asked for once per FROM
def _lines(text: str) -> list[str]:
    return text.split("\n")
