"""A slot is claimed once, one sweep runs per target, and who comes too late writes nothing (F45–F49)."""

import threading
import time
from datetime import timedelta

import pytest

from monitor.errors import Fenced
from monitor.store.sweeps import DEATHS, Claim
from monitor.store.unit import Store
from monitor.target import Target
from tests.monitor.store.made import LEASE, NOW, claimed, count, finished, kept, registered, small

LATER = NOW + timedelta(hours=6)
DEAD = NOW + LEASE


def states(store: Store, target: Target) -> list[tuple[str, str]]:
    """State and fault of its sweeps, newest first."""
    with store.read() as unit:
        return [(run.state, run.fault) for run in unit.sweeps.last(target, most=50)]


def claim(store: Store, target: Target, slot, owner: str, now) -> Claim | None:
    with store.write() as unit:
        return unit.sweeps.claim(target, slot, owner, now, LEASE)


def test_a_slot_is_claimed_once_though_its_sweep_is_over(store, target):
    finished(store, target)
    assert claim(store, target, NOW, "w-2", NOW) is None
    assert states(store, target) == [("complete", "")]


def test_a_slot_that_comes_while_the_target_is_swept_is_skipped_and_said(store, target):
    claimed(store, target)
    assert claim(store, target, LATER, "w-2", NOW) is None
    assert states(store, target) == [("skipped", ""), ("running", "")]
    with store.read() as unit:
        assert unit.sweeps.last(target)[0].finished_at == NOW
        assert unit.sweeps.running(target) == (NOW, "w-1")


def test_the_slot_of_the_running_sweep_is_not_written_down_twice(store, target):
    claimed(store, target)
    assert claim(store, target, NOW, "w-2", NOW) is None
    assert states(store, target) == [("running", "")]


def test_targets_do_not_wait_for_each_other(store, target):
    claimed(store, target)
    assert claimed(store, registered(store, "swa/staging"))


def test_a_sweep_whose_lease_is_over_failed_and_the_next_slot_goes_on(store, target):
    claimed(store, target)
    assert claim(store, target, LATER, "w-2", DEAD - timedelta(microseconds=1)) is None
    taken = claim(store, target, LATER + LEASE, "w-2", DEAD)
    assert taken is not None
    assert (taken.owner, taken.slot) == ("w-2", LATER + LEASE)
    assert states(store, target) == [("running", ""), ("skipped", ""), ("failed", "died")]


def test_expired_sweeps_are_told_once_each_with_their_targets(store, target):
    other = registered(store, "swa/staging")
    first = claimed(store, target)
    claimed(store, other, NOW + timedelta(seconds=1))
    with store.write() as unit:
        assert unit.sweeps.expired(DEAD) == [(first.fence, target.id)]
        assert unit.sweeps.expired(DEAD) == []
    assert states(store, target) == [("failed", "died")]
    assert states(store, other) == [("running", "")]


def test_a_lease_that_is_renewed_does_not_end(store, target):
    mine = claimed(store, target)
    with store.write() as unit:
        assert unit.sweeps.renew(mine, NOW + timedelta(seconds=20), LEASE)
        assert unit.sweeps.expired(DEAD) == []
        assert unit.sweeps.expired(NOW + timedelta(seconds=50)) == [(mine.fence, target.id)]
        assert not unit.sweeps.renew(mine, NOW + timedelta(seconds=51), LEASE)


def test_a_sweep_that_has_ended_by_itself_has_lost_no_lease(store, target):
    mine = claimed(store, target)
    with store.write() as unit:
        unit.sweeps.finish(mine, "complete", NOW, report={})
        assert unit.sweeps.renew(mine, NOW + timedelta(seconds=20), LEASE)
    assert states(store, target) == [("complete", "")]


@pytest.mark.parametrize(
    "late",
    [
        lambda unit, mine: unit.sweeps.check(mine),
        lambda unit, mine: unit.sweeps.finish(mine, "complete", DEAD, report={}),
    ],
    ids=["it looks whether it still may", "it ends its sweep"],
)
def test_f46_a_late_writer_is_fenced_and_nothing_of_its_transaction_stands(store, target, late):
    mine = claimed(store, target)
    assert claim(store, target, LATER, "w-2", DEAD)

    def write_late() -> None:
        with store.write() as unit:
            unit.targets.set_title(target, "written too late")
            late(unit, mine)

    with pytest.raises(Fenced) as told:
        write_late()
    assert told.value.where == "swa/production"
    with store.read() as unit:
        assert unit.targets.named("swa/production").title == ""
    assert states(store, target) == [("running", ""), ("failed", "died")]


def test_only_the_owner_ends_a_sweep(store, target):
    mine = claimed(store, target)
    with pytest.raises(Fenced), store.write() as unit:
        unit.sweeps.finish(Claim(target, NOW, mine.fence, "w-2"), "complete", NOW, report={})
    assert states(store, target) == [("running", "")]


def test_a_finished_sweep_keeps_its_figures(store, target):
    mine = claimed(store, target)
    with store.write() as unit:
        unit.sweeps.finish(mine, "partial", DEAD, fault="forbidden", cure="Grant it.", report={"drift": 2})
    with store.read() as unit:
        (run,) = unit.sweeps.last(target, states=("complete", "partial"))
        assert unit.sweeps.running(target) is None
        assert list(unit.sweeps.last(target, states=("failed",))) == []
    assert (run.id, run.state, run.finished_at, run.fault, run.cure) == (
        mine.fence,
        "partial",
        DEAD,
        "forbidden",
        "Grant it.",
    )
    assert dict(run.report) == {"drift": 2}


