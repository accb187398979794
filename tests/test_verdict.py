"""One verdict with every reason: what says no, what is only shown, what a waiver changes."""

import dataclasses
import re
from datetime import date
from pathlib import Path

from pipeline.model import Outcome, Released, Severity, Skipped, Waiver
from pipeline.policy import Profile
from pipeline.recipe import Recipe
from pipeline.verdict import REASONS, judge
from tests import records

RECIPE = Recipe(name="fastapi-gpu", repository="seatrial/fastapi-gpu")
TODAY = date(2026, 11, 23)
PASSED = records.PASSED


def verdict(record, profile=None, recipe=RECIPE, waivers=()):
    return judge(record, recipe, Profile.model_validate(profile or {}), waivers, today=TODAY)


def rules(found, *, severity=None):
    return {reason.rule for reason in found.reasons if severity is None or reason.severity is severity}


def waiver(rule, until="2027-03-01", **more):
    return Waiver(rule=rule, reason="known", until=until, accepted_by="me", file="waivers.yaml", **more)


def test_a_good_record_passes_and_its_warnings_are_still_shown():
    found = verdict(PASSED)
    assert found.outcome == "passed"
    assert not rules(found, severity=Severity.ERROR)


def test_every_reason_is_in_one_verdict():
    failed = dataclasses.replace(
        PASSED,
        smoke=dataclasses.replace(
            PASSED.smoke,
            outcomes=(Outcome(probe="ready", outcome="failed", because="status 500", saw="500", seconds=1.0),),
        ),
        scan=Skipped(because="no scanner"),
    )
    found = verdict(failed, {"limits": {"bytes": "1MB"}})
    assert found.outcome == "failed"
    assert {"probe-failed", "not-scanned", "too-many-bytes"} <= rules(found, severity=Severity.ERROR)


def test_a_skipped_scan_never_reads_as_clean():
    skipped = dataclasses.replace(PASSED, scan=Skipped(because="no scanner"))
    assert verdict(skipped).outcome == "failed"
    allowed = verdict(skipped, {"scan": {"not_scanned": "warning"}})
    assert allowed.outcome == "passed"
    assert "not-scanned" in rules(allowed, severity=Severity.WARNING)


def test_no_gpu_is_a_warning_unless_the_image_requires_one():
    outcome = Outcome(probe="sees a GPU", outcome="skipped", because="no GPU on this host", saw=None, seconds=None)
    record = dataclasses.replace(PASSED, smoke=dataclasses.replace(PASSED.smoke, outcomes=(outcome,)))
    assert verdict(record).outcome == "passed"
    required = Recipe.model_validate({"name": "x", "repository": "a/x", "smoke": {"gpu": "required"}})
    assert "no-gpu" in rules(verdict(record, recipe=required), severity=Severity.ERROR)


def test_the_tighter_of_budget_and_limit_holds_and_names_the_line():
    recipe = Recipe.model_validate({"name": "x", "repository": "a/x", "budget": {"bytes": "2MB"}})
    found = verdict(PASSED, {"limits": {"bytes": "100GB"}}, recipe)
    reason = next(one for one in found.reasons if one.rule == "too-many-bytes")
    assert "allowed are 2.0 MB" in reason.message
    largest = max(PASSED.measure.layers, key=lambda layer: layer.bytes)
    assert reason.line == largest.dockerfile_line


def test_a_flaw_without_a_fix_warns_and_one_with_a_fix_fails():
    flaw = dataclasses.replace(records.FAILED.scan.flaws[0], severity="critical", id="CVE-2099-1")
    for fixed_in, outcome in (("2.0", "failed"), (None, "passed")):
        scan = dataclasses.replace(PASSED.scan, flaws=(dataclasses.replace(flaw, fixed_in=fixed_in),))
        assert verdict(dataclasses.replace(PASSED, scan=scan)).outcome == outcome


def test_an_unknown_severity_has_a_rule_of_its_own_and_does_not_slip_through():
    flaw = dataclasses.replace(records.FAILED.scan.flaws[0], severity="unknown", id="CVE-2099-2")
    record = dataclasses.replace(PASSED, scan=dataclasses.replace(PASSED.scan, flaws=(flaw,)))
    assert "CVE-2099-2" in rules(verdict(record), severity=Severity.WARNING)
    assert verdict(record, {"scan": {"unknown_severity": "error"}}).outcome == "failed"


def test_a_waiver_turns_an_error_into_a_shown_reason_for_its_image_only():
    record = dataclasses.replace(PASSED, scan=Skipped(because="no scanner"))
    waived = verdict(record, waivers=[waiver("not-scanned", image="fastapi-gpu")])
    assert waived.outcome == "passed"
    assert (
        next(one for one in waived.reasons if one.rule == "not-scanned").waived
        == "known (accepted by me until 2027-03-01)"
    )
    assert verdict(record, waivers=[waiver("not-scanned", image="another")]).outcome == "failed"


