"""Groups of a review, and who is awaited: what a reviewer is shown beside each change."""

from datetime import UTC, datetime

import pytest

from baselines.approval import (
    Act,
    Awaited,
    Decision,
    Did,
    Proposal,
    ProposalState,
    change_key,
    decisions_of,
    review,
)
from baselines.compare import compare
from baselines.errors import ApprovalRefused
from baselines.severity import Severity
from tests.support import CATALOGUE, configuration, find, swa

AT = datetime(2026, 11, 24, 15, tzinfo=UTC)
PROPOSAL = Proposal(4, "swa/production", 9, 1, ProposalState.OPEN, "olga", AT)


def annexed():
    """An area came, and plans and a cycle name it; a rate and a tax changed besides."""
    raw = swa()
    area = {**raw["area"][0], "code": "A-HAP-C", "name": "Happy Valley"}
    raw["area"].append(area)
    for plan in raw["service_plan"][:3]:
        plan["areas"] = [*plan["areas"], "A-HAP-C"]
    find(raw, "service_plan", code="RES-VAR")["rates"][0]["rate"] = "41.00"
    find(raw, "service_plan", code="RES-VAR")["short_name"] = "RV"
    find(raw, "tax", code="ULF-PDX")["percentage"] = "7"
    return raw


def made(*acts: Act):
    base, snapshot = configuration(swa()), configuration(annexed())
    return review(PROPOSAL, base, snapshot, compare(base, snapshot, CATALOGUE), acts, CATALOGUE)


def act(number: int, did: Did, change=None) -> Act:
    return Act(number, 4, did, "olga", AT, "", change)


def test_every_change_is_in_one_group_by_module_and_type_in_their_order():
    found = made()
    assert [each.name for each in found.groups] == ["territory/area", "billing/service_plan", "billing/tax"]
    assert [change for each in found.groups for change in each.changes] == list(found.comparison.changes)


def test_what_came_and_all_that_mentions_it_is_one_cause():
    (cause,) = made().causes
    assert (cause.name, cause.title) == ("cause:A-HAP-C", "4 of the 7 changes mention A-HAP-C")
    assert {each.key for each in cause.changes} >= {"A-HAP-C", "RES-FIX", "RES-VAR"}


def test_one_decision_on_a_group_leaves_out_what_is_critical_or_decided():
    found = made()
    (plans,) = [each for each in found.groups if each.resource_type == "service_plan"]
    assert (len(plans.changes), plans.severities[Severity.CRITICAL]) == (5, 4)
    assert {each.path for each in plans.together} == {"short_name"}
    after = made(act(1, Did.ACCEPTED, change_key(plans.together[0])))
    (plans,) = [each for each in after.groups if each.resource_type == "service_plan"]
    assert (len(plans.undecided), plans.together) == (4, ())


@pytest.mark.parametrize(
    ("name", "count"),
    [("all", 7), ("billing", 6), ("tax", 1), ("billing/tax", 1), ("cause:A-HAP-C", 4), ("tax ULF-PDX percentage", 1)],
)
def test_changes_are_named_by_their_group(name, count):
    assert len(made().named(name)) == count


def test_a_group_that_is_none_is_told_with_those_there_are():
    with pytest.raises(ApprovalRefused) as told:
        made().named("taxes")
    assert told.value.mend == "Its groups: territory/area, billing/service_plan, billing/tax, cause:A-HAP-C."


@pytest.mark.parametrize(
    ("acts", "who"),
    [
        ([], Awaited.REVIEW),
        ([Did.HANDED_OVER], Awaited.APPROVAL),
        ([Did.HANDED_OVER, Did.COMMENTED], Awaited.APPROVAL),
        ([Did.HANDED_OVER, Did.SENT_BACK], Awaited.REVIEW),
        ([Did.HANDED_OVER, Did.SENT_BACK, Did.HANDED_OVER], Awaited.APPROVAL),
    ],
)
def test_who_is_awaited_is_what_was_said_last(acts, who):
    assert made(*(act(number, did) for number, did in enumerate(acts))).awaited is who


def test_the_last_act_on_a_change_is_its_decision():
    one, other = ("tax", "T", ""), ("tax", "U", "")
    acts = [
        act(1, Did.ACCEPTED, one),
        act(2, Did.REJECTED, one),
        act(3, Did.ACCEPTED, other),
        act(4, Did.UNDONE, other),
    ]
    assert {key: (each.decision, each.act) for key, each in decisions_of(acts).items()} == {one: (Decision.REJECT, 2)}
