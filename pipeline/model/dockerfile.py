"""What parse makes of a Dockerfile, and what check finds in it.

These are NamedTuples, not dataclasses: importing `dataclasses` and making these of it takes a tenth of the time that
a lint may take in all. Fields are given by name all the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

_NONE: Mapping[str, Any] = MappingProxyType({})


class Severity(StrEnum):
    """How much a finding or a reason weighs. Only an error says no."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


# --- parse ---


class Span(NamedTuple):
    """A piece of a file: offsets into its bytes (UTF-8, a byte order mark included), the end not in it."""

    start: int
    end: int


class Token(NamedTuple):
    """A word of a file and where it stands. `text` is as it was read, the span as it was written."""

    text: str
    span: Span


class Tokens(NamedTuple):
    """Where the parts of one instruction stand. `words` and `flags` are in the order of the instruction's own.

    A word that was written over several lines spans them all, continuations included.
    """

    whole: Span  # from the keyword to the end of the last line, without its newline; heredocs included
    keyword: Token
    flags: tuple[Token, ...]
    words: tuple[Token, ...]
    heredocs: tuple[Span, ...]  # the content of each, without the line that ends it


class Heredoc(NamedTuple):
    """One here-document of an instruction. `content` keeps its newlines; `expand` is false for <<'EOF'."""

    name: str
    content: str
    expand: bool
    chomp: bool
    descriptor: int


class Instruction(NamedTuple):
    """One instruction as BuildKit reads it. Lines count from 1 and include the last.

    `words` are the arguments as BuildKit's tree holds them: for RUN in shell form, one string;
    for ENV and LABEL, key, value, delimiter in turns; for the JSON form, the array's items.
    """

    keyword: str  # upper case
    words: tuple[str, ...]
    flags: tuple[str, ...]
    json_form: bool
    original: str
    line: int
    end_line: int
    heredocs: tuple[Heredoc, ...] = ()


