"""A named right is held by one process at a time (F45)."""

import threading
import time
from datetime import timedelta

from monitor.store.unit import Store
from tests.monitor.store.made import LEASE, NOW


def take(store: Store, owner: str, now=NOW, name: str = "delivery") -> bool:
    with store.write() as unit:
        return unit.leases.take(name, owner, now, LEASE)


def test_a_right_is_kept_by_its_holder_and_refused_to_others_until_it_ends(store):
    assert take(store, "w-1")
    assert not take(store, "w-2", NOW + LEASE - timedelta(microseconds=1))
    assert take(store, "w-1", NOW + LEASE / 2)
    assert not take(store, "w-2", NOW + LEASE)
    assert take(store, "w-2", NOW + LEASE * 1.5)
    assert not take(store, "w-1", NOW + LEASE * 1.5)
    with store.read() as unit:
        assert unit.leases.holder("delivery") == ("w-2", NOW + LEASE * 2.5)
        assert unit.leases.holder("other") is None


def test_rights_are_apart(store):
    assert take(store, "w-1")
    assert take(store, "w-2", name="schedule")


def test_a_process_that_stops_gives_its_rights_back_and_no_others(store):
    take(store, "w-1")
    take(store, "w-2", name="schedule")
    with store.write() as unit:
        unit.leases.give_back("w-1", NOW)
    assert take(store, "w-3")
    assert not take(store, "w-3", name="schedule")


def test_of_two_that_find_nobody_there_one_wins(store):
    start, won = threading.Barrier(2), []

    def run(owner: str) -> None:
        start.wait()
        with store.write() as unit:
            won.append(unit.leases.take("delivery", owner, NOW, LEASE))
            time.sleep(0.2)

    threads = [threading.Thread(target=run, args=(owner,)) for owner in ("w-1", "w-2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(won) == [False, True]
