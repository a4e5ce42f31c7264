"""Counters that several processes add to, and histograms made of them."""

import threading

from monitor.store.counters import BUCKETS
from monitor.store.unit import Store


def all_of(store: Store, name: str) -> dict[tuple[str, ...], int]:
    with store.read() as unit:
        return dict(unit.counters.all(name))


def test_a_counter_grows_by_what_is_added_apart_for_each_of_its_labels(store):
    with store.write() as unit:
        unit.counters.add("sweeps", {("swa", "complete"): 1, ("swa", "failed"): 2})
        unit.counters.add("sweeps", {("swa", "complete"): 3})
        unit.counters.add("alerts", {("swa", "complete"): 5})
    assert all_of(store, "sweeps") == {("swa", "complete"): 4, ("swa", "failed"): 2}
    assert all_of(store, "nothing") == {}


def test_nothing_is_lost_where_two_add_at_once(store):
    def add() -> None:
        for _ in range(20):
            with store.write() as unit:
                unit.counters.add("sweeps", {("a",): 1, ("b",): 1})

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert all_of(store, "sweeps") == {("a",): 60, ("b",): 60}


def test_a_histogram_counts_what_is_at_most_each_bound(store):
    with store.write() as unit:
        unit.counters.observe("seconds", ("collect",), (0.005, 0.02, 400.0))
        unit.counters.observe("seconds", ("collect",), ())
    found = all_of(store, "seconds")
    assert found[("collect", "count")] == 3
    assert found[("collect", "sum")] == 400_025_000
    assert [found[("collect", str(bound))] for bound in BUCKETS] == [1, 1, *[2] * (len(BUCKETS) - 2)]
