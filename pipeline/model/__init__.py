"""Every value that passes between the stages, in the order of the stages.

Sizes are bytes, times are seconds, moments are RFC 3339 in UTC. `None` means "not measured", never zero.
`document()` turns any of them into the JSON that docs/json.md describes.

What a build, a scan or a record is made of is imported when somebody asks for it: a lint needs none of it.
"""

from typing import TYPE_CHECKING, Any

from pipeline.model.dockerfile import (
    Context,
    Dockerfile,
    Edit,
    Finding,
    Fix,
    Heredoc,
    Instruction,
    Lint,
    Problem,
    Rule,
    Severity,
    Span,
    Stage,
    Token,
    Tokens,
    Unread,
    Waiver,
    last_lines,
    once_per_file,
    page_of,
)

if TYPE_CHECKING:
    from pipeline.model.image import (
        Base,
        Build,
        BuildStep,
        Database,
        Flaw,
        Gpu,
        Image,
        Layer,
        LayerOrigin,
        Measurement,
        Outcome,
        Package,
        Preparation,
        Scan,
        Scanner,
        Secret,
        Skipped,
        Smoke,
        Totals,
        Waste,
    )
    from pipeline.model.record import (
        PolicyStamp,
        Pushed,
        Reason,
        Record,
        Released,
        Tool,
        Verdict,
        document,
    )

__all__ = [
    "Base",
    "Build",
    "BuildStep",
    "Context",
    "Database",
    "Dockerfile",
    "Edit",
    "Finding",
    "Fix",
    "Flaw",
    "Gpu",
    "Heredoc",
    "Image",
    "Instruction",
    "Layer",
    "LayerOrigin",
    "Lint",
    "Measurement",
    "Outcome",
    "Package",
    "PolicyStamp",
    "Preparation",
    "Problem",
    "Pushed",
    "Reason",
    "Record",
    "Released",
    "Rule",
    "Scan",
    "Scanner",
    "Secret",
    "Severity",
    "Skipped",
    "Smoke",
    "Span",
    "Stage",
    "Token",
    "Tokens",
    "Tool",
    "Totals",
    "Unread",
    "Verdict",
    "Waiver",
    "Waste",
    "document",
    "last_lines",
    "once_per_file",
    "page_of",
]


def __getattr__(name: str) -> Any:
    """Find a value of image or record on first use (PEP 562)."""
    if name in __all__:
        from pipeline.model import image, record

        globals().update((other, getattr(module, other)) for module in (image, record)
                         for other in __all__ if other not in globals() and hasattr(module, other))  # fmt: skip
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
