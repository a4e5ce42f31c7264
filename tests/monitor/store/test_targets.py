"""Targets: registered, changed, paused, removed, and due once each."""

import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.errors import Moved, StoreError, UnknownTarget
from monitor.store.unit import TRIES, Store, tried_again
from monitor.target import Definition, Target
from rules.profiles import shipped_profiles
from tests.monitor.store.made import DEFINITION, NOW, registered

HOUR = timedelta(hours=1)


def put(store: Store, definition: Definition, at=NOW + HOUR) -> tuple[Target, bool]:
    with store.write() as unit:
        return unit.targets.put("swa", "production", definition, at)


def due(store: Store, at=NOW, most: int = 50) -> list[str]:
    with store.write() as unit:
        return [target.name for target in unit.targets.due(at, most)]


def named(store: Store, name: str = "swa/production") -> Target:
    with store.read() as unit:
        return unit.targets.named(name)


def test_a_new_target_is_due_at_once_and_keeps_every_word_of_its_definition(store):
    definition = Definition(
        source="smart360", time_zone="America/Los_Angeles", schedule="0 6 * * 1", url="https://swa.example",
        utility="0b7e", user="env:SWA_USER", password="file:/run/secrets/swa", folder="x", stage="onboarding",
        channel="swa-care", scope=("billing", "tax"), consumers={"Residential": 12}, consumption=shipped_profiles(),
        requests_per_second=2.5,
        requests_at_once=1, clock="source",
    )  # fmt: skip
    target, is_new = put(store, definition, NOW)
    assert is_new
    assert (target.name, target.definition, target.next_run_at) == ("swa/production", definition, NOW)
    assert named(store) == target
    assert due(store) == ["swa/production"]


def test_registering_the_same_again_changes_nothing(store, target):
    with store.write() as unit:
        unit.targets.set_next_run(target, NOW + 6 * HOUR)
    again, is_new = put(store, DEFINITION)
    assert (again.id, is_new, again.next_run_at) == (target.id, False, NOW + 6 * HOUR)


@pytest.mark.parametrize(
    ("changed", "moves"),
    [
        pytest.param({"schedule": "every 1h"}, True, id="another schedule: the next slot is computed anew"),
        pytest.param({"time_zone": "Asia/Kolkata"}, True, id="another zone: so is it (F75)"),
        pytest.param({"channel": "ops"}, False, id="another channel: nothing to hurry for"),
    ],
)
def test_a_changed_definition_holds_at_once(store, target, changed, moves):
    with store.write() as unit:
        unit.targets.set_next_run(target, NOW + 6 * HOUR)
    definition = replace(DEFINITION, **changed)
    again, is_new = put(store, definition)
    assert (again.definition, is_new) == (definition, False)
    assert again.next_run_at == (NOW + HOUR if moves else NOW + 6 * HOUR)


def test_a_removed_target_is_not_there_and_comes_back_as_itself(store, target):
    with store.write() as unit:
        unit.targets.remove(target, NOW)
        assert list(unit.targets.all()) == []
        assert unit.targets.by_id(target.id).removed_at == NOW
    assert due(store, NOW + HOUR) == []
    with pytest.raises(UnknownTarget):
        named(store)
    again, is_new = put(store, DEFINITION)
    assert (again.id, is_new, again.removed_at, again.next_run_at) == (target.id, False, None, NOW + HOUR)


def test_an_unknown_target_is_told_with_those_that_are_known(store):
    with pytest.raises(UnknownTarget) as told:
        named(store, "swa/prod")
    assert str(told.value) == "swa/prod: no such target. Mend: Register it: smart360-monitor tenant apply FILE."
    registered(store, "swa/staging")
    registered(store)
    with pytest.raises(UnknownTarget) as told:
        named(store, "swa/prod")
    assert told.value.mend == "Registered are: swa/production, swa/staging."


def test_targets_are_due_longest_waiting_first_and_no_more_than_asked(store):
    for name, hours in (("swa/a", 0), ("swa/b", -2), ("swa/c", 1), ("swa/d", -1)):
        target = registered(store, name)
        with store.write() as unit:
            unit.targets.set_next_run(target, NOW + hours * HOUR)
    assert due(store) == ["swa/b", "swa/d", "swa/a"]
    assert due(store, most=2) == ["swa/b", "swa/d"]


def test_a_paused_target_says_who_and_why_and_is_due_when_resumed(store, target):
    with store.write() as unit:
        unit.targets.pause(target, "olga", "go-live weekend", NOW)
    paused = named(store)
    assert (paused.paused_at, paused.paused_by, paused.paused_reason) == (NOW, "olga", "go-live weekend")
    assert due(store, NOW + HOUR) == []
    with store.write() as unit:
        unit.targets.resume(target, NOW + HOUR)
    resumed = named(store)
    assert (resumed.paused_at, resumed.paused_by, resumed.paused_reason) == (None, "", "")
    assert due(store, NOW + HOUR) == ["swa/production"]


def test_while_everything_is_paused_nothing_is_due(store, target):
    with store.write() as unit:
        unit.targets.pause_all(True, "olga", NOW)
        unit.targets.pause_all(True, "nisha", NOW)
    assert due(store) == []
    with store.read() as unit:
        assert unit.targets.paused_all() == "nisha"
    with store.write() as unit:
        unit.targets.pause_all(False, "olga", NOW)
        assert unit.targets.paused_all() == ""
    assert due(store) == ["swa/production"]


def test_a_title_is_kept_until_a_reading_names_another(store, target):
    for title, wanted in (("San Francisco Water", "San Francisco Water"), ("", "San Francisco Water"), ("SWA", "SWA")):
        with store.write() as unit:
            unit.targets.set_title(unit.targets.named("swa/production"), title)
        assert named(store).title == wanted


def test_two_schedulers_at_once_take_each_due_target_once(store):
    names = [registered(store, f"swa/e{place}").name for place in range(6)]
    start, taken = threading.Barrier(2), []

    def turn() -> None:
        start.wait()
        with store.write() as unit:
            mine = unit.targets.due(NOW, 50)
            time.sleep(0.2)
            for target in mine:
                unit.targets.set_next_run(target, NOW + HOUR)
        taken.extend(target.name for target in mine)

    threads = [threading.Thread(target=turn) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(taken) == names


def test_a_story_that_is_tried_again_inside_another_leaves_nothing_of_its_first_try(store, target):
    tries = iter([True, False])

    @tried_again
    def paused() -> None:
        with store.write() as unit:
            unit.targets.pause_all(True, "carla", NOW)
            if next(tries):
                unit.targets.set_title(target, "half")  # of a first try
                raise Moved("somebody was quicker")

    with store.joined():
        paused()
    with store.read() as unit:
        assert (unit.targets.paused_all(), unit.targets.named(target.name).title) == ("carla", "")


def test_a_transaction_is_tried_again_so_often_and_then_it_is_told(store):
    tries = []

    @tried_again
    def never() -> None:
        tries.append(True)
        raise Moved("somebody was quicker")

    with pytest.raises(StoreError) as told:
        never()
    assert (told.value.kind, len(tries)) == ("retry", TRIES)
