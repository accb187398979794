"""shellcheck-remark: something that ShellCheck says about the script of a RUN."""

from collections.abc import Iterator

from pipeline.model import Context, Dockerfile, Fix, Problem, Rule, Severity

_LEVELS = ("error", "warning", "info", "style")


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each remark down to parameter `level` (default warning), those of parameter `except` left out."""
    from pipeline.analysis.shellcheck import remarks

    least = str(context.parameters.get("level", "warning"))
    wanted = _LEVELS[: _LEVELS.index(least) + 1] if least in _LEVELS else _LEVELS
    ignored = frozenset(context.parameters.get("except", ()))
    for remark in remarks(dockerfile):
        if remark.level in wanted and remark.code not in ignored:
            fix = Fix(f"do what {remark.code} says", remark.edits, safe=False) if remark.edits else None
            message = f"{remark.code}: {remark.message}"
            yield Problem(0, message, at=remark.span, stage=remark.stage.label, fix=fix,
                          hint=f"https://www.shellcheck.net/wiki/{remark.code} explains it")  # fmt: skip


RULE = Rule(
    id="shellcheck-remark",
    severity=Severity.WARNING,
    hint="ShellCheck's wiki explains each code",
    look=look,
    takes={"level": "text", "except": "texts"},
    by_default=False,
)
