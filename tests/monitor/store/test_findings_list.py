"""Lists of findings: filtered, sorted and paged in the database, each served by an index at 50,000 findings."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event, text

from baselines.severity import Severity
from monitor.store.findings_list import FindingQuery, Sort, place_of
from rules.findings import Kind
from rules.lifecycle import Event, Resolution, State, Step
from tests.monitor.store.made import NOW, finding, registered
from tests.monitor.store.test_findings import applied

SEVERITIES = (Severity.LOW, Severity.CRITICAL, Severity.MEDIUM, Severity.CRITICAL)


@pytest.fixture
def known(store, target):
    """Four findings at ``swa/production``, one at ``cbe/production``, one of them acknowledged, one resolved."""
    made = []
    for number, severity in enumerate(SEVERITIES):
        found = finding(f"P-{number}", severity=severity, module="billing" if number else "territory")
        made += applied(store, target, Step(Event.OPENED, found), at=NOW + timedelta(hours=number))
    other = registered(store, "cbe/production")
    drifted = finding("100%_x", kind=Kind.RULE, rule="billing.slabs", message="Slabs of ÉTÉ have a gap.")
    made += applied(store, other, Step(Event.OPENED, drifted), at=NOW + timedelta(hours=9))
    with store.write() as unit:
        unit.findings.acknowledge(made[0], "carla", "", NOW + timedelta(hours=10))
        unit.findings.resolve([made[2]], Resolution.HEALED, "", "", NOW + timedelta(hours=11))
    return made


ALL = frozenset(State)
QUERIES = [
    (FindingQuery(), "1 3 4 0"),
    (FindingQuery(states=ALL), "1 3 4 2 0"),
    (FindingQuery(states=frozenset({State.RESOLVED})), "2"),
    (FindingQuery(states=frozenset({State.ACKNOWLEDGED})), "0"),
    (FindingQuery(sort=Sort.OPENED), "4 3 1 0"),
    (FindingQuery(sort=Sort.CHANGED, states=ALL), "2 0 4 3 1"),
    (FindingQuery(severities=frozenset({Severity.CRITICAL})), "1 3 4"),
    (FindingQuery(kinds=frozenset({Kind.RULE, Kind.COVERAGE})), "4"),
    (FindingQuery(modules=frozenset({"territory"})), "0"),
    (FindingQuery(since=NOW + timedelta(hours=3)), "3 4 0"),
    (FindingQuery(target="swa/production"), "1 3 0"),
    (FindingQuery(target="*/production"), "1 3 4 0"),
    (FindingQuery(target="c*"), "4"),
    (FindingQuery(target="%/production"), ""),
    (FindingQuery(target="_wa/*"), ""),
    (FindingQuery(target="swa"), ""),
    (FindingQuery(words="p-1"), "1"),
    (FindingQuery(words="100%_"), "4"),
    (FindingQuery(words="0%_x%"), ""),
    (FindingQuery(words="SLABS of"), "4"),
    (FindingQuery(words="' or 1=1 --"), ""),
]


@pytest.mark.parametrize(("query", "expected"), QUERIES, ids=range(len(QUERIES)))
def test_a_list_holds_what_its_query_says_in_its_order_whole_and_page_by_page(store, known, query, expected):
    wanted = [known[int(each)].number for each in expected.split()]
    with store.read() as unit:
        assert [each.number for _, each in unit.finding_list.listed(query)] == wanted
        assert unit.finding_list.count(query) == len(wanted)
        found, after = [], ()
        while page := unit.finding_list.listed(query, 2, after):
            found += [each.number for _, each in page]
            after = place_of(page[-1][1], query.sort)
        assert found == wanted


def test_a_number_in_any_letters_finds_its_finding(store, known):
    with store.read() as unit:
        (found,) = unit.finding_list.listed(FindingQuery(words=known[3].number.lower()))
    assert found[1].number == known[3].number


def test_what_others_have_is_in_no_list_and_no_count(store, known):
    with store.read(frozenset({"cbe"})) as unit:
        assert {name for name, _ in unit.finding_list.listed(FindingQuery(states=ALL))} == {"cbe/production"}
        assert unit.finding_list.count(FindingQuery(states=ALL)) == 1
        assert unit.finding_list.listed(FindingQuery(target="swa/*")) == []


def plan_of(store, act) -> str:
    """How the database answers the lists an act asks for."""
    said: list[tuple[str, object]] = []

    def note(_connection, _cursor, statement, parameters, *_rest) -> None:
        said.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", note)
    try:
        act()
    finally:
        event.remove(store.engine, "before_cursor_execute", note)
    begin = "explain query plan " if store.engine.dialect.name == "sqlite" else "explain "
    with store.engine.connect() as connection:
        plans = [connection.exec_driver_sql(begin + each, given).all() for each, given in said if "findings" in each]
    return "\n".join(str(row[-1]) for plan in plans for row in plan)


@pytest.fixture
def many(store):
    """50,000 findings of 100 targets, one in five of them open."""
    targets = [registered(store, f"t{number}/production") for number in range(100)]
    (one,) = applied(store, targets[0], Step(Event.OPENED, finding()), at=NOW)
    names = "kind, rule, severity, module, resource_type, key, path, message, content, last_seen, times_opened"
    series = (
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 49999)"
        if store.engine.dialect.name == "sqlite"
        else "with n(i) as (select generate_series(1, 49999))"
    )
    with store.engine.begin() as connection:
        connection.execute(text(
            f"insert into findings ({names}, rank, number, target_id, fingerprint, state, opened_at, changed_at) "
            + series * (store.engine.dialect.name == "postgresql")
            + f" {series * (store.engine.dialect.name == 'sqlite')}"
            f" select {', '.join('findings.' + each for each in names.split(', '))}, i % 5, 'N' || i,"
            " (select min(id) from targets) + i % 100, 'f' || i,"
            " case when i % 5 = 0 then 'open' else 'resolved' end, opened_at, changed_at"
            f" from n, findings where findings.id = {one.id}"
        ))  # fmt: skip
        connection.execute(text("analyze"))
    return targets


@pytest.mark.parametrize(
    "query",
    [FindingQuery(), FindingQuery(sort=Sort.OPENED, states=ALL), FindingQuery(sort=Sort.CHANGED, states=ALL),
     FindingQuery(target="t5/production"), FindingQuery(severities=frozenset({Severity.CRITICAL}))],
    ids=("worst", "newest", "changed", "of-one", "critical"),
)  # fmt: skip
def test_each_list_is_served_by_an_index_and_sorts_nothing(store, many, query):
    with store.read() as unit:
        plan = plan_of(store, lambda: unit.finding_list.listed(query, 50))
        (_, last) = unit.finding_list.listed(query, 50)[-1]
        further = plan_of(store, lambda: unit.finding_list.listed(query, 50, place_of(last, query.sort)))
    for each in (plan, further):
        assert "ix_findings_" in each
        assert "Seq Scan on findings" not in each
        assert "SCAN findings" not in each.replace("SCAN findings USING INDEX", "")
        assert "USE TEMP B-TREE FOR ORDER BY" not in each


def test_a_page_reads_only_its_own_rows(store, many):
    with store.read() as unit:
        page = unit.finding_list.listed(replace(FindingQuery(), states=ALL, sort=Sort.CHANGED), 50)
    assert len(page) == 50
