"""Baselines and proposals: what was approved is what is read, and nobody is overtaken unnoticed (P6)."""

from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from baselines.approval import Decided, Decision, Did, Proposal, ProposalState
from baselines.errors import DamagedContent
from monitor.errors import NotFound
from monitor.store.unit import Store
from monitor.target import Target
from tests.monitor.store.made import NOW, count, kept, registered, small, write

HOUR = timedelta(hours=1)
RATE = ("service_plan", "COM-VAR", "rates[up_to=10].rate")
TAX = ("tax", "T/1\\", "")


def propose(store: Store, target: Target, snapshot: int, base: int = 0, by: str = "olga") -> Proposal:
    with store.write() as unit:
        return unit.baselines.propose(target, snapshot, base, by, "Go-live", NOW)[0]


def make(store: Store, target: Target, proposal: Proposal, what, at=NOW):
    with store.write() as unit:
        made = unit.baselines.make(target, proposal, what, "nisha", at, 2, 1)
        assert unit.baselines.close(proposal, ProposalState.APPROVED, "nisha", "", at)
    return made


def approved(store: Store, target: Target, *rates: str) -> None:
    """One baseline after the other, with these rates."""
    for version, rate in enumerate(rates):
        at = NOW + version * HOUR
        make(store, target, propose(store, target, kept(store, target, small(rate), at), version), small(rate), at)


def test_before_the_first_baseline_there_is_none(store, target):
    with store.read() as unit:
        assert unit.baselines.current(target) is None
        assert unit.baselines.approved(target) is None
        assert list(unit.baselines.history(target)) == []


def test_what_was_approved_is_read_back_version_by_version(store, target):
    approved(store, target, "4.10", "4.85")
    with store.read() as unit:
        newest, first = unit.baselines.history(target)
        assert unit.baselines.current(target) == newest
        assert (newest.target, newest.version, newest.digest) == ("swa/production", 2, small("4.85").digest)
        assert (newest.proposer, newest.approver, newest.approved_at) == ("olga", "nisha", NOW + HOUR)
        assert (newest.accepted, newest.rejected, first.version) == (2, 1, 1)
        assert unit.baselines.approved(target).digest == small("4.85").digest
        before = unit.baselines.configuration(target, 1)
    assert before.digest == small("4.10").digest
    assert before.objects("service_plan")[0].values["rates"][0]["rate"] == "4.1"
    assert before.about == {"tenant": "swa", "environment": "production"}


def test_a_baseline_shares_the_lists_of_its_snapshot(store, target):
    approved(store, target, "4.10")
    assert (count(store, "lists"), count(store, "trees")) == (2, 1)


def test_a_version_that_is_not_there_is_told(store, target):
    approved(store, target, "4.10")
    with store.read() as unit, pytest.raises(NotFound) as told:
        unit.baselines.configuration(target, 2)
    assert told.value.where == "swa/production baseline 2"


@pytest.mark.parametrize(
    "statement",
    [
        "update baselines set digest = 'b3:0' where version = 2",
        "update baselines set tree = (select tree from baselines where version = 1) where version = 2",
        "update lists set digest = 'b3:0' where resource_type = 'service_plan'",
        "update trees set body = '{}'",
    ],
    ids=["another digest", "the lists of another version", "a list of another digest", "no lists"],
)
def test_p6_a_baseline_that_is_not_what_was_approved_is_never_used(store, target, statement):
    approved(store, target, "4.10", "4.85")
    write(store, statement)
    with store.read() as unit, pytest.raises(DamagedContent):
        unit.baselines.approved(target)


def test_p6_bytes_flipped_after_the_approval_are_found_when_they_are_read(store, target):
    approved(store, target, "4.10", "4.85")
    write(
        store,
        "update lists set body = (select body from lists where resource_type = 'tax')"
        " where resource_type = 'service_plan'",
    )
    with store.read() as unit:
        configuration = unit.baselines.approved(target)
    with pytest.raises(DamagedContent):
        configuration.objects("service_plan")


def test_a_version_is_made_once(store, target):
    approved(store, target, "4.10")
    late = propose(store, target, kept(store, target, small("4.85"), NOW + HOUR), base=0)
    with pytest.raises(IntegrityError):
        make(store, target, late, small("4.85"))
    with store.read() as unit:
        assert unit.baselines.proposal(late.id).state is ProposalState.OPEN
        assert [each.version for each in unit.baselines.history(target)] == [1]


def test_a_snapshot_is_proposed_once_while_its_proposal_is_open(store, target):
    snapshot = kept(store, target, small())
    first = propose(store, target, snapshot)
    assert first == Proposal(
        first.id, "swa/production", snapshot, 0, ProposalState.OPEN, "olga", NOW, title="Go-live"
    )  # fmt: skip
    assert propose(store, target, snapshot, by="omar") == first
    with store.write() as unit:
        unit.baselines.close(first, ProposalState.REJECTED, "nisha", "wrong week", NOW)
    again = propose(store, target, snapshot, by="omar")
    assert (again.id != first.id, again.proposer) == (True, "omar")


