"""People, sessions, tokens and tries, on both engines."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from monitor.access import Grant, Right, Role
from monitor.store.people import Person, Session, Token
from monitor.target import Definition
from tests.monitor.store.made import NOW

OLGA = Person("olga", "olga@swa.example", None, "Olga", "", NOW)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def people(store):
    with store.write() as unit:
        unit.people.put(OLGA)
    return store


def test_a_person_is_found_by_name_address_or_subject_also_when_removed(people):
    with people.write() as unit:
        unit.people.put(replace(OLGA, subject="https://login 1", removed_at=NOW))
        asked = ({"login": "olga"}, {"login": "olga@swa.example"}, {"subject": "https://login 1"})
        assert {unit.people.find(**each).name for each in asked} == {"olga"}
        assert unit.people.find(login="https://login 1") is None
        assert unit.people.all() == []


def test_a_role_is_given_moved_and_taken(people):
    lead, viewer = Grant(Role.ONBOARDING_LEAD, "swa"), Grant(Role.VIEWER, "group:northwest", NOW)
    with people.write() as unit:
        for each in (lead, viewer, replace(lead, ends=NOW + MINUTE)):
            unit.people.grant("olga", each)
        assert unit.people.grants("olga") == [viewer, replace(lead, ends=NOW + MINUTE)]
        assert (unit.people.ungrant("olga", viewer), unit.people.ungrant("olga", viewer)) == (1, 0)
        assert (unit.people.ungrant("olga"), unit.people.grants("olga")) == (1, [])


def test_a_session_is_kept_until_it_ends_once_or_is_too_old(people):
    session = Session("h", "olga", "[]", NOW, NOW)
    with people.write() as unit:
        unit.people.start(session, NOW)
        unit.people.seen(session, NOW + MINUTE)
        assert unit.people.session("h") == replace(session, seen_at=NOW + MINUTE)
        assert unit.people.find(login="olga").seen_at == NOW + MINUTE
        unit.people.start(replace(session, hash="g"), NOW + MINUTE)
        assert unit.people.session("h") is None
        assert (unit.people.end(hashed="g"), unit.people.end(hashed="g")) == (1, 0)


def test_a_token_is_found_by_its_hash(people):
    token = Token("ci", frozenset({Right.SEE, Right.SWEEP}), frozenset({"swa"}), "olga", NOW, NOW + MINUTE)
    with people.write() as unit:
        unit.people.add_token(token, "h")
        assert unit.people.tokens(hashed="h") == unit.people.tokens(name="ci") == unit.people.tokens() == [token]
        assert unit.people.tokens(hashed="x") == []
        unit.people.used(token, NOW)
        unit.people.revoke(token, NOW)
        assert unit.people.tokens() == [replace(token, used_at=NOW, revoked_at=NOW)]


def test_tries_are_counted_within_their_window_and_a_clock_that_went_back_locks_nobody(store):
    with store.write() as unit:
        tried = [unit.people.tried("k", MINUTE, NOW + timedelta(seconds=each)) for each in (0, 59, 60, 61, -1)]
        assert [count for count, _ in tried] == [1, 2, 1, 2, 1]
        assert tried[1][1] == NOW
        unit.people.tried("other", MINUTE, NOW)
        unit.people.forget_tries("k", older=NOW - MINUTE)
        assert [unit.people.tried(each, MINUTE, NOW)[0] for each in ("k", "other")] == [1, 2]


def test_tries_at_the_same_time_are_all_counted(store):
    def tried(_):
        with store.write() as unit:
            return unit.people.tried("k", MINUTE, NOW)[0]

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(tried, range(20))) == list(range(1, 21))


def test_groups_are_those_of_the_targets_that_are_watched(store):
    definition = Definition(source="files", time_zone="UTC", schedule="every 6h", groups=("northwest", "water"))
    with store.write() as unit:
        for tenant, groups in (
            ("swa", ("northwest", "water")),
            ("tac", ("northwest",)),
            ("cbe", ()),
            ("old", ("water",)),
        ):
            unit.targets.put(tenant, "production", replace(definition, groups=groups), NOW)
        unit.targets.remove(unit.targets.named("old/production"), NOW)
        assert unit.targets.groups() == {"northwest": {"swa", "tac"}, "water": {"swa"}}
    with store.read(frozenset()) as unit:
        assert unit.targets.groups() == {"northwest": {"swa", "tac"}, "water": {"swa"}}
