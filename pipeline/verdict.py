"""A record and a profile in, one verdict with every reason out. Speaks to: nothing.

The stages say what is; this says what is too much. An error says no; warnings are shown; a waiver turns an error into
a shown, waived reason. Every reason's id is described in policies/verdict.md.
"""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime

from pipeline.model import Flaw, Measurement, Outcome, Reason, Record, Scan, Severity, Skipped, Smoke, Verdict, Waiver
from pipeline.policy import Level, Profile
from pipeline.recipe import Recipe
from pipeline.yamlfile import grown

ORDER = ("critical", "high", "medium", "low")
LAPSES_SOON = 14  # days
ADVISORY = re.compile(r"[A-Z]+-[A-Za-z0-9-]*\d[A-Za-z0-9-]*")  # CVE-2025-32434, GHSA-…, PYSEC-…, DSA-…
HINTS = {
    "stops on SIGTERM": "let process 1 handle SIGTERM (exec form, or `exec` in a script), or set `smoke.init: true`",
    "keeps running": "give `smoke.command` something that keeps running, like [sleep, infinity]",
}  # what a probe of our own asks for
REASONS = frozenset(
    {
        "unreadable-file",
        "stand-in-used",
        "too-many-bytes",
        "too-many-compressed-bytes",
        "too-many-wasted-bytes",
        "too-many-layers",
        "grown-too-much",
        "no-release-before",
        "layer-too-large",
        "one-layer-dominates",
        "program-does-not-start",
        "library-not-found",
        "library-too-old",
        "not-scanned",
        "no-vulnerability-database",
        "database-blind",
        "database-old",
        "secret-found",
        "lesser-flaws",
        "not-smoke-tested",
        "probe-failed",
        "no-gpu",
        "gpu-simulated",
        "slow-start",
        "lapsed-waiver",
        "waiver-lapses-soon",
        "unused-waiver",
        "unknown-reason-waived",
    }
)  # policies/verdict.md describes each


def judge(
    record: Record, recipe: Recipe, profile: Profile, waivers: Sequence[Waiver] = (), *, today: date
) -> Verdict:
    """Collect every reason. `waivers` are those of waivers.yaml that do not name a lint rule."""
    raw = [*_lint(record), *_build(record), *_weight(record, recipe, profile), *_scan(record, profile),
           *_smoke(record, recipe, profile)]  # fmt: skip
    reasons = [*_waived(raw, recipe, waivers, today), *_about_waivers(raw, recipe, waivers, today)]
    reasons.sort(key=lambda reason: (reason.waived is not None, list(Severity).index(reason.severity)))
    failed = any(reason.severity is Severity.ERROR and not reason.waived for reason in reasons)
    return Verdict(outcome="failed" if failed else "passed", reasons=tuple(reasons))


def _lint(record: Record) -> Iterator[Reason]:
    for finding in record.lint.findings:
        yield Reason(stage="check", rule=finding.rule, severity=finding.severity, message=finding.message,
                     hint=finding.hint, file=finding.file, line=finding.line, docs=finding.docs,
                     waived=finding.waived)  # fmt: skip
    for unread in record.lint.errors:
        yield Reason(stage="check", rule="unreadable-file", severity=Severity.ERROR, message=unread.message,
                     hint=unread.hint, file=unread.file, line=unread.line)  # fmt: skip


def _build(record: Record) -> Iterator[Reason]:
    for step in record.build.preparations if record.build else ():
        if step.outcome == "replaced":
            yield _reason("build", "stand-in-used", Severity.WARNING, f"{step.name}: {step.because}",
                          "install one of the programs that the step needs")  # fmt: skip


