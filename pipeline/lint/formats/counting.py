"""A Lint in, how many of what out. Speaks to: nothing."""

from __future__ import annotations

from pipeline.model import Lint, Severity


def counts(lint: Lint, known: int = 0) -> dict[str, int]:
    """How many files were looked at, and how many findings of each weight nobody waived; and the waived ones.

    `known`, those that a baseline took out, is there when there are some.
    """
    return {
        "files": len(lint.files),
        **{severity.value: lint.count(severity) for severity in Severity},
        "waived": sum(1 for finding in lint.findings if finding.waived),
        **({"known": known} if known else {}),
    }


def by_rule(lint: Lint) -> dict[str, int]:
    """How many findings of each rule nobody waived, the most frequent first."""
    found: dict[str, int] = {}
    for finding in lint.findings:
        if not finding.waived:
            found[finding.rule] = found.get(finding.rule, 0) + 1
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def mendable(lint: Lint) -> tuple[int, int]:
    """How many findings `fix` mends by itself, and how many more with --unsafe."""
    fixes = [finding.fix for finding in lint.findings if finding.fix is not None and not finding.waived]
    safe = sum(1 for fix in fixes if fix.safe)
    return safe, len(fixes) - safe


def plural(count: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{count} {noun}" + ("" if count == 1 else "s")


def summary(lint: Lint, known: int = 0) -> str:
    """One line: `2 files: 1 error, 3 warnings, 1 waived`."""
    found = counts(lint, known)
    parts = [plural(found[name], name) for name in ("error", "warning") if found[name]]
    parts += [f"{found[name]} {name}" for name in ("info", "waived", "known") if found.get(name)]
    parts += [f"{plural(len(lint.errors), 'error')} while reading"] if lint.errors else []
    return f"{plural(found['files'], 'file')}: {', '.join(parts) or 'nothing found'}"