def test_a_worker_abandons_its_own_sweep_only(store, target):
    claimed(store, target)
    with store.write() as unit:
        unit.sweeps.abandon(target, "w-2", NOW)
    assert states(store, target) == [("running", "")]
    with store.write() as unit:
        unit.sweeps.abandon(target, "w-1", NOW)
    assert states(store, target) == [("failed", "error")]


@pytest.mark.parametrize(
    ("earlier", "deaths"),
    [
        ("", 0),
        ("d", 1),
        ("ddd", 3),
        ("dddd", 3),
        ("ddsd", 3),
        ("ddcd", 1),
        ("ddfd", 1),
        ("dddp", 0),
    ],
    ids=["none yet", "one", "three", "no more than it needs", "a skipped slot between", "a good one between",
         "a failed one between", "looked at by a person"],
)  # fmt: skip
def test_deaths_in_a_row_are_counted(store, target, earlier, deaths):
    assert DEATHS == 3
    for place, what in enumerate(earlier):
        at = NOW + timedelta(hours=place)
        if what == "d":
            claimed(store, target, at)
            with store.write() as unit:
                unit.sweeps.expired(at + LEASE)
        elif what == "s":
            claimed(store, target, at - timedelta(minutes=30))
            assert claim(store, target, at, "w-2", at - timedelta(minutes=30)) is None
            with store.write() as unit:
                unit.sweeps.expired(at)
        elif what == "p":
            with store.write() as unit:
                unit.sweeps.poison(target, at, "w-1", at)
        else:
            finished(store, target, at, *{"c": ("complete",), "f": ("failed", "unreachable")}[what])
    with store.read() as unit:
        assert unit.sweeps.deaths(target) == deaths


def together(*acts) -> list[object]:
    """What each act gives, or the error it ends with; all begin at the same moment."""
    start, given = threading.Barrier(len(acts)), [None] * len(acts)

    def run(place: int) -> None:
        start.wait()
        try:
            given[place] = acts[place]()
        except Exception as error:
            given[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return given


def slow_claim(store: Store, target: Target, slot, owner: str):
    """A claim whose transaction stays open for a moment."""
    with store.write() as unit:
        made = unit.sweeps.claim(target, slot, owner, NOW, LEASE)
        time.sleep(0.2)
    return made


@pytest.mark.parametrize("slots", [(NOW, NOW), (NOW, LATER)], ids=["the same slot", "two slots"])
def test_f45_of_two_workers_that_claim_at_the_same_moment_one_wins(store, target, slots):
    given = together(
        lambda: slow_claim(store, target, slots[0], "w-1"), lambda: slow_claim(store, target, slots[1], "w-2")
    )
    assert sorted(type(each).__name__ for each in given) == ["Claim", "NoneType"], given
    assert [state for state, _ in states(store, target)].count("running") == 1
    assert count(store, "sweeps") == len(set(slots))


def test_a_claim_waits_for_a_sweep_that_is_keeping_its_snapshot_without_a_deadlock(store, target):
    mine, checked = claimed(store, target), threading.Event()

    def keep() -> str:
        with store.write() as unit:
            unit.sweeps.check(mine)
            checked.set()
            time.sleep(0.3)
            unit.snapshots.keep(target, mine.fence, small(), NOW, 2, 2)
        return "kept"

    def next_one():
        checked.wait(10)
        with store.write() as unit:
            (due,) = unit.targets.due(NOW, 5)
            return unit.sweeps.claim(due, LATER, "w-2", NOW, LEASE)

    assert together(keep, next_one) == ["kept", None]
    assert states(store, target) == [("skipped", ""), ("running", "")]


def test_expired_sweeps_are_ended_by_one_of_two_schedulers(store, target):
    mine = claimed(store, target)

    def expire() -> list[tuple[int, int]]:
        with store.write() as unit:
            gone = list(unit.sweeps.expired(DEAD))
            time.sleep(0.2)
        return gone

    assert sorted(together(expire, expire)) == [[], [(mine.fence, target.id)]]


def test_a_snapshot_belongs_to_one_sweep(store, target):
    assert kept(store, target, small()) != kept(store, target, small(), LATER)
    assert count(store, "sweeps") == 2


def test_every_sweep_is_counted_once_where_it_ends_however_it_ends(store, target):
    finished(store, target, NOW, "partial")
    claimed(store, target, NOW + timedelta(minutes=1))
    with store.write() as unit:
        assert unit.sweeps.claim(target, NOW + timedelta(minutes=2), "w-2", NOW + timedelta(minutes=1), LEASE) is None
        assert unit.sweeps.claim(target, NOW + timedelta(minutes=1), "w-2", NOW + timedelta(minutes=1), LEASE) is None
    claimed(store, target, NOW + timedelta(hours=1))  # takes over from the one that died
    with store.write() as unit:
        unit.sweeps.expired(NOW + timedelta(hours=2))
    claimed(store, target, NOW + timedelta(hours=3))
    with store.write() as unit:
        unit.sweeps.abandon(target, "w-1", NOW + timedelta(hours=3))
        unit.sweeps.poison(target, NOW + timedelta(hours=4), "w-1", NOW + timedelta(hours=4))
    with store.read() as unit:
        assert unit.counters.all("sweeps") == {
            ("swa", "production", "partial"): 1, ("swa", "production", "skipped"): 1,
            ("swa", "production", "failed"): 3, ("swa", "production", "poisoned"): 1,
        }  # fmt: skip
