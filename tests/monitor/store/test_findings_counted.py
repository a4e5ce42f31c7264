"""Lists of findings: what is open, narrowed; counts that follow the other filters; pages that miss nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from baselines.severity import Severity
from monitor.store.findings_list import FACETS, FindingQuery, Sort
from rules.findings import Kind
from rules.lifecycle import Event, Resolution, Step
from tests.monitor.store.made import NOW, finding, registered
from tests.monitor.store.test_findings import applied


@pytest.fixture
def filled(store, target):
    """Forty findings at two targets, opened over days; a few are resolved."""
    other = registered(store, "cbe/production")
    kinds, severities, modules = list(Kind), list(Severity), ("billing", "access", "territory")
    for day in range(4):
        for each in (target, other):
            steps = [
                Step(
                    Event.OPENED,
                    replace(
                        finding(), kind=kinds[n % 3], severity=severities[(n + day) % 5], module=modules[n % 3],
                        key=f"PLAN-{day}{n}_%", rule="billing.x" if kinds[n % 3] is Kind.RULE else "",
                    ),
                )
                for n in range(5)
            ]  # fmt: skip
            applied(store, each, *steps, at=NOW + timedelta(days=day, microseconds=day))
    with store.write() as unit:
        gone = [known for name, known in unit.findings.open() if name == "cbe/production"][:3]
        unit.findings.resolve(gone, Resolution.ACCEPTED, "", "olga", NOW + timedelta(days=5))
    return store


QUERIES = [
    FindingQuery(),
    FindingQuery(severities=frozenset({Severity.CRITICAL, Severity.LOW})),
    FindingQuery(kinds=frozenset({Kind.DRIFT}), modules=frozenset({"billing"})),
    FindingQuery(target="swa/production"),
    FindingQuery(target="cbe/*", severities=frozenset({Severity.HIGH})),
    FindingQuery(target="nobody/here"),
    FindingQuery(rule="billing.x", since=NOW + timedelta(days=2)),
    FindingQuery(words="plan-1"),
    FindingQuery(words="_%"),
    FindingQuery(key="PLAN-00_%"),
]


def fits(asked, name, known):
    found = known.finding
    return (
        (not asked.severities or found.severity in asked.severities)
        and (not asked.kinds or found.kind in asked.kinds)
        and (not asked.modules or found.module in asked.modules)
        and (not asked.target or name == asked.target or asked.target == f"{name.split('/')[0]}/*")
        and (not asked.rule or found.rule == asked.rule)
        and (not asked.key or found.key == asked.key)
        and (asked.since is None or known.changed_at >= asked.since)
        and asked.words.casefold() in f"{found.key} {found.message}".casefold()
    )


@pytest.mark.parametrize("asked", QUERIES)
def test_a_list_is_what_is_open_narrowed_and_its_count_is_its_length(filled, asked):
    with filled.read() as unit:
        expected = [known.number for name, known in unit.findings.open() if fits(asked, name, known)]
        listed, following = unit.finding_list.page(asked, most=200)
        assert [known.number for _, known in listed] == expected
        assert following == ""
        assert unit.finding_list.tally(asked)[""].get("", 0) == len(expected)


@pytest.mark.parametrize("asked", QUERIES)
def test_each_choice_counts_what_it_would_show_with_the_other_filters_as_they_are(filled, asked):
    with filled.read() as unit:
        tally = unit.finding_list.tally(asked)
        for facet in FACETS:
            for value, count in tally[facet].items():
                chosen = replace(asked, **{facet: frozenset({value})})
                assert unit.finding_list.count(chosen) == count > 0


@pytest.mark.parametrize("sort", [Sort.SEVERITY, Sort.OPENED])
def test_pages_show_everything_once_in_order_though_rows_go_meanwhile(filled, sort):
    with filled.read() as unit:
        whole = [known.number for _, known in unit.finding_list.listed(FindingQuery(sort=sort))]
    seen, cursor = [], ""
    while True:
        with filled.read() as unit:
            page, following = unit.finding_list.page(FindingQuery(sort=sort), cursor, 7)
        seen += [known.number for _, known in page]
        with filled.write() as unit:  # the last that was shown is resolved: the next page begins after it all the same
            unit.findings.resolve([page[-1][1]], Resolution.ACCEPTED, "", "olga", NOW)
        if not (cursor := following):
            break
    assert seen == whole


@pytest.mark.parametrize("cursor", ["nonsense", "1", "1_2", "-1_2_3", "1_2_3_4", "1_" + "9" * 30 + "_1", "²_1_1"])
def test_a_cursor_of_nothing_begins_the_list(filled, cursor):
    with filled.read() as unit:
        first = unit.finding_list.listed(FindingQuery(), 5)
        assert unit.finding_list.page(FindingQuery(), cursor, 5)[0] == first


def test_what_is_of_others_is_in_no_list_and_no_count(filled):
    with filled.read(frozenset({"swa"})) as unit:
        assert {name for name, _ in unit.finding_list.listed(FindingQuery())} == {"swa/production"}
        assert unit.finding_list.tally(FindingQuery())[""][""] == 20
        assert unit.finding_list.listed(FindingQuery(target="cbe/production")) == []
        assert sum(unit.finding_list.by_rule(FindingQuery()).values()) == 20
        known = unit.findings.open()[0][1]
        assert unit.findings.elsewhere(known) == []


def test_tallies_and_the_worst_are_those_of_what_is_open(filled):
    with filled.read() as unit:
        found = {}
        for name, known in unit.findings.open():
            found.setdefault(name, []).append(known)
        for each in unit.targets.all():
            tally = unit.findings.tallies(each)[each.id]
            mine = found[each.name]
            assert sum(tally[one.value] for one in Severity) == sum(tally[one.value] for one in Kind) == len(mine)
            assert tally["critical"] == sum(known.finding.severity is Severity.CRITICAL for known in mine)
            worst = unit.findings.worst_of([each.id])[each.id]
            judged = [known.finding.severity.rank for known in mine if known.finding.kind is not Kind.COVERAGE]
            assert worst.finding.severity.rank == min(judged)
            lost = unit.findings.unread_of([each.id])[each.id]
            assert len(lost) == tally["coverage"]