def _weight(record: Record, recipe: Recipe, profile: Profile) -> Iterator[Reason]:
    if record.measure is None:
        return
    totals = record.measure.totals
    limits, budget = profile.limits, recipe.budget
    for rule, actual, allowed in (
        ("too-many-bytes", totals.bytes, _tighter(limits.bytes, budget.bytes)),
        ("too-many-compressed-bytes", totals.compressed_bytes,
         _tighter(limits.compressed_bytes, budget.compressed_bytes)),
        ("too-many-wasted-bytes", totals.wasted_bytes, _tighter(limits.wasted_bytes, budget.wasted_bytes)),
    ):  # fmt: skip
        if allowed is not None and actual > allowed:
            yield _heaviest(record.measure, rule, f"{_mb(actual)}, allowed are {_mb(allowed)}")
    yield from _growth(record, recipe, profile)
    yield from _libraries(record.measure)
    wire = record.measure.wire
    for one in wire.limits.findings if wire is not None else ():
        yield _reason("measure", one.rule, one.severity, one.message, one.hint, line=one.dockerfile_line)
    layers = len(record.measure.layers)
    if limits.layers is not None and layers > limits.layers:
        yield _reason("measure", "too-many-layers", Severity.ERROR, f"{layers} layers, allowed are {limits.layers}",
                      "join instructions, or copy the result of a stage")  # fmt: skip


def _growth(record: Record, recipe: Recipe, profile: Profile) -> Iterator[Reason]:
    """The ratchet: against the last release, under the tighter of the profile's and the image's limit."""
    wanted = [growth for growth in (profile.limits.growth, recipe.budget.growth) if growth is not None]
    if not wanted or record.measure is None:
        return
    before = record.released_before
    if before is None:
        yield _reason("measure", "no-release-before", Severity.INFO,
                      f"growth is limited to {' and '.join(wanted)}, and no release before this one is known",
                      "nothing to do where this is the first")  # fmt: skip
        return
    now = record.measure.totals.compressed_bytes
    allowed = min(grown(before.compressed_bytes, growth) for growth in wanted)
    if now > allowed:
        more = (now - before.compressed_bytes) / max(before.compressed_bytes, 1)
        yield _heaviest(record.measure, "grown-too-much",
                        f"{_mb(now)} compressed, {more:.1%} more than {before.reference} by {before.source}; "
                        f"allowed are {_mb(allowed)}")  # fmt: skip


def _libraries(measured: Measurement) -> Iterator[Reason]:
    """What will not be found when it is loaded. Only where process 1 cannot start does that say no."""
    found = measured.libraries
    if found is None:
        return
    for need in found.not_found:
        fatal = found.starts is False and f"/{need.file.lstrip('/')}" == f"/{found.program.lstrip('/')}"
        lies = f"; it lies in {need.where}, where nobody looks" if need.where else ""
        yield _reason("measure", "program-does-not-start" if fatal else "library-not-found",
                      Severity.ERROR if fatal else Severity.WARNING,
                      f"{need.file} needs {need.soname}, which the loader does not find{lies}",
                      "install what has it, or name its folder in LD_LIBRARY_PATH or /etc/ld.so.conf.d",
                      line=need.dockerfile_line)  # fmt: skip
    for old in found.too_old:
        fatal = found.starts is False and f"/{old.file.lstrip('/')}" == f"/{found.program.lstrip('/')}"
        yield _reason("measure", "library-too-old", Severity.ERROR if fatal else Severity.WARNING,
                      f"{old.file} was linked against {old.library} {old.needs}, the image has {old.has}",
                      "take a newer base, or a build of it for this one", line=old.dockerfile_line)  # fmt: skip


def _heaviest(measured: Measurement, rule: str, message: str) -> Reason:
    """The reason, at the line that brought most of it."""
    wasted = [row for row in measured.waste if not row.seen]
    if rule == "too-many-wasted-bytes" and wasted:
        worst = max(wasted, key=lambda row: row.bytes)
        return _reason("measure", rule, Severity.ERROR, f"{message}; most by `{worst.instruction[:60]}`", worst.hint,
                       line=worst.dockerfile_line)  # fmt: skip
    layer = max(measured.layers, key=lambda layer: layer.bytes)
    return _reason("measure", rule, Severity.ERROR, f"{message}; the largest layer is `{layer.instruction[:60]}`",
                   "make that layer smaller, or raise the budget", line=layer.dockerfile_line)  # fmt: skip


