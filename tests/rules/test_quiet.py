"""When a finding is expected: windows to the instant, only what they name, and changes as they were proposed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from baselines.approval import DID, Act, Decision, Proposal, ProposalState, change_key, review
from baselines.compare import compare
from rules.drift import drift_findings
from rules.findings import Finding, Kind
from rules.impact import Impact
from rules.quiet import LONGEST, ChangeWindow, Quiet, proposed_by, quiet_now
from rules.selector import Selector
from tests.support import CATALOGUE, configuration, find, swa

START = datetime(2026, 11, 24, 14, tzinfo=UTC)
END = START + timedelta(hours=4)
NAMED = Selector(resource_type="tax", key="ULF-*")


def window(match: Selector = NAMED, ends: datetime = END, ticket: str = "CHG-123") -> ChangeWindow:
    return ChangeWindow(START, ends, ticket, "rates of 2027", "mei", match)


def finding(kind: Kind = Kind.DRIFT, key: str = "ULF-PDX", rule: str = "") -> Finding:
    return Finding(kind, rule, "high", "billing", "tax", key, "percentage", "t", "m")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at", "is_quiet"),
    [
        (START - timedelta(microseconds=1), False),
        (START, True),
        (END - timedelta(microseconds=1), True),
        (END, False),
        ((END - timedelta(minutes=1)).astimezone(timezone(timedelta(hours=13))), True),
        (END.astimezone(timezone(timedelta(hours=-11))), False),
    ],
)
def test_a_window_holds_from_its_start_until_just_before_its_end_in_any_zone(at, is_quiet):
    quiet = quiet_now(finding(), [window()], {}, at)
    assert quiet == (Quiet("rates of 2027", "CHG-123", END, "mei") if is_quiet else None)


@pytest.mark.parametrize(
    ("what", "match", "is_quiet"),
    [
        (finding(), Selector(), True),
        (finding(Kind.RULE, rule="billing.tax-in-range"), Selector(), True),
        (finding(key="CITY"), NAMED, False),
        (finding(Kind.RULE, rule="billing.tax-in-range"), Selector(rule="billing.*"), True),
        (finding(), Selector(rule="billing.*"), False),
        (finding(Kind.COVERAGE, rule="forbidden"), Selector(), False),
        (finding(Kind.COVERAGE, rule="forbidden"), NAMED, False),
        (finding(Kind.COVERAGE, rule="forbidden"), Selector(kind="*"), False),
        (finding(Kind.COVERAGE, rule="forbidden"), Selector(kind="coverage", resource_type="tax"), True),
        (finding(Kind.COVERAGE, rule="forbidden"), Selector(kind="coverage", resource_type="area"), False),
    ],
)
def test_a_window_hushes_what_it_names_and_coverage_only_where_it_says_so(what, match, is_quiet):
    assert (quiet_now(what, [window(match)], {}, START) is not None) is is_quiet


def test_of_several_windows_the_one_that_ends_last_counts():
    later = window(ends=START + LONGEST, ticket="CHG-2")
    quiet = quiet_now(finding(), [later, window(), window(Selector(key="no"), START + LONGEST * 2)], {}, START)
    assert quiet is not None
    assert (quiet.ticket, quiet.until) == ("CHG-2", START + LONGEST)


def proposed(percentage: str, now: str, decision: Decision | None = None):
    """A proposal that ULF-GRE changes from 6 to ``percentage``; the target now has ``now``."""

    def with_percentage(value: str):
        raw = swa()
        find(raw, "tax", code="ULF-GRE")["percentage"] = value
        return configuration(raw)

    base, offered, present = configuration(swa()), with_percentage(percentage), with_percentage(now)
    comparison = compare(base, offered, CATALOGUE)
    acts = [
        Act(1, 4, DID[decision], "olga", START, change=change_key(each))
        for decision in ([decision] if decision is not None else [])
        for each in comparison.changes
    ]
    proposal = Proposal(4, "swa/production", 9, 1, ProposalState.OPEN, "olga", START, "rates of 2027")
    made = review(proposal, base, offered, comparison, acts, CATALOGUE)
    drift = compare(base, present, CATALOGUE)
    impact = Impact(base, present, drift.changes, CATALOGUE, START.date())
    (only,) = drift_findings(drift, CATALOGUE, impact)
    return only, proposed_by([made], drift.changes)


@pytest.mark.parametrize(
    ("now", "decision", "is_quiet"),
    [
        ("7", None, True),
        ("7", Decision.ACCEPT, True),
        ("7", Decision.REJECT, False),
        ("70", None, False),
    ],
    ids=["as proposed", "accepted", "rejected", "another value than was proposed"],
)
def test_drift_is_expected_while_its_change_is_proposed_as_it_is(now, decision, is_quiet):
    drift, by_fingerprint = proposed("7", now, decision)
    quiet = quiet_now(drift, [], by_fingerprint, START)
    assert quiet == (Quiet("rates of 2027", "proposal 4", None, "olga") if is_quiet else None)


def test_a_rule_that_fails_is_not_expected_because_of_a_proposal():
    drift, by_fingerprint = proposed("7", "7")
    failed = replace(drift, kind=Kind.RULE, rule="billing.tax-in-range")
    assert (
        quiet_now(failed, [], {**by_fingerprint, failed.fingerprint: by_fingerprint[drift.fingerprint]}, START) is None
    )


def test_it_says_why_and_until_when_and_that_the_time_is_over():
    quiet = Quiet("rates of 2027", "CHG-123", END, "mei")
    assert quiet.words("{:%H:%M}".format, START) == "announced (CHG-123, until 18:00)"
    assert quiet.words("{:%H:%M}".format, END).startswith("was announced (CHG-123, until 18:00)")
    assert replace(quiet, until=None).words(str, END) == "announced (CHG-123, until it is decided)"