def test_a_lapsed_waiver_fails_one_near_its_end_warns_one_unused_warns():
    record = dataclasses.replace(PASSED, scan=Skipped(because="no scanner"))
    lapsed = verdict(record, waivers=[waiver("not-scanned", "2026-11-22")])
    assert {"lapsed-waiver", "not-scanned"} <= rules(lapsed, severity=Severity.ERROR)
    last_day = verdict(record, waivers=[waiver("not-scanned", "2026-11-23")])
    assert last_day.outcome == "passed"
    assert "waiver-lapses-soon" in rules(last_day, severity=Severity.WARNING)
    assert "unused-waiver" in rules(verdict(PASSED, waivers=[waiver("CVE-2020-1")]), severity=Severity.WARNING)


def test_a_waiver_of_something_that_does_not_exist_fails_with_the_nearest_name():
    found = verdict(PASSED, waivers=[waiver("not-scaned")])
    reason = next(one for one in found.reasons if one.rule == "unknown-reason-waived")
    assert found.outcome == "failed"
    assert reason.hint == "did you mean `not-scanned`?"


def test_every_reason_has_a_row_in_the_documentation():
    page = (Path(__file__).parents[1] / "policies" / "verdict.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z-]+)`", page, re.MULTILINE)) == REASONS
    source = (Path(__file__).parents[1] / "pipeline" / "verdict.py").read_text(encoding="utf-8")
    used = set(re.findall(r'"((?:[a-z]+-)+[a-z]+)"', source)) - {"fastapi-gpu"}
    assert used == REASONS


def with_libraries(**changes):
    assert PASSED.measure is not None and PASSED.measure.libraries is not None
    libraries = dataclasses.replace(PASSED.measure.libraries, **changes)
    return dataclasses.replace(PASSED, measure=dataclasses.replace(PASSED.measure, libraries=libraries))


def test_a_program_that_is_linked_with_what_is_not_there_does_not_ship():
    need = records.LIBRARIES.not_found[0]
    program = "/opt/app/serve"
    fatal = dataclasses.replace(need, file=program, dockerfile_line=12)
    found = verdict(with_libraries(program=program, starts=False, not_found=(fatal, need), too_old=()))
    by_rule = {reason.rule: reason for reason in found.reasons}
    assert found.outcome == "failed"
    assert by_rule["program-does-not-start"].line == 12
    assert f"{program} needs {need.soname}" in by_rule["program-does-not-start"].message
    assert by_rule["library-not-found"].severity is Severity.WARNING


def test_a_library_of_something_that_need_not_run_only_warns():
    found = verdict(PASSED)
    assert {"library-not-found", "library-too-old"} <= rules(found, severity=Severity.WARNING)
    assert found.outcome == "passed"


def test_a_layer_that_its_registry_refuses_does_not_ship():
    assert PASSED.measure is not None and PASSED.measure.wire is not None
    refused = dataclasses.replace(records.WIRE.limits.findings[0], rule="layer-too-large", severity=Severity.ERROR)
    limits = dataclasses.replace(records.WIRE.limits, findings=(refused,))
    wire = dataclasses.replace(PASSED.measure.wire, limits=limits)
    record = dataclasses.replace(PASSED, measure=dataclasses.replace(PASSED.measure, wire=wire))
    assert rules(verdict(record), severity=Severity.ERROR) == {"layer-too-large"}


def grown(compressed, limit, budget=None):
    assert PASSED.measure is not None
    before = Released(reference="r/app@sha256:0", compressed_bytes=1_000_000, source="its record")
    totals = dataclasses.replace(PASSED.measure.totals, compressed_bytes=compressed)
    record = dataclasses.replace(
        PASSED, released_before=before, measure=dataclasses.replace(PASSED.measure, totals=totals)
    )
    recipe = Recipe(name="app", repository="r/app", budget={"growth": budget} if budget else {})
    return verdict(record, {"limits": {"growth": limit}} if limit else {}, recipe)


def test_growth_is_measured_against_the_last_release():
    assert "grown-too-much" not in rules(grown(1_050_000, "5%"))
    assert rules(grown(1_050_001, "5%"), severity=Severity.ERROR) == {"grown-too-much"}
    assert rules(grown(1_200_001, "200kB"), severity=Severity.ERROR) == {"grown-too-much"}
    (reason,) = [one for one in grown(1_100_000, "5%").reasons if one.rule == "grown-too-much"]
    assert "10.0% more than r/app@sha256:0 by its record" in reason.message


def test_an_image_can_only_limit_its_growth_further():
    assert rules(grown(1_040_000, "5%", "3%"), severity=Severity.ERROR) == {"grown-too-much"}
    assert rules(grown(1_060_000, "5%", "90%"), severity=Severity.ERROR) == {"grown-too-much"}
    assert rules(grown(1_060_000, None, "3%"), severity=Severity.ERROR) == {"grown-too-much"}


def test_a_first_release_says_that_nothing_was_compared():
    found = verdict(PASSED, {"limits": {"growth": "5%"}})
    assert found.outcome == "passed"
    assert "no-release-before" in rules(found, severity=Severity.INFO)