def test_a_proposal_is_closed_once_and_says_by_whom_and_why(store, target):
    proposal = propose(store, target, kept(store, target, small()))
    with store.write() as unit:
        assert unit.baselines.close(proposal, ProposalState.REJECTED, "nisha", "wrong week", NOW + HOUR)
        assert not unit.baselines.close(proposal, ProposalState.APPROVED, "omar", "", NOW + HOUR)
        closed = unit.baselines.proposal(proposal.id)
    assert (closed.state, closed.closed_by, closed.closed_at, closed.reason) == (
        ProposalState.REJECTED, "nisha", NOW + HOUR, "wrong week"
    )  # fmt: skip


def test_open_proposals_of_a_target_are_oldest_first(store, target):
    first, second = (
        propose(store, target, kept(store, target, small(), NOW + place * HOUR)) for place in range(2)
    )  # fmt: skip
    closed = propose(store, target, kept(store, target, small(), NOW + 2 * HOUR))
    other = registered(store, "swa/staging")
    propose(store, other, kept(store, other, small()))
    with store.write() as unit:
        unit.baselines.close(closed, ProposalState.WITHDRAWN, "olga", "", NOW)
        assert list(unit.baselines.open_proposals(target)) == [first, second]


def test_a_proposal_that_is_not_there_is_told(store):
    with store.read() as unit, pytest.raises(NotFound) as told:
        unit.baselines.proposal(7)
    assert told.value.where == "proposal 7"


def noted(store: Store, proposal: Proposal, did: Did, by: str, at=NOW, why: str = "", change=None) -> int:
    with store.write() as unit:
        unit.baselines.note(proposal.id, did, by, at, why, change)
        return unit.baselines.acts(proposal)[-1].id


def test_f91_decisions_are_kept_as_they_are_made_and_the_last_one_of_a_change_holds(store, target):
    proposal = propose(store, target, kept(store, target, small()))
    why = "agreed with the board"
    noted(store, proposal, Did.ACCEPTED, "olga", NOW, why, RATE)
    first = noted(store, proposal, Did.REJECTED, "olga", NOW, why, TAX)
    last = noted(store, proposal, Did.REJECTED, "omar", NOW + HOUR, "", RATE)
    with store.read() as unit:
        assert unit.baselines.decisions(proposal) == {
            TAX: Decided(Decision.REJECT, "olga", NOW, why, first),
            RATE: Decided(Decision.REJECT, "omar", NOW + HOUR, act=last),
        }
    noted(store, proposal, Did.UNDONE, "omar", NOW + HOUR, "", RATE)
    with store.read() as unit:
        assert list(unit.baselines.decisions(proposal)) == [TAX]


def test_decisions_belong_to_one_proposal(store, target):
    first = propose(store, target, kept(store, target, small()))
    second = propose(store, target, kept(store, target, small(), NOW + HOUR))
    noted(store, first, Did.ACCEPTED, "olga", change=RATE)
    with store.read() as unit:
        assert unit.baselines.decisions(second) == {}


def test_every_act_of_all_proposals_of_a_target_is_told_in_its_order(store, target):
    first = propose(store, target, kept(store, target, small()))
    second = propose(store, target, kept(store, target, small(), NOW + HOUR), by="omar")
    other = registered(store, "swa/staging")
    propose(store, other, kept(store, other, small()))
    noted(store, first, Did.COMMENTED, "nisha", why="why now?")
    with store.write() as unit:
        unit.baselines.close(second, ProposalState.WITHDRAWN, "omar", "wrong week", NOW + HOUR)
    with store.read() as unit:
        told = [(each.proposal, each.did, each.by, each.words) for each in unit.baselines.all_acts(target)]
    assert told == [
        (first.id, Did.PROPOSED, "olga", "Go-live"), (second.id, Did.PROPOSED, "omar", "Go-live"),
        (first.id, Did.COMMENTED, "nisha", "why now?"), (second.id, Did.WITHDRAWN, "omar", "wrong week"),
    ]  # fmt: skip


def test_the_baseline_of_a_moment_is_the_one_that_held_then(store, target):
    approved(store, target, "4.10", "4.85")
    asked = [NOW - HOUR, NOW, NOW + HOUR / 2, NOW + HOUR, NOW + 9 * HOUR]
    with store.read() as unit:
        found = [unit.baselines.at(target, moment) for moment in asked]
    assert [each.version if each else 0 for each in found] == [0, 1, 1, 2, 2]


def test_another_scope_or_source_is_another_proposal(store, target):
    snapshot = kept(store, target, small())
    with store.write() as unit:
        ask = unit.baselines.propose
        whole, water, again, back = (
            ask(target, number, 1, "olga", "", NOW, scope, source)
            for number, scope, source in (
                (snapshot, (), 0),
                (snapshot, ("tax",), 0),
                (snapshot, ("tax",), 0),
                (0, (), 1),
            )
        )
    assert len({each.id for each, _ in (whole, water, back)}) == 3
    assert (water[0].scope, back[0].source_version, back[0].snapshot) == (("tax",), 1, 0)
    assert (water[0], water[1], again) == (again[0], True, (water[0], False))