def _scan(record: Record, profile: Profile) -> Iterator[Reason]:
    wanted = profile.scan
    if record.scan is None:
        return
    if isinstance(record.scan, Skipped):
        yield from _at(
            wanted.not_scanned, "scan", "not-scanned", record.scan.because, "`doctor` says what is missing"
        )
        return
    scan = record.scan
    for secret in scan.secrets:
        yield from _at(wanted.secrets, "scan", "secret-found", f"{secret.title} in {secret.path}",
                       "take it out and revoke it: whoever has the image has it",
                       line=secret.dockerfile_line)  # fmt: skip
    if scan.vulnerabilities is not None:
        yield from _at(wanted.without_database, "scan", "no-vulnerability-database", scan.vulnerabilities.because,
                       "set `scan.databases` in the policy")  # fmt: skip
    yield from _database(scan, record, profile)
    yield from _flaws(scan.flaws, profile)


def _database(scan: Scan, record: Record, profile: Profile) -> Iterator[Reason]:
    wanted = profile.scan
    if scan.database is None:
        return
    if scan.database.blind:
        unseen = "flaws that nobody looked for: " + "; ".join(scan.database.blind)
        yield from _at(wanted.blind, "scan", "database-blind", unseen,
                       "name a database that covers them in `scan.databases` of the policy")  # fmt: skip
    age = (_moment(record.started) - _moment(scan.database.built)).total_seconds()
    if wanted.database_older_than is not None and age > wanted.database_older_than:
        yield from _at(wanted.old_database, "scan", "database-old", f"the database is {age / 86400:.0f} days old",
                       "let the machine download a newer one, or name one in the policy")  # fmt: skip


def _flaws(flaws: Sequence[Flaw], profile: Profile) -> Iterator[Reason]:
    """Each flaw as bad as `fail_on`, and one line that counts the rest: the report lists them all."""
    wanted = profile.scan
    bad = () if wanted.fail_on == "never" else ORDER[: ORDER.index(wanted.fail_on) + 1]
    rest = 0
    for flaw in flaws:
        message = f"{flaw.package} {flaw.version}: {flaw.title} ({flaw.severity}, {flaw.origin})"
        hint = f"update to {flaw.fixed_in}" if flaw.fixed_in else "no fixed version is known: replace it or accept it"
        if flaw.severity in bad:
            fails = flaw.fixed_in is not None or not wanted.only_fixable
            severity = Severity.ERROR if fails else Severity.WARNING
            yield _reason("scan", flaw.id, severity, message, hint, line=flaw.dockerfile_line)
        elif flaw.severity not in ORDER:
            yield from _at(wanted.unknown_severity, "scan", flaw.id, message, hint, line=flaw.dockerfile_line)
        else:
            rest += 1
    if rest:
        yield _reason("scan", "lesser-flaws", Severity.INFO, f"{rest} flaws less severe than {wanted.fail_on}",
                      "the report lists them")  # fmt: skip


def _smoke(record: Record, recipe: Recipe, profile: Profile) -> Iterator[Reason]:
    wanted = profile.smoke
    if record.smoke is None:
        return
    if isinstance(record.smoke, Skipped):
        yield from _at(wanted.not_tested, "smoke", "not-smoke-tested", record.smoke.because, "`doctor` says more")
        return
    smoke = record.smoke
    for outcome in smoke.outcomes:
        yield from _probe(outcome, recipe, profile)
    if smoke.gpu.simulated:
        yield from _at(wanted.simulated_gpu, "smoke", "gpu-simulated", "the GPU of this test was SIMULATED",
                       "run the release on a machine with a GPU")  # fmt: skip
    yield from _start_time(smoke, recipe)


