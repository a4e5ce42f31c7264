"""Snapshots: what did not change costs one row, what is looked into is what was kept (F62)."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
import zstandard

from baselines.configuration import packed
from baselines.coverage import Gap, Reason
from baselines.errors import DamagedContent
from monitor.store.snapshots import Memory
from monitor.store.unit import Store
from monitor.target import Target
from rules.evaluate import RuleResult, Verdict
from rules.judge import Kept
from tests.monitor.store.made import NOW, count, finding, finished, kept, registered, small, write
from tests.support import configuration, swa

HOUR = timedelta(hours=1)


def rows(store: Store) -> tuple[int, int, int]:
    return count(store, "snapshots"), count(store, "trees"), count(store, "lists")


def last(store: Store, target: Target):
    with store.read() as unit:
        found = unit.snapshots.last(target)
    assert found is not None
    return found


def test_a_snapshot_is_read_back_as_it_was_kept(store, target):
    whole = configuration(swa())
    number = kept(store, target, whole)
    found = last(store, target)
    assert (found.id, found.target, found.taken_at, found.digest) == (number, "swa/production", NOW, whole.digest)
    assert (found.objects, found.is_complete) == (whole.object_count, True)
    assert found.configuration.digest == whole.digest
    assert found.configuration.about == {"tenant": "swa", "environment": "production", "taken_at": NOW}
    for name, listed in whole.lists.items():
        stored = found.configuration.lists[name]
        assert (stored.digest, stored.count, stored.version) == (listed.digest, listed.count, listed.version)
        assert [(each.key, each.body, each.id, each.about) for each in stored.objects] == [
            (each.key, each.body, each.id, each.about) for each in listed.objects
        ]


def test_an_unchanged_snapshot_is_one_row_and_opens_no_list(store, target):
    kept(store, target, small())
    assert rows(store) == (1, 1, 2)
    kept(store, target, small(), NOW + HOUR)
    assert rows(store) == (2, 1, 2)
    again = last(store, target).configuration
    kept(store, target, again, NOW + 2 * HOUR)
    assert rows(store) == (3, 1, 2)
    assert not any(listed.is_open for listed in again.lists.values())


def test_one_edited_field_is_one_list_and_one_tree_more(store, target):
    kept(store, target, small("4.10"))
    kept(store, target, small("4.1000"), NOW + HOUR)
    assert rows(store) == (2, 1, 2), "another spelling is no other content"
    kept(store, target, small("4.85"), NOW + 2 * HOUR)
    assert rows(store) == (3, 2, 3)


def test_two_targets_share_what_is_equal(store, target):
    kept(store, target, small())
    kept(store, registered(store, "swa/staging"), small())
    assert rows(store) == (2, 1, 2)


def test_objects_with_other_ids_mean_the_same_and_are_kept_apart(store, target):
    raw = {"tax": swa()["tax"]}
    kept(store, target, configuration(raw))
    renumbered = {"tax": [{**each, "id": f"new-{place}"} for place, each in enumerate(raw["tax"])]}
    kept(store, target, configuration(renumbered), NOW + HOUR)
    assert rows(store) == (2, 2, 2)
    with store.read() as unit:
        newer, older = unit.snapshots.history(target, 10)
    assert newer.digest == older.digest
    assert {each.id[:4] for each in newer.configuration.objects("tax")} == {"new-"}


def test_who_touched_an_object_makes_no_new_content(store, target):
    raw = {"tax": swa()["tax"]}
    kept(store, target, configuration(raw))
    raw["tax"][0] = {**raw["tax"][0], "updated_by": "dana", "updated_at": "2026-11-24T12:00:00Z"}
    kept(store, target, configuration(raw), NOW + HOUR)
    assert rows(store) == (2, 1, 1)


def test_lists_are_opened_only_when_looked_into(store, target):
    kept(store, target, small())
    lists = last(store, target).configuration.lists
    assert [listed.is_open for listed in lists.values()] == [False, False]
    assert lists["tax"].objects
    assert {name: listed.is_open for name, listed in lists.items()} == {"service_plan": False, "tax": True}


def another_content(**changed: str) -> bytes:
    (plan,) = small("4.10" if changed else "9.99").lists["service_plan"].objects
    return zstandard.compress(packed((msgspec.structs.replace(plan, **changed),)))


@pytest.mark.parametrize(
    "body",
    [
        another_content(),
        another_content(id="other"),
        another_content()[:40],
        b"\x00" * 40,
        zstandard.compress(b"\xc1\xc1"),
        b"",
    ],
    ids=["whole, but of another content", "another id", "cut", "zeros", "packed nonsense", "nothing"],
)
def test_f62_flipped_bytes_are_found_when_the_list_is_opened(store, target, body):
    kept(store, target, small())
    write(store, "update lists set body = :body where resource_type = 'service_plan'", body=body)
    lists = last(store, target).configuration.lists
    assert lists["tax"].objects
    with pytest.raises(DamagedContent) as told:
        _ = lists["service_plan"].objects
    assert told.value.what == "the stored bytes do not have their digest."
    assert "restore a backup" in told.value.mend


def test_f62_a_list_or_tree_that_is_gone_is_damage_too(store, target):
    kept(store, target, small())
    write(store, "delete from lists where resource_type = 'tax'")
    with pytest.raises(DamagedContent):
        last(store, target)


@pytest.mark.parametrize(
    "statement",
    [
        "update trees set body = (select max(body) from trees)",
        "update trees set body = '{}'",
        "update lists set digest = 'b3:0' where resource_type = 'tax'",
        "update snapshots set digest = 'b3:0'",
        "update snapshots set tree = (select max(content) from trees)",
    ],
)
def test_f62_what_was_changed_in_the_database_is_found_before_a_list_is_opened(store, target, statement):
    numbers = [kept(store, target, small(rate), NOW + hours * HOUR) for hours, rate in enumerate(("4.10", "4.85"))]
    write(store, statement)
    found = []
    for number in numbers:
        with store.read() as unit:
            try:
                unit.snapshots.by_id(target, number)
            except DamagedContent:
                found.append(number)
    assert found


def test_what_was_not_read_is_kept_with_its_reason(store, target):
    gap = Gap("service_plan", Reason.FORBIDDEN, mend="Grant the role the privilege.")
    partial = small()
    partial = replace(partial, lists={"tax": partial.lists["tax"]}, gaps=(gap,))
    sweep = finished(store, target, state="partial")
    with store.write() as unit:
        unit.snapshots.keep(target, sweep, partial, NOW, 1, 2)
    found = last(store, target)
    assert not found.is_complete
    assert (found.lists_read, found.lists_total) == (1, 2)
    assert found.configuration.gaps == (gap,)
    assert found.configuration.why_unknown("service_plan") is Reason.FORBIDDEN


def test_snapshots_are_found_by_number_only_by_their_own_target(store, target):
    other = registered(store, "swa/staging")
    number = kept(store, target, small())
    with store.read() as unit:
        assert unit.snapshots.by_id(target, number).id == number
        assert unit.snapshots.by_id(other, number) is None
        assert unit.snapshots.last(other) is None
        assert list(unit.snapshots.history(other, 10)) == []


def test_history_is_newest_first_and_no_longer_than_asked(store, target):
    numbers = [kept(store, target, small(), NOW + place * HOUR) for place in range(3)]
    with store.read() as unit:
        assert [each.id for each in unit.snapshots.history(target, 2)] == numbers[:0:-1]


def test_the_memory_of_a_target_is_empty_at_first_and_replaced_at_each_sweep(store, target):
    with store.read() as unit:
        assert unit.snapshots.memory(target) == Memory()
    listed = small().lists
    result = Kept("facts", RuleResult("billing.x", Verdict.UNDECIDED, (finding(),), "unread", "tax", (("tax", "T"),)))
    with store.write() as unit:
        unit.snapshots.remember(target, Memory(seals={"tax": "old"}))
        known = unit.snapshots.keep_lists(listed)
        unit.snapshots.remember(
            target, Memory({"tax": "seal"}, {"tax": "suspect"}, ("VIEW_TAX",), {"billing.x": result}, known)
        )
    with store.read() as unit:
        memory = unit.snapshots.memory(target)
        stored = unit.snapshots.known_lists(memory)
    assert memory == Memory({"tax": "seal"}, {"tax": "suspect"}, ("VIEW_TAX",), {"billing.x": result}, known)
    assert {name: each.digest for name, each in stored.items()} == {name: each.digest for name, each in listed.items()}
    assert count(store, "memories") == 1
