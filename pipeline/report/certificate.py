"""model.Record in, the answer out: standing, reasons, what nobody looked at. Speaks to: nothing.

Every form of the report says these words; terminal, markdown and html only lay them out.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pipeline.model import Reason, Record, Scan, Severity, Skipped, Smoke
from pipeline.report.words import count


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The answer. `outcome` is passed, failed or open; `word` is what the banner says."""

    outcome: str
    word: str
    sentence: str


def standing(record: Record) -> Standing:
    """May this digest ship, in a word and a sentence."""
    others = foreign_evidence(record)
    if others:
        return Standing(
            outcome="failed", word="BROKEN", sentence="Evidence in this record speaks of another digest: " + others[0]
        )
    if record.verdict is None:
        return Standing(outcome="open", word="NOT JUDGED", sentence="No verdict was reached: nothing may ship.")
    if record.verdict.outcome == "passed" and record.digest is not None:
        where = "it has not been pushed"
        if record.pushed is not None:
            where = f"it is in {record.pushed.reference.partition('@')[0]}"
        unseen = len(gaps(record))
        but = f" {count(unseen, 'thing')} not looked at." if unseen else ""
        waived = sum(1 for reason in record.verdict.reasons if reason.waived and reason.severity is Severity.ERROR)
        but += f" {count(waived, 'error')} waived." if waived else ""
        return Standing(outcome="passed", word="PASSED", sentence=f"This digest may ship; {where}.{but}")
    errors = count(sum(1 for reason in record.verdict.reasons if says_no(reason)), "error")
    what = "No image was built" if record.digest is None else "This digest may not ship"
    if record.verdict.outcome == "failed":
        return Standing(outcome="failed", word="FAILED", sentence=f"{what}: {errors}.")
    return Standing(outcome="open", word="NOT JUDGED", sentence=f"{what}: the verdict is {record.verdict.outcome!r}.")


def foreign_evidence(record: Record) -> tuple[str, ...]:
    """Which parts of the record were made for another digest than the record's own."""
    found = {
        "build": record.build and record.build.image.digest,
        "measure": record.measure and record.measure.digest,
        "scan": record.scan.digest if isinstance(record.scan, Scan) else None,
        "smoke": record.smoke.digest if isinstance(record.smoke, Smoke) else None,
        "push": record.pushed and record.pushed.digest,
    }
    return tuple(f"{stage} of {digest}" for stage, digest in found.items() if digest and digest != record.digest)


def says_no(reason: Reason) -> bool:
    """Whether this reason alone stops a release."""
    return reason.severity is Severity.ERROR and not reason.waived


def reasons(record: Record) -> tuple[Reason, ...]:
    """Every reason, those that say no first and the waived ones last; what lint saw, when nobody judged yet."""
    if record.verdict is not None:
        known = record.verdict.reasons
    else:
        unread = (
            Reason(stage="lint", rule="unread", severity=Severity.ERROR, message=error.message, hint=error.hint,
                   file=error.file, line=error.line)
            for error in record.lint.errors
        )  # fmt: skip
        seen = (
            Reason(stage="lint", rule=finding.rule, severity=finding.severity, message=finding.message,
                   hint=finding.hint, file=finding.file, line=finding.line, docs=finding.docs, waived=finding.waived)
            for finding in record.lint.findings
        )  # fmt: skip
        known = (*unread, *seen)
    weight = list(Severity)
    return tuple(sorted(known, key=lambda reason: (bool(reason.waived), weight.index(reason.severity))))


def place(reason: Reason) -> str:
    """`path/Dockerfile:12`, `Dockerfile line 12` when only the line is known, or the stage."""
    if reason.file is None:
        return reason.stage if reason.line is None else f"Dockerfile line {reason.line}"
    return reason.file if reason.line is None else f"{reason.file}:{reason.line}"


def gaps(record: Record) -> tuple[str, ...]:
    """What nobody looked at, or looked at with less than the real thing. Shown beside a good verdict, too."""
    if record.digest is None:
        return ("nothing was built: its size, its flaws and what it does are unknown",)
    said: list[str] = []
    for name, value in (("scan", record.scan), ("smoke", record.smoke)):
        if isinstance(value, Skipped):
            said.append(f"{name} skipped: {value.because}")
        elif value is None:
            said.append(f"{name} did not run")
    if isinstance(record.scan, Scan):
        if record.scan.vulnerabilities is not None:
            said.append(f"flaws not looked for: {record.scan.vulnerabilities.because}")
        elif record.scan.database is None:
            said.append("flaws not looked for: the scan names no database")
        said += [f"flaw database: {what}" for what in blind(record.scan)]
    if isinstance(record.smoke, Smoke):
        if record.smoke.gpu.simulated:
            said.append("GPU SIMULATED: a stand-in device proves the plumbing, not that the image computes")
        said += [f"probe {probe.probe} skipped: {probe.because or 'no reason given'}"
                 for probe in record.smoke.outcomes if probe.outcome == "skipped"]  # fmt: skip
    if record.measure is None:
        said.append("size not measured")
    return tuple(said)


def blind(scan: Scan) -> tuple[str, ...]:
    """The ecosystems that the scan's database cannot judge."""
    return scan.database.blind if scan.database else ()


def verify_commands(record: Record) -> tuple[tuple[str, str], ...]:
    """How to check this digest again: what it does, and the command to paste. Empty when nothing was pushed."""
    if record.pushed is None:
        return ()
    # The reference came from a document and is about to be pasted into a shell.
    reference = shlex.quote(record.pushed.reference)
    by_hand = (
        "cosign trusted-root create --out trusted-root.json && cosign verify --key cosign.pub"
        f" --trusted-root trusted-root.json --insecure-ignore-tlog=true {reference}"
    )
    return (
        ("Signature, attestations and record, in the registry", f"seatrial verify --key cosign.pub {reference}"),
        ("The record alone, without a registry", "seatrial verify --offline --key cosign.pub record.json"),
        ("The signature alone, without Seatrial", by_hand),
    )


def why(record: Record) -> str:
    """The rules that say no; without any, how much was not looked at."""
    rules = dict.fromkeys(reason.rule for reason in reasons(record) if says_no(reason))
    unseen = len(gaps(record))
    return ", ".join(rules) or (f"{count(unseen, 'thing')} not looked at" if unseen else "")