def _probe(outcome: Outcome, recipe: Recipe, profile: Profile) -> Iterator[Reason]:
    if outcome.outcome == "failed":
        hint = (
            f"it saw: {outcome.saw}" if outcome.saw else HINTS.get(outcome.probe, "its last lines are in the report")
        )
        yield _reason("smoke", "probe-failed", Severity.ERROR, f"{outcome.probe}: {outcome.because}", hint)
    elif outcome.outcome == "skipped" and outcome.probe == "sees a GPU":
        level: Level = "error" if recipe.smoke.gpu == "required" else profile.smoke.without_gpu
        yield from _at(level, "smoke", "no-gpu", outcome.because or "", "run the release on a machine with a GPU")


def _start_time(smoke: Smoke, recipe: Recipe) -> Iterator[Reason]:
    allowed = recipe.budget.ready_within
    if allowed is not None and smoke.ready_after_s is not None and smoke.ready_after_s > allowed:
        yield _reason("smoke", "slow-start", Severity.ERROR,
                      f"ready after {smoke.ready_after_s:.1f} s, allowed are {allowed:g} s",
                      "load less at start, or raise `budget.ready_within`")  # fmt: skip


def _waived(reasons: Iterable[Reason], recipe: Recipe, waivers: Sequence[Waiver], today: date) -> Iterator[Reason]:
    for reason in reasons:
        waiver = next((one for one in waivers if one.rule == reason.rule and _meant(one, recipe, today)), None)
        words = f"{waiver.reason} (accepted by {waiver.accepted_by} until {waiver.until})" if waiver else None
        yield dataclasses.replace(reason, waived=words) if words and not reason.waived else reason


def _about_waivers(
    reasons: Sequence[Reason], recipe: Recipe, waivers: Sequence[Waiver], today: date
) -> Iterator[Reason]:
    """A lapsed waiver fails; one that lapses soon and one that nothing used warn."""
    used = {reason.rule for reason in reasons}
    for waiver in waivers:
        if not _for_image(waiver, recipe) or waiver.until is None:
            continue
        if waiver.rule not in REASONS and not ADVISORY.fullmatch(waiver.rule):
            near = difflib.get_close_matches(waiver.rule, REASONS, n=1)
            yield _reason("policy", "unknown-reason-waived", Severity.ERROR, f"`{waiver.rule}` is nothing to waive",
                          f"did you mean `{near[0]}`?" if near else "policies/verdict.md lists the reasons",
                          file=waiver.file)  # fmt: skip
            continue
        left = (date.fromisoformat(waiver.until) - today).days
        about = f"the waiver of {waiver.rule} ({waiver.reason}, accepted by {waiver.accepted_by})"
        if left < 0:
            yield _reason("policy", "lapsed-waiver", Severity.ERROR, f"{about} lapsed on {waiver.until}",
                          "mend what it waived, or accept it again with a new date", file=waiver.file)  # fmt: skip
        elif waiver.rule not in used:
            yield _reason("policy", "unused-waiver", Severity.WARNING, f"{about} waives nothing",
                          "delete it", file=waiver.file)  # fmt: skip
        elif left <= LAPSES_SOON:
            yield _reason("policy", "waiver-lapses-soon", Severity.WARNING, f"{about} lapses in {left} days",
                          "mend what it waives", file=waiver.file)  # fmt: skip


def _meant(waiver: Waiver, recipe: Recipe, today: date) -> bool:
    return _for_image(waiver, recipe) and (waiver.until is None or date.fromisoformat(waiver.until) >= today)


def _for_image(waiver: Waiver, recipe: Recipe) -> bool:
    if waiver.path is not None:
        return fnmatch.fnmatch(str(recipe.dockerfile_path), f"*{waiver.path}")
    return waiver.image is None or waiver.image == recipe.name


def _at(level: Level, stage: str, rule: str, message: str, hint: str, *, line: int | None = None) -> Iterator[Reason]:
    if level != "off":
        yield _reason(stage, rule, Severity(level), message, hint, line=line)


def _reason(
    stage: str, rule: str, severity: Severity, message: str, hint: str, *, line: int | None = None,
    file: str | None = None,
) -> Reason:  # fmt: skip
    docs = "policies/verdict.md"
    return Reason(
        stage=stage, rule=rule, severity=severity, message=message, hint=hint, line=line, file=file, docs=docs
    )


def _tighter(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
