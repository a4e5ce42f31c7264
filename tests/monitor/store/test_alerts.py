"""The outbox: the newest revision waits, what happened is kept, where a message stands is known (P4)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from alerts.alert import AlertKind, AlertReason
from alerts.channels import Sent
from monitor.errors import Moved
from monitor.store.alerts import Waiting
from monitor.store.unit import Store
from tests.monitor.store.made import NOW, count, registered, story

R = AlertReason
MINUTE = timedelta(minutes=1)
KEY = "swa/production:sweep-1"


def queue(store: Store, target, *stories, channel: str = "swa-care", at=NOW) -> None:
    for each in stories:
        with store.write() as unit:
            unit.alerts.queue(target, channel, each, "opened", at)


def due(store: Store, at=NOW, **how) -> list[Waiting]:
    with store.read() as unit:
        return list(unit.alerts.due(at, **how))


def begin(store: Store, alert: Waiting, at=NOW):
    with store.write() as unit:
        return unit.alerts.begin(alert, at)


def act(store: Store, name: str, *given):
    with store.write() as unit:
        return getattr(unit.alerts, name)(*given)


def test_what_is_queued_waits_as_it_was_told(store, target):
    told = story(1, KEY, R.OPENED, headline="“Tarif” – 4 €")
    queue(store, target, told)
    (alert,) = due(store)
    assert (alert.channel, alert.story, alert.attempts, alert.told) == ("swa-care", told, 0, 0)
    with store.read() as unit:
        assert unit.alerts.last_story("swa-care", KEY) == told
        assert unit.alerts.last_story("ops", KEY) is None
        assert list(unit.alerts.channels_of(KEY)) == ["swa-care"]


def test_a_waiting_revision_is_superseded_and_what_happened_is_kept_in_order(store, target):
    queue(store, target, story(1, KEY), story(2, KEY, R.ACKNOWLEDGED, R.CHANGED), story(3, KEY, R.RESOLVED))
    (alert,) = due(store)
    assert alert.story.revision == 3
    assert [(each.reason, each.number) for each in alert.story.events] == [
        (R.ACKNOWLEDGED, "2"), (R.CHANGED, "2"), (R.RESOLVED, "3")
    ]  # fmt: skip
    assert count(store, "alerts") == 3


def test_a_revision_that_was_said_is_not_told_again(store, target):
    queue(store, target, story(1, KEY, R.OPENED))
    act(store, "sent", due(store)[0], NOW)
    queue(store, target, story(2, KEY, R.RESOLVED))
    (alert,) = due(store)
    assert [each.reason for each in alert.story.events] == [R.RESOLVED]


def test_messages_and_channels_do_not_supersede_each_other(store, target):
    queue(store, target, story(1, "a"), story(1, "b"))
    queue(store, target, story(1, "a"), channel="ops")
    assert [(each.channel, each.story.key) for each in due(store)] == [
        ("swa-care", "a"),
        ("swa-care", "b"),
        ("ops", "a"),
    ]


def test_p4_a_revision_knows_that_the_one_before_it_was_tried(store, target):
    """Its message may stand in the channel unseen: it is to be searched for, not posted."""
    queue(store, target, story(1, KEY))
    (first,) = due(store)
    assert begin(store, first) == (None, NOW)
    queue(store, target, story(2, KEY, R.RESOLVED), at=NOW + MINUTE)
    (second,) = due(store, NOW + MINUTE)
    assert second.attempts == 1
    assert begin(store, second, NOW + MINUTE) == (None, NOW), "it may stand since the first try"


def test_p4_a_revision_whose_thread_is_half_said_is_said_to_its_end_before_the_next(store, target):
    queue(store, target, story(2, KEY, R.ACKNOWLEDGED, R.CHANGED))
    (half,) = due(store)
    begin(store, half)
    act(store, "stands", half, Sent("C0SWA", "17.1", 2))
    act(store, "told", half, 1)
    queue(store, target, story(3, KEY, R.RESOLVED))
    first, second = due(store)
    assert (first.story.revision, first.told) == (2, 1)
    assert (second.story.revision, [each.reason for each in second.story.events]) == (3, [R.RESOLVED])


def test_alerts_are_due_oldest_first_once_their_time_has_come(store, target):
    queue(store, target, *(story(1, key) for key in "abc"))
    first, second, _ = due(store)
    act(store, "later", first, NOW + MINUTE, "Slack answered 500")
    act(store, "sent", second, NOW)
    assert [each.story.key for each in due(store)] == ["c"]
    assert [each.story.key for each in due(store, NOW + MINUTE)] == ["a", "c"]
    assert [each.story.key for each in due(store, NOW + MINUTE, most=1)] == ["a"]


def test_each_try_is_counted_and_the_first_moment_is_kept(store, target):
    queue(store, target, story(1, KEY))
    (alert,) = due(store)
    assert begin(store, alert, NOW) == (None, NOW)
    assert begin(store, alert, NOW + MINUTE) == (None, NOW)
    assert due(store)[0].attempts == 2


def test_where_a_message_stands_is_kept_over_revisions(store, target):
    queue(store, target, story(1, KEY))
    (first,) = due(store)
    begin(store, first)
    act(store, "stands", first, Sent("C0SWA", "17.1", 1))
    act(store, "sent", first, NOW)
    queue(store, target, story(2, KEY, R.RESOLVED))
    (second,) = due(store)
    assert begin(store, second, NOW + MINUTE) == (Sent("C0SWA", "17.1", 1), NOW)


def test_a_message_that_is_gone_is_searched_for_only_from_then_on(store, target):
    queue(store, target, story(1, KEY))
    (alert,) = due(store)
    begin(store, alert)
    act(store, "stands", alert, Sent("C0SWA", "17.1", 1))
    act(store, "gone", alert, NOW + MINUTE)
    assert begin(store, alert, NOW + 2 * MINUTE) == (None, NOW + MINUTE)


def test_a_revision_superseded_while_it_is_said_does_not_come_back(store, target):
    queue(store, target, story(1, KEY))
    (first,) = due(store)
    begin(store, first)
    queue(store, target, story(2, KEY, R.RESOLVED))
    act(store, "sent", first, NOW)
    (second,) = due(store)
    assert second.story.revision == 2
    with store.read() as unit:
        assert [row["state"] for row in unit.alerts.recent(target, 5)] == ["waiting", "superseded"]


def test_f78_a_channel_that_asks_for_a_pause_holds_only_its_own_alerts_and_shortens_no_wait(store, target):
    queue(store, target, story(1, "a"), story(1, "b"))
    queue(store, target, story(1, "c"), channel="ops")
    act(store, "later", due(store)[1], NOW + 10 * MINUTE, "")
    act(store, "hold_channel", "swa-care", NOW + MINUTE)
    assert [each.story.key for each in due(store)] == ["c"]
    assert [each.story.key for each in due(store, NOW + MINUTE)] == ["a", "c"]
    assert [each.story.key for each in due(store, NOW + 10 * MINUTE)] == ["a", "b", "c"]


def test_what_waits_is_counted_by_channel_with_its_oldest(store, target):
    queue(store, target, story(1, "a"))
    queue(store, target, story(1, "b"), at=NOW + MINUTE)
    queue(store, target, story(1, "c"), channel="ops", at=NOW + MINUTE)
    with store.read() as unit:
        assert unit.alerts.waiting() == {"swa-care": (2, NOW), "ops": (1, NOW + MINUTE)}
    for alert in due(store, NOW + MINUTE):
        act(store, "sent", alert, NOW)
    with store.read() as unit:
        assert unit.alerts.waiting() == {}


def test_people_see_what_was_said_of_their_target_newest_first(store, target):
    queue(store, target, *(story(1, key) for key in "abc"))
    queue(store, registered(store, "swa/staging"), story(1, "d"))
    act(store, "later", due(store)[2], NOW, "x" * 900)
    act(store, "sent", due(store)[0], NOW + MINUTE)
    with store.read() as unit:
        newest, older = unit.alerts.recent(target, 2)
    assert (newest["key"], newest["state"], newest["error"]) == ("c", "waiting", "x" * 500)
    assert older["key"] == "b"


def test_a_revision_is_queued_once(store, target):
    queue(store, target, story(1, KEY))
    act(store, "sent", due(store)[0], NOW)
    with pytest.raises(Moved):  # somebody else was quicker: whoever queues it settles anew
        queue(store, target, story(1, KEY))
    assert count(store, "alerts") == 1


def test_of_a_fleet_events_message_only_the_newest_revision_and_what_waits_are_kept_whole(store, target):
    """Each tells of all targets, and each new member makes one: kept whole they would grow as the square."""
    told = [replace(story(n, "fleet-1"), kind=AlertKind.FLEET) for n in range(1, 5)]
    queue(store, target, told[0])
    act(store, "sent", due(store)[0], NOW)
    queue(store, target, *told[1:])
    queue(store, target, story(1, KEY), story(2, KEY))
    with store.read() as unit:
        kept = unit.connection.exec_driver_sql("select key, revision from alerts where story != '' order by 1, 2")
        assert [tuple(row) for row in kept] == [("fleet-1", 4), (KEY, 1), (KEY, 2)]
        assert unit.alerts.last_story("swa-care", "fleet-1").revision == 4
