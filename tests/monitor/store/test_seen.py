"""What a transaction finds for who may see one tenant: nothing of another, by name, number or count (P9)."""

from dataclasses import replace

import pytest

from monitor.errors import NotFound, UnknownTarget
from monitor.waivers import matches_of
from rules.findings import Kind
from rules.fleet import Cause
from rules.lifecycle import Event, Step
from rules.precision import Mark
from rules.waivers import WaiverState
from tests.monitor.store.made import NOW, asked, finding, kept, registered, small
from tests.monitor.store.test_findings import applied

CAUSE = Cause(Kind.DRIFT, "", "changed", "service_plan", "rates[].rate")
SWA = frozenset({"swa"})


@pytest.fixture
def theirs(store, target):
    """A finding, marked, and a proposal at ``swa`` and at ``cbe``: the numbers of those at ``cbe``."""
    numbers = {}
    for each in (target, registered(store, "cbe/production")):
        snapshot = kept(store, each, small())
        (known,) = applied(store, each, Step(Event.OPENED, finding()), at=NOW.replace(hour=16))
        with store.write() as unit:
            unit.findings.mark(known, Mark.USEFUL, "carla", "", NOW)
            made = unit.waivers.ask(asked(each.name))
            assert unit.waivers.decide(made, WaiverState.APPROVED, "nisha", "", NOW)
            numbers[each.tenant] = (known.number, unit.baselines.propose(each, snapshot, 0, "olga", "", NOW)[0].id)
    return numbers["cbe"]


def test_names_of_others_are_not_found_and_not_told(store, theirs):
    with store.read(SWA) as unit:
        assert [each.name for each in unit.targets.all()] == ["swa/production"]
        with pytest.raises(UnknownTarget) as told:
            unit.targets.named("cbe/production")
        assert told.value.mend == "Registered are: swa/production."


def test_numbers_of_others_lead_nowhere(store, theirs):
    number, proposal = theirs
    with store.read(SWA) as unit:
        assert unit.findings.numbered(number) is None
        with pytest.raises(NotFound):
            unit.baselines.proposal(proposal)


def test_waivers_of_others_are_not_found_counted_or_decided(store, theirs):
    with store.write(SWA) as unit:
        (mine,) = unit.waivers.all()
        other = replace(mine, number=mine.number + 1, targets=("cbe/production",))
        assert mine.targets == ("swa/production",)
        assert list(unit.waivers.in_force(NOW)) == ["swa/production"]
        assert [len(found) for found in matches_of(unit, [mine, other]).values()] == [1, 0]
        assert not unit.waivers.end(other, "carla", "", NOW)
        with pytest.raises(NotFound):
            unit.waivers.numbered(other.number)
    with store.read() as service:
        assert len(service.waivers.all()) == len(service.waivers.in_force(NOW)) == 2


def test_what_was_done_to_proposals_of_others_is_not_found(store, theirs):
    with store.read() as unit:
        target = unit.targets.named("cbe/production")
        assert (len(unit.baselines.proposals(target)), len(unit.baselines.all_acts(target))) == (1, 1)
        proposal = unit.baselines.proposals(target)[0]
    with store.read(SWA) as unit:
        assert (unit.baselines.proposals(target), unit.baselines.all_acts(target)) == ([], [])
        assert unit.baselines.acts(proposal) == []


def test_reports_of_others_are_not_found(store, target):
    other = registered(store, "cbe/production")
    with store.write() as unit:
        for each in (target, other, other):
            unit.targets.keep_coverage(each, {"configuration": each.name})
    with store.read(SWA) as unit, store.read() as service:
        assert unit.targets.coverage_reports() == {target.id: {"configuration": "swa/production"}}
        assert len(service.targets.coverage_reports()) == 2


def test_no_count_includes_what_is_of_others(store, theirs):
    with store.read(SWA) as unit, store.read() as service:
        assert [name for name, _ in unit.findings.open()] == ["swa/production"]
        assert {key[0] for key in unit.findings.counts()} == {"swa"}
        for part in (unit, service):
            (precision,) = part.findings.precisions().values()
            assert precision.found == precision.useful == len(part.findings.opinions()) == (1 if part is unit else 2)


def test_of_a_fleet_event_only_the_own_members_are_found_and_counted(store, theirs):
    with store.write() as unit:
        event = unit.fleet.make(CAUSE, "operators", NOW)
        known = [known for _, known in unit.findings.open()]
        unit.fleet.appeared({each.id: CAUSE for each in known}, NOW)
        unit.fleet.join(event, [each.id for each in known])
        alone = unit.fleet.make(CAUSE, "operators", NOW)
        unit.fleet.appeared({known[1].id: CAUSE}, NOW)
        unit.fleet.join(alone, [known[1].id])
    with store.read(SWA) as unit:
        assert [name for name, _ in unit.findings.in_fleet([event, alone])] == ["swa/production"]
        assert [each.number for each in unit.fleet.all(most=10)] == [event]
        assert (unit.fleet.numbered(alone), unit.fleet.moments([alone])) == (None, {})
        assert [(name, count) for name, _, count in unit.findings.first_in_fleet(event)] == [("swa/production", 1)]
        assert unit.findings.first_in_fleet(alone) == []


def test_proposals_of_others_that_wait_are_neither_counted_nor_named(store, theirs):
    _, number = theirs
    with store.read(SWA) as unit, store.read() as service:
        other = service.targets.named("cbe/production")
        assert number not in [each for several in unit.baselines.open_numbers().values() for each in several]
        assert unit.baselines.open_proposals(other) == []
        assert [each.id for each in service.baselines.open_proposals(other)] == [number]
