"""The life of findings as it is written down: numbers, events, and who moved first."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from baselines.severity import Severity
from monitor.errors import Moved
from monitor.store.findings import number_of
from monitor.store.unit import Store
from monitor.target import Target
from rules.findings import Finding, Kind
from rules.lifecycle import Event, Known, Resolution, Settlement, State, Step
from rules.money import Money
from rules.precision import Mark, Opinion, Precision
from tests.monitor.store.made import NOW, count, finding, finished, registered

HOUR = timedelta(hours=1)
SIGNS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def applied(store: Store, target: Target, *steps: Step, at=NOW, key: str = "first", anew=()) -> list[Known]:
    """What the findings of these steps have become."""
    sweep = finished(store, target, at)
    with store.write() as unit:
        after = unit.findings.apply(target, Settlement(steps, ()), sweep, at, key, told_anew=anew)
    return [after[step.finding.fingerprint] for step in steps]


def opened(store: Store, target: Target, *findings: Finding) -> list[Known]:
    return applied(store, target, *(Step(Event.OPENED, each) for each in findings))


def resolved(known: Known) -> Step:
    return Step(Event.RESOLVED, known.finding, known, Resolution.HEALED.value)


def known_now(store: Store, target: Target) -> list[Known]:
    with store.read() as unit:
        return list(unit.findings.known(target))


def identity_of(number: str) -> int:
    """The reverse of ``number_of``."""
    value = 0
    for sign in number[-4:]:
        value = value * 32 + SIGNS.index(sign)
    block = 0
    for sign in number[:-4]:
        block = block * 32 + SIGNS.index(sign)
    return block * 32**4 + (value - 12_345) * pow(700_001, -1, 32**4) % 32**4


@given(st.integers(1, 2**62))
def test_a_number_leads_back_to_its_finding_so_that_none_is_given_twice(identity):
    number = number_of(identity)
    assert identity_of(number) == identity
    assert len(number) >= 4
    assert set(number) <= set(SIGNS)


@pytest.mark.parametrize(
    ("identity", "length"), [(1, 4), (32**4 - 1, 4), (32**4, 5), (32**5 - 1, 5), (32**5, 6)]
)  # fmt: skip
def test_numbers_get_longer_only_when_the_shorter_ones_are_used_up(identity, length):
    assert len(number_of(identity)) == length


def test_numbers_of_the_first_findings_look_unrelated():
    assert len({number_of(identity) for identity in range(1, 50_001)}) == 50_000
    firsts = [number_of(identity) for identity in range(1, 6)]
    assert len({number[0] for number in firsts}) > 2


def test_a_new_finding_is_kept_with_its_number_and_its_first_event(store, target):
    (made,) = opened(store, target, finding())
    assert made == Known(
        made.id,
        number_of(made.id),
        finding(),
        State.OPEN,
        NOW,
        NOW,
        NOW,
        times_opened=1,
        version=1,
        alert_key="first",
        openings=(NOW,),
    )
    assert known_now(store, target) == [made]
    with store.read() as unit:
        (event,) = unit.findings.history(made)
        assert unit.findings.numbered(made.number.lower()) == ("swa/production", made)
        assert unit.findings.numbered("0000") is None
    assert (event.event, event.at, event.by, event.note) == ("opened", NOW, "", "")
    assert event.sweep


def test_what_is_seen_again_keeps_its_version_and_adds_no_event(store, target):
    (made,) = opened(store, target, finding())
    applied(store, target, Step(Event.SEEN, made.finding, made), at=NOW + HOUR)
    assert known_now(store, target) == [replace(made, last_seen=NOW + HOUR)]
    assert count(store, "finding_events") == 1


def test_any_number_of_findings_may_be_seen_again_at_once(store, target):
    (made,) = opened(store, target, finding())
    steps = tuple(Step(Event.SEEN, made.finding, made) for _ in range(70_000))
    with store.write() as unit:
        unit.findings.apply(target, Settlement(steps, ()), 1, NOW + HOUR, "")
    assert known_now(store, target)[0].last_seen == NOW + HOUR


def test_other_evidence_is_kept_and_ends_an_acknowledgement(store, target):
    (made,) = opened(store, target, finding())
    with store.write() as unit:
        acknowledged = unit.findings.acknowledge(made, "dana", "on it", NOW + HOUR)
    assert (acknowledged.state, acknowledged.by, acknowledged.note) == (State.ACKNOWLEDGED, "dana", "on it")
    (changed,) = applied(store, target, Step(Event.CHANGED, finding(new="5.10"), acknowledged), at=NOW + 2 * HOUR)
    assert (changed.state, changed.by, changed.finding.new, changed.version) == (State.OPEN, "", "5.10", 3)
    assert (changed.last_seen, changed.changed_at, changed.opened_at) == (NOW + 2 * HOUR, NOW + 2 * HOUR, NOW)
    with store.read() as unit:
        assert [(each.event, each.by, each.note) for each in unit.findings.history(changed)] == [
            ("opened", "", ""), ("acknowledged", "dana", "on it"), ("changed", "", "")
        ]  # fmt: skip


def test_a_note_is_not_shown_beside_evidence_it_was_not_about(store, target):
    (made,) = opened(store, target, finding())
    with store.write() as unit:
        acknowledged = unit.findings.acknowledge(made, "dana", "the 4.85 is agreed", NOW)
    (changed,) = applied(store, target, Step(Event.CHANGED, finding(new="5.10"), acknowledged), at=NOW + HOUR)
    assert changed.note == ""


def test_a_finding_that_heals_and_comes_back_is_the_same_finding(store, target):
    (made,) = opened(store, target, finding())
    (healed,) = applied(store, target, resolved(made), at=NOW + HOUR)
    assert (healed.state, healed.resolution, healed.last_seen) == (State.RESOLVED, "healed", NOW)
    (back,) = applied(store, target, Step(Event.REOPENED, made.finding, healed), at=NOW + 2 * HOUR, key="later")
    assert (back.id, back.number, back.times_opened) == (made.id, made.number, 2)
    assert (back.state, back.resolution, back.alert_key) == (State.OPEN, "", "first")
    (healed,) = applied(store, target, resolved(back), at=NOW + 3 * HOUR)
    (anew,) = applied(
        store, target, Step(Event.REOPENED, made.finding, healed), at=NOW + 4 * HOUR, key="later", anew={made.id}
    )
    assert (anew.times_opened, anew.alert_key) == (3, "later")
    with store.read() as unit:
        assert list(unit.findings.told_in(target, ["first"])) == []
        assert list(unit.findings.told_in(target, ["later"])) == [anew]


def test_a_settlement_that_a_person_overtook_is_refused_whole(store, target):
    first, second = opened(store, target, finding("A"), finding("B"))
    with store.write() as unit:
        unit.findings.acknowledge(second, "dana", "", NOW)
    with pytest.raises(Moved):
        applied(store, target, resolved(first), resolved(second), Step(Event.OPENED, finding("C")), at=NOW + HOUR)
    assert [known.state for known in known_now(store, target)] == [State.OPEN, State.ACKNOWLEDGED]
    assert count(store, "finding_events") == 3


def test_a_person_who_was_overtaken_is_told(store, target):
    (made,) = opened(store, target, finding())
    applied(store, target, resolved(made), at=NOW + HOUR)
    with pytest.raises(Moved), store.write() as unit:
        unit.findings.acknowledge(made, "dana", "", NOW + HOUR)


def test_only_what_is_open_can_be_acknowledged(store, target):
    (made,) = opened(store, target, finding())
    with store.write() as unit:
        acknowledged = unit.findings.acknowledge(made, "dana", "", NOW)
        assert unit.findings.acknowledge(acknowledged, "omar", "", NOW) is None
    (healed,) = applied(store, target, resolved(acknowledged), at=NOW + HOUR)
    with store.write() as unit:
        assert unit.findings.acknowledge(healed, "dana", "", NOW) is None
    assert count(store, "finding_events") == 3


def test_what_a_persons_act_ends_is_resolved_once_and_says_why(store, target):
    first, second = opened(store, target, finding("A"), finding("B"))
    (healed,) = applied(store, target, resolved(second), at=NOW + HOUR)
    with store.write() as unit:
        (accepted,) = unit.findings.resolve(
            [first, healed], Resolution.ACCEPTED, "accepted in baseline 2 by nisha", "nisha", NOW + HOUR
        )
        (event,) = [each for each in unit.findings.history(first) if each.event == "resolved"]
    assert (accepted.state, accepted.resolution) == (State.RESOLVED, "accepted")
    assert accepted.detail == "accepted in baseline 2 by nisha"
    assert (event.by, event.note, event.sweep) == ("nisha", "accepted in baseline 2 by nisha", None)
    assert known_now(store, target)[1] == healed


def test_open_findings_are_worst_first_and_counted_by_the_same_query(store, target):
    other, gone = registered(store, "ora/staging"), registered(store, "old/production")
    low = finding("L", severity=Severity.LOW)
    rule = finding("R", kind=Kind.RULE, rule="billing.x", severity=Severity.HIGH)
    opened(store, target, low, finding("C"), finding("D"))
    opened(store, other, rule)
    opened(store, gone, finding("G"))
    (healed,) = [known for known in known_now(store, target) if known.finding.key == "D"]
    applied(store, target, resolved(healed), at=NOW + HOUR)
    with store.write() as unit:
        unit.targets.remove(gone, NOW)
    with store.read() as unit:
        assert [(name, known.finding.key) for name, known in unit.findings.open()] == [
            ("swa/production", "C"), ("ora/staging", "R"), ("swa/production", "L")
        ]  # fmt: skip
        assert [known.finding.key for _, known in unit.findings.open(other)] == ["R"]
        assert unit.findings.counts() == {
            ("swa", "production", "billing", "critical", "drift"): 1,
            ("swa", "production", "billing", "low", "drift"): 1,
            ("ora", "staging", "billing", "high", "rule"): 1,
        }


def test_a_finding_is_one_row_per_target_whatever_happens(store, target):
    opened(store, target, finding())
    opened(store, registered(store, "swa/staging"), finding())
    with pytest.raises(IntegrityError):
        applied(store, target, Step(Event.OPENED, finding()), at=NOW + HOUR)
    assert count(store, "findings") == 2


def test_findings_keep_any_value_as_it_is(store, target):
    """Old and new may be any JSON; decimals stay text."""
    values = [{"up_to": "10", "rate": "4.1"}, ["b", "a"], True, 12, "4.10", None]
    opened(store, target, *(finding(f"k/{place}\\", old=value) for place, value in enumerate(values)))
    assert [known.finding.old for known in known_now(store, target)] == values


RULE = {"kind": Kind.RULE, "rule": "billing.x", "path": ""}


def said(store: Store, known: Known, *marks: tuple[str, Mark], at=NOW) -> None:
    with store.write() as unit:
        for by, mark in marks:
            unit.findings.mark(known, mark, by, f"{by} says so", at)


def test_a_mark_is_an_event_and_changes_nothing_of_the_finding(store, target):
    (made,) = opened(store, target, finding())
    said(store, made, ("dana", Mark.NOT_USEFUL), ("nisha", Mark.USEFUL), ("dana", Mark.USEFUL), at=NOW + HOUR)
    assert known_now(store, target) == [made]
    with store.read() as unit:
        events = [(each.event, each.by, each.note) for each in unit.findings.history(made)]
        opinions = unit.findings.opinions(known=made)
        assert unit.findings.opinions(target=target) == opinions
    assert events == [
        ("opened", "", ""), ("not useful", "dana", "dana says so"), ("useful", "nisha", "nisha says so"),
        ("useful", "dana", "dana says so"),
    ]  # fmt: skip
    assert opinions[0] == Opinion(made.id, "drift", Mark.NOT_USEFUL, "dana", NOW + HOUR, "dana says so")
    applied(store, target, resolved(made), at=NOW + 2 * HOUR)
    with store.read() as unit:
        assert unit.findings.precisions()["drift"] == Precision(useful=1, found=1)


def test_a_marked_finding_settles_without_being_settled_anew(store, target):
    (made,) = opened(store, target, finding())
    said(store, made, ("dana", Mark.NOT_USEFUL))
    (after,) = applied(store, target, Step(Event.RESOLVED, made.finding, made, Resolution.HEALED.value), at=NOW + HOUR)
    assert after.state is State.RESOLVED


def test_precision_counts_findings_by_rule_over_all_targets(store, target):
    other = registered(store, "swa/staging")
    told = [*(finding(key, **RULE) for key in "ABC"), finding("A", **{**RULE, "rule": "billing.y"})]
    first, second, gone, *_ = opened(store, target, *told, finding("A", kind=Kind.COVERAGE))
    (third,) = opened(store, other, finding("A", **RULE))
    applied(store, target, resolved(gone), at=NOW + HOUR)
    said(store, first, ("dana", Mark.NOT_USEFUL), ("olga", Mark.NOT_USEFUL), ("nisha", Mark.USEFUL))
    said(store, second, ("dana", Mark.USEFUL))
    said(store, third, ("dana", Mark.NOT_USEFUL), ("dana", Mark.USEFUL))
    with store.read() as unit:
        assert unit.findings.precisions() == {
            "billing.x": Precision(useful=2, not_useful=1, found=4, open=3, targets=2),
            "billing.y": Precision(found=1, open=1, targets=1),
            "coverage": Precision(found=1, open=1, targets=1),
        }


def test_precision_since_a_moment_is_of_findings_that_were_there_then_with_all_their_marks(store, target):
    old, new = opened(store, target, finding("A", **RULE), finding("B", **RULE))
    said(store, old, ("dana", Mark.NOT_USEFUL))
    said(store, new, ("dana", Mark.USEFUL))
    applied(store, target, Step(Event.SEEN, new.finding, new), at=NOW + 2 * HOUR)
    with store.read() as unit:
        assert unit.findings.precisions(NOW + HOUR) == {"billing.x": Precision(1, 0, found=1, open=1, targets=1)}
        assert unit.findings.precisions(NOW + 3 * HOUR) == {}


def test_what_a_finding_means_in_money_moves_on_although_nothing_happened(store):
    target = registered(store)
    (known,) = opened(store, target, replace(finding("A"), money=Money(next_run="2026-12-03", cycle="BC-01")))
    later = replace(known.finding, money=Money(next_run="2027-01-03", cycle="BC-01"))
    (seen,) = applied(store, target, Step(Event.SEEN, later, known), at=NOW + HOUR)
    (kept,) = known_now(store, target)
    assert seen.finding.money == kept.finding.money == later.money
    assert (kept.state, kept.version) == (State.OPEN, known.version)
