"""model.Record in, the way from Dockerfile to registry out: a line a stage, with its figures. Speaks to: nothing.

A stage that did not look is `skipped` or `not run`; it never reads as passed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.model import Build, Flaw, Gpu, Layer, Lint, Measurement, Record, Scan, Severity, Skipped, Smoke
from pipeline.report import certificate
from pipeline.report.words import UNMEASURED, clip, count, duration, short, size

NOUNS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
ALIASES = {"check": "lint", "policy": "verdict"}  # as reasons name these stages
SIMULATED = "GPU SIMULATED"
MARKS = {"passed": "✓", "failed": "✗", "skipped": "○", "not run": "·", "open": "?"}
FLAW_SEVERITIES = ("critical", "high", "medium", "low", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class StageLine:
    """One stage on the way. `outcome` is passed, failed, skipped or `not run`; `figures` are the ones that matter."""

    name: str
    outcome: str
    figures: tuple[str, ...]
    seconds: float | None = None
    caution: str | None = None  # said beside the outcome, loudly


def stage_lines(record: Record) -> tuple[StageLine, ...]:
    """The way from Dockerfile to registry, one line a stage, each with its figures."""
    lines = (
        _lint(record.lint),
        _build(record.build),
        _measure(record.measure),
        _scan(record.scan),
        _smoke(record.smoke),
        _verdict(record),
        _push(record),
    )
    stops = filter(certificate.says_no, certificate.reasons(record))
    stopped = {ALIASES.get(reason.stage, reason.stage) for reason in stops}
    return tuple(
        StageLine(
            name=line.name,
            outcome="failed" if line.name in stopped and line.outcome != "skipped" else line.outcome,
            figures=line.figures,
            seconds=record.seconds.get(line.name, line.seconds),
            caution=line.caution,
        )
        for line in lines
    )


def flaw_counts(flaws: Iterable[Flaw]) -> tuple[tuple[str, int], ...]:
    """How many flaws nobody waived, by severity, worst first; severities that do not occur are left out."""
    counted = Counter(_severity(flaw) for flaw in flaws if not flaw.waived)
    return tuple((severity, counted[severity]) for severity in FLAW_SEVERITIES if counted[severity])


def sorted_flaws(flaws: Iterable[Flaw]) -> tuple[Flaw, ...]:
    """The worst first, the waived last."""
    return tuple(
        sorted(flaws, key=lambda flaw: (bool(flaw.waived), FLAW_SEVERITIES.index(_severity(flaw)), flaw.package))
    )


def biggest(layers: Iterable[Layer]) -> Layer | None:
    """The layer with the most bytes."""
    return max(layers, key=lambda layer: layer.bytes, default=None)


def source_line(line: int | None, origin: str | None = None) -> str:
    """`line 12`, `base` for what the base brought, `line unknown` where nobody can tell."""
    if line is not None:
        return f"line {line}"
    return "base" if origin == "base" else "line unknown"


def gpu_words(gpu: Gpu) -> str:
    """What the container was given, in words; a stand-in device is called so."""
    if gpu.visible is None:
        seen = "not looked at"
    elif gpu.visible == 0:
        seen = "none visible"
    else:
        seen = f"{gpu.visible} visible"
    seen += f", driver {gpu.driver}" if gpu.driver else ""
    return f"{SIMULATED}: {seen}" if gpu.simulated else f"GPU {seen}"


def flaw_words(scan: Scan | Skipped | None) -> str:
    """The open flaws by severity, for one cell of a table."""
    if scan is None:
        return UNMEASURED
    if isinstance(scan, Skipped) or scan.vulnerabilities is not None or scan.database is None:
        return "SKIPPED"
    counted = ", ".join(f"{number} {severity}" for severity, number in flaw_counts(scan.flaws))
    blind = " (partly blind)" if scan.database.blind else ""
    return (counted or "none known") + blind


def probe_words(smoke: Smoke | Skipped | None) -> str:
    """How many probes passed, for one cell of a table."""
    if smoke is None:
        return UNMEASURED
    if isinstance(smoke, Skipped):
        return "SKIPPED"
    passed = sum(1 for probe in smoke.outcomes if probe.outcome == "passed")
    skipped = sum(1 for probe in smoke.outcomes if probe.outcome == "skipped")
    mark = (f", {skipped} skipped" if skipped else "") + (f", {SIMULATED}" if smoke.gpu.simulated else "")
    return f"{passed} of {len(smoke.outcomes)} passed{mark}"


def _severity(flaw: Flaw) -> str:
    return flaw.severity if flaw.severity in FLAW_SEVERITIES else "unknown"


def _lint(lint: Lint) -> StageLine:
    waived = sum(1 for finding in lint.findings if finding.waived)
    counts = [count(lint.count(severity), NOUNS[severity]) for severity in Severity if lint.count(severity)]
    figures = [", ".join(counts) or ("no open findings" if waived else "no findings")]
    figures += [f"{waived} waived"] if waived else []
    figures += [f"{count(len(lint.errors), 'file')} could not be read"] if lint.errors else []
    figures.append(f"{count(len(lint.files), 'file')} checked")
    outcome = "passed" if lint.files else "not run"
    outcome = "failed" if lint.count(Severity.ERROR) or lint.errors else outcome
    return StageLine(name="lint", outcome=outcome, figures=tuple(figures))


def _build(build: Build | None) -> StageLine:
    if build is None:
        return StageLine(name="build", outcome="not run", figures=())
    cached = sum(1 for step in build.steps if step.cached)
    figures = [f"{count(len(build.steps), 'step')}, {cached} cached"]
    figures += [f"{step.name} {step.outcome}" for step in build.preparations if step.outcome != "unchanged"]
    return StageLine(name="build", outcome="passed", figures=tuple(figures), seconds=build.seconds)


def _measure(measure: Measurement | None) -> StageLine:
    if measure is None:
        return StageLine(name="measure", outcome="not run", figures=())
    totals = measure.totals
    figures = [f"{size(totals.bytes)}, {size(totals.compressed_bytes)} compressed",
               f"{count(len(measure.layers), 'layer')}, {size(totals.wasted_bytes)} wasted"]  # fmt: skip
    top = biggest(measure.layers)
    if top is not None:
        where = source_line(top.dockerfile_line, top.origin)
        figures.append(f"biggest {size(top.bytes)}, {where}: {clip(top.instruction, 60)}")
    return StageLine(name="measure", outcome="passed", figures=tuple(figures), seconds=measure.seconds)


def _scan(scan: Scan | Skipped | None) -> StageLine:
    if scan is None:
        return StageLine(name="scan", outcome="not run", figures=())
    if isinstance(scan, Skipped):
        return StageLine(name="scan", outcome="skipped", figures=(scan.because,))
    figures = []
    looked = scan.vulnerabilities is None and scan.database is not None
    if looked and scan.database is not None:
        counted = ", ".join(f"{number:,} {severity}" for severity, number in flaw_counts(scan.flaws))
        waived = sum(1 for flaw in scan.flaws if flaw.waived)
        figures.append((counted or "no open flaws") + (f", {waived} waived" if waived else ""))
        figures.append(f"database knows {', '.join(scan.database.covers) or 'nothing'}")
        figures += [f"blind in {count(len(scan.database.blind), 'respect')}"] if scan.database.blind else []
    else:
        figures.append("flaws not looked for")
    figures.append(f"{count(scan.packages, 'package')}, {count(len(scan.secrets), 'secret')}")
    return StageLine(
        name="scan", outcome="passed" if looked else "skipped", figures=tuple(figures), seconds=scan.seconds
    )


def _smoke(smoke: Smoke | Skipped | None) -> StageLine:
    if smoke is None:
        return StageLine(name="smoke", outcome="not run", figures=())
    if isinstance(smoke, Skipped):
        return StageLine(name="smoke", outcome="skipped", figures=(smoke.because,))
    counted = Counter(probe.outcome for probe in smoke.outcomes)
    figures = [", ".join(f"{number} {outcome}" for outcome, number in sorted(counted.items())) or "no probes"]
    ready = smoke.ready_after_s
    figures += ["readiness not measured" if ready is None else f"ready after {duration(ready)}", gpu_words(smoke.gpu)]
    if counted["failed"] or set(counted) - {"passed", "failed", "skipped"}:
        outcome = "failed"
    else:
        outcome = "passed" if counted["passed"] or smoke.ready_after_s is not None else "skipped"
    return StageLine(
        name="smoke", outcome=outcome, figures=tuple(figures), seconds=smoke.seconds,
        caution=SIMULATED if smoke.gpu.simulated else None,
    )  # fmt: skip


def _verdict(record: Record) -> StageLine:
    answer = certificate.standing(record)
    outcome = "not run" if answer.outcome == "open" else answer.outcome
    counted = Counter("waived" if reason.waived else str(reason.severity) for reason in certificate.reasons(record))
    named = [f"{counted['waived']} waived"] if counted["waived"] else []
    figures = [*(count(counted[severity], NOUNS[severity]) for severity in Severity if counted[severity]), *named]
    return StageLine(name="verdict", outcome=outcome, figures=(", ".join(figures) or "no reason against it",))


def _push(record: Record) -> StageLine:
    if record.pushed is None:
        return StageLine(name="push", outcome="not run", figures=())
    pushed = record.pushed
    proof = f"{count(pushed.signatures, 'signature')}, {count(len(pushed.attestations), 'attestation')}"
    tags = f"tags {', '.join(pushed.tags)}" if pushed.tags else "no tags"
    reference = pushed.reference.replace(pushed.digest, short(pushed.digest))
    return StageLine(name="push", outcome="passed", figures=(reference, tags, proof), seconds=pushed.seconds)