class Stage(NamedTuple):
    """One FROM and what follows it. `base` is written in the file, `image` is what it comes to.

    `parent` is the index of the stage that this one builds on, None when the base is an image;
    `image` is the *effective* base after ARGs and stages are resolved, None when an ARG has no value.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody asks of a stage
    name: str | None
    base: str
    image: str | None
    parent: int | None
    platform: str | None
    instructions: tuple[Instruction, ...]  # the FROM first
    ships: bool  # part of the target image: the target, or a stage it builds on (not one it copies from)
    needed: bool  # built at all for the target: it ships, or something needed copies or mounts from it
    environment: Mapping[str, str]  # ENV at the stage's end, parents' included, variables resolved
    arguments: Mapping[str, str]  # ARGs with values visible at the stage's end

    @property
    def line(self) -> int:
        """The line of its FROM."""
        return self.instructions[0].line

    @property
    def label(self) -> str:
        """What a person calls it: its name, or its number."""
        return self.name or str(self.index)


class Waiver(NamedTuple):
    """A finding that somebody accepted, in the Dockerfile or in waivers.yaml. `until` is YYYY-MM-DD."""

    rule: str
    reason: str
    until: str | None
    line: int | None = None  # the instruction's line it speaks of; None for the whole file
    image: str | None = None
    path: str | None = None
    accepted_by: str | None = None
    file: str | None = None  # where the waiver itself stands


class Dockerfile(NamedTuple):
    """A parsed Dockerfile: instructions in order, stages with their bases resolved, directives, waivers."""

    path: str
    text: str
    directives: Mapping[str, str]
    instructions: tuple[Instruction, ...]
    stages: tuple[Stage, ...]
    target: int  # index of the stage that ships
    comments: tuple[tuple[int, str], ...]  # line, text without the '#'
    waivers: tuple[Waiver, ...]
    memo: dict[Any, Any]  # see `once_per_file`

    @property
    def final(self) -> Stage:
        """The stage that ships."""
        return self.stages[self.target]

    @property
    def escape(self) -> str:
        """The character that a line goes on behind: the backslash, unless `# escape=` says otherwise."""
        return self.directives.get("escape", "\\")

    def shipped(self) -> Iterator[Stage]:
        """The final stage and the stages it builds on, the final one first."""
        stage: Stage | None = self.final
        while stage is not None:
            yield stage
            stage = None if stage.parent is None else self.stages[stage.parent]


P = ParamSpec("P")
T = TypeVar("T")


def once_per_file(function: Callable[Concatenate[Dockerfile, P], T]) -> Callable[Concatenate[Dockerfile, P], T]:
    """Keep what a function of a Dockerfile returned, for as long as that Dockerfile lives: eighty rules ask again.

    Other arguments must be hashable, or be an Instruction or a Stage (those count by where they stand).
    """

    @functools.wraps(function)
    def kept(dockerfile: Dockerfile, /, *args: P.args, **kwargs: P.kwargs) -> T:
        key = (function, *[_place(one) for one in args])
        try:
            return dockerfile.memo[key]  # type: ignore[no-any-return]
        except KeyError:
            value = dockerfile.memo[key] = function(dockerfile, *args, **kwargs)
            return value

    return kept


def _place(value: Any) -> Any:
    """What tells an Instruction or a Stage from the others of its file: cheaper than to hash all of it."""
    if isinstance(value, Instruction):
        return value.line, value.original
    return ("stage", value.index) if isinstance(value, Stage) else value


@once_per_file
def last_lines(dockerfile: Dockerfile) -> Mapping[int, int]:
    """The last line of each instruction, by its first."""
    return {one.line: one.end_line for one in dockerfile.instructions}


# --- check ---


class Edit(NamedTuple):
    """Put `text` in the place of a span. An empty span inserts, an empty text deletes."""

    span: Span
    text: str


class Fix(NamedTuple):
    """How a finding is mended: all of its edits, or none. `safe`: the image does what it did before.

    `title` says what will have been done, as an editor shows it: "add --no-install-recommends".
    """

    title: str
    edits: tuple[Edit, ...]
    safe: bool = True


class Problem(NamedTuple):
    """What a rule sees: a line and words. `check` adds the rule's id, severity, hint and page.

    With `at`, the line, the column and their ends are those of the span, whatever `line` says.
    """

    line: int
    message: str
    end_line: int | None = None
    column: int | None = None
    stage: str | None = None
    hint: str | None = None  # when the rule knows better than its general hint
    at: Span | None = None
    fix: Fix | None = None
    file: str | None = None  # where `line` stands, when that is not the Dockerfile: a compose file
    end_column: int | None = None  # of a problem with a column and without `at`, on the same line


class Context(NamedTuple):
    """What a rule may know beside the Dockerfile: where it lies, its image.yaml, its parameters from the policy."""

    folder: Path | None = None
    recipe: Any | None = None  # pipeline.recipe.Recipe; Any, because recipe imports model
    service: Any = None  # the pipeline.model.service.Service that is built from it; Any: only its own rules ask
    parameters: Mapping[str, Any] = _NONE


class Rule(NamedTuple):
    """A rule: its id names what is wrong, `look` yields the problems. Its page is policies/<id>.md."""

    id: str
    severity: Severity
    hint: str
    look: Callable[[Dockerfile, Context], Iterator[Problem]]
    takes: Mapping[str, str] | None = None  # its parameters: name → texts, text, number or pairs
    by_default: bool = True  # false: a matter of taste, quiet until a profile names it or asks for every rule
    page: str | None = None  # the text of its page, for a rule that a policy brings along
    docs: str | None = None  # where that page lies
    of_service: bool = False  # about the compose service that runs the image: looks only where there is one

    @property
    def summary(self) -> str:
        """The first sentence of the module that holds the rule, without its id; or of the page that it brought."""
        if self.page is not None:
            words = (line.strip() for line in self.page.splitlines() if not line.startswith("#"))
            return next(filter(None, words), self.id)
        doc = __import__(self.look.__module__, fromlist=["_"]).__doc__ or ""
        return doc.strip().splitlines()[0].split(": ", 1)[-1]


def page_of(rule_id: str) -> str:
    """Where the page of one of the product's own rules stands, relative to the repository."""
    return f"policies/{rule_id.replace('-', '_')}.md"


class Finding(NamedTuple):
    """One thing a rule found, at its place."""

    rule: str
    severity: Severity
    message: str
    hint: str
    file: str
    line: int
    end_line: int
    column: int | None
    stage: str | None
    docs: str
    fixable: bool = False  # `fix` can mend it, perhaps with --unsafe
    waived: str | None = None  # the waiver's reason
    end_column: int | None = None  # where the last character stands, plus one
    fix: Fix | None = None


class Unread(NamedTuple):
    """A file that could not be judged, and why."""

    file: str
    line: int | None
    message: str
    hint: str


class Lint(NamedTuple):
    """Every finding on a set of Dockerfiles. `errors` are the files that could not be read."""

    files: tuple[str, ...]
    findings: tuple[Finding, ...]
    errors: tuple[Unread, ...] = ()

    def count(self, severity: Severity) -> int:
        """How many findings of this severity nobody waived."""
        return sum(1 for finding in self.findings if finding.severity is severity and not finding.waived)
