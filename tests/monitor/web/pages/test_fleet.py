"""The fleet: each target stands in the one section it belongs to, and says why."""

from datetime import UTC, datetime, timedelta

import pytest

from baselines.severity import Severity
from monitor.access import EVERYWHERE, Actor, Right
from monitor.store.findings_list import FindingQuery
from monitor.target import Definition, Target
from monitor.web.frame import overdue
from monitor.web.pages.fleet import MOST, Asked, fleet_view
from rules.findings import Kind
from tests.support import queries_of

PORTLAND = "America/Los_Angeles"


def names(rows):
    return [row.target.name for row in rows]


def test_a_target_without_findings_is_quiet_and_says_how_many_were_read(watched):
    watched.sweep()
    view = fleet_view(watched.deps)
    assert (names(view.needs), names(view.unread), names(view.quiet)) == ([], [], ["swa/production"])
    assert view.sentence == "Nothing needs you. 1 target read within their interval."
    assert (view.whole, view.unread_words, view.frame.watched, view.frame.stale) == (1, "", 1, 0)
    assert view.quiet[0].readiness == 1.0


def test_a_page_of_many_quiet_targets_costs_as_many_queries_as_one_of_one_target(watched):
    watched.sweep()
    alone = queries_of(watched.deps.store, lambda: fleet_view(watched.deps))
    for number in range(4):
        watched.sweep(watched.register(f"t{number}/production"))
    assert fleet_view(watched.deps).total == 5
    assert queries_of(watched.deps.store, lambda: fleet_view(watched.deps)) == alone


def test_an_incident_moves_its_target_to_those_that_need_someone(watched):
    watched.sweep()
    watched.approve()
    watched.happen("friday-variable-plan-deactivated")
    watched.later(hours=6)
    watched.sweep()
    watched.later(hours=1, minutes=28)
    view = fleet_view(watched.deps)
    row = view.needs[0]
    assert view.sentence == "1 of 1 target needs someone."
    assert row.worst.finding.message == "Service plan COM-VAR was switched off."
    with watched.deps.store.read() as unit:
        found = unit.findings.open(watched.target)
    assert row.open == len(found)
    assert row.counts["critical"] == sum(1 for _, known in found if known.finding.severity == "critical") > 0
    assert row.drift == sum(1 for _, known in found if known.finding.kind == "drift") == 1
    assert (row.baseline, row.reading.lists, row.reading.age) == (1, "87 of 87 lists", timedelta(hours=1, minutes=28))
    assert row.line.is_worse


def test_a_refused_log_in_is_said_with_the_last_good_reading_and_every_miss(watched):
    watched.sweep()
    watched.fault("login-refused")
    for _ in range(2):
        watched.later(hours=6)
        watched.sweep()
    row = fleet_view(watched.deps).unread[0]
    assert row.reading.fault == "login_refused"
    assert row.reading.missed == 2
    assert row.trouble.startswith("SMART360 could not be read: ")
    assert row.trouble.endswith("Last good reading Tue 24 Nov 06:12 PST.")
    assert row.reading.is_stale
    assert row.line.gap


def test_lists_that_were_forbidden_are_named_and_never_counted_as_read(watched):
    watched.fault("forbidden-some", "integration", "scheduled_job")
    watched.sweep()
    view = fleet_view(watched.deps)
    row = view.unread[0]
    assert row.trouble == "85 of 87 lists were read. Not read: Integration, Scheduled job of an integration."
    assert row.undecided > 0
    assert (view.whole, view.unread_words) == (0, "1 read in part")


def test_a_critical_finding_is_not_hidden_by_a_partial_reading(watched):
    watched.fault("forbidden-some", "integration")
    watched.happen("friday-variable-plan-deactivated")
    watched.sweep()
    view = fleet_view(watched.deps)
    assert (names(view.needs), names(view.unread)) == (["swa/production"], [])
    assert view.needs[0].worst.finding.severity == "critical"
    assert not view.needs[0].reading.is_whole


def test_a_target_is_stale_from_the_second_slot_it_missed(watched):
    watched.sweep()
    watched.later(hours=11, minutes=59)
    assert names(fleet_view(watched.deps).quiet) == ["swa/production"]
    watched.later(minutes=1)
    view = fleet_view(watched.deps)
    assert view.unread[0].trouble == "Stale: last good reading 12 h 0 min ago."
    assert view.unread_words == "1 not read"


def test_old_data_of_a_paused_target_says_who_paused_it(watched):
    watched.sweep()
    with watched.deps.store.write() as unit:
        unit.targets.pause(watched.target, "Carla", "release week.", watched.deps.clock.at)
    watched.later(days=3)
    row = fleet_view(watched.deps).unread[0]
    assert row.trouble == "Paused by Carla: release week. Last good reading 3 days ago."


def test_a_target_that_was_never_read_is_not_quiet(watched):
    watched.sweep()
    watched.register("new/staging")
    view = fleet_view(watched.deps)
    assert names(view.unread) == ["new/staging"]
    assert view.unread[0].trouble == "Not read yet."
    assert view.sentence == "1 of 2 target needs someone."


def test_the_worst_target_comes_first_and_others_by_their_name(watched):
    watched.sweep(watched.register("zeta/production"))
    watched.sweep(watched.register("alpha/production"))
    watched.happen("organization-date-format-changed")
    watched.sweep(watched.register("mild/production"))
    watched.happen("friday-variable-plan-deactivated")
    watched.sweep()
    view = fleet_view(watched.deps)
    assert names(view.needs)[0] == "swa/production"
    assert names(view.quiet) == [
        name for name in ("alpha/production", "mild/production", "zeta/production") if name not in names(view.needs)
    ]


@pytest.mark.parametrize(
    ("schedule", "read", "old"),
    [
        ("every 6h", "2026-11-24T14:00", "2026-11-25T02:00"),
        ("0 6 * * 1", "2026-11-23T14:00", "2026-12-07T14:00"),
        ("0 6 * * 1-5", "2026-11-27T14:00", "2026-12-01T14:00"),  # a weekend is no miss
    ],
)
def test_data_is_old_when_the_second_slot_after_it_has_come(schedule, read, old):
    target = Target(1, "swa", "production", Definition("files", PORTLAND, schedule))
    at = datetime.fromisoformat(read).replace(tzinfo=UTC)
    assert overdue(target, at) == datetime.fromisoformat(old).replace(tzinfo=UTC)


def test_every_figure_of_the_fleet_equals_the_list_that_it_leads_to(watched):
    watched.sweep()
    watched.approve()
    for incident in ("friday-variable-plan-deactivated", "misplaced-decimal-point", "cashier-may-refund"):
        watched.happen(incident)
    watched.later(hours=6)
    watched.sweep()
    row = fleet_view(watched.deps).needs[0]
    with watched.deps.store.read() as unit:
        for severity, count in row.counts.items():
            listed = unit.finding_list.listed(
                FindingQuery(target="swa/production", severities=frozenset({Severity(severity)}))
            )
            assert len(listed) == count
        assert (
            unit.finding_list.count(FindingQuery(target="swa/production", kinds=frozenset({Kind.DRIFT})))
            == row.drift
            == 3
        )
    assert row.worst.number == unit_worst(watched)


def unit_worst(watched):
    from alerts.plan import by_kind

    with watched.deps.store.read() as unit:
        return by_kind([known for _, known in unit.findings.open(watched.target)])[0][0].number


def test_filters_narrow_the_fleet_and_their_counts_follow_each_other(watched):
    watched.register("alpha/production")
    watched.register("beta/staging", stage="onboarding")
    view = fleet_view(watched.deps, asked=Asked(q="a/"))
    assert [row.target.name for row in view.wanted] == ["alpha/production", "beta/staging", "swa/production"]
    assert list(view.stages) == [("live", 2), ("onboarding", 1)]
    narrow = fleet_view(watched.deps, asked=Asked(q="a/", stage=("onboarding",)))
    assert ([row.target.name for row in narrow.wanted], narrow.total) == (["beta/staging"], 3)
    assert list(narrow.stages) == [("live", 2), ("onboarding", 1)]
    assert narrow.asked.at(sort="name") == "/?q=a/&stage=onboarding&sort=name"


def test_a_large_fleet_comes_in_pages_that_miss_nobody_and_show_nobody_twice(watched):
    names = [watched.register(f"t{number:02d}/production").name for number in range(MOST + 3)]
    first = fleet_view(watched.deps)
    assert len(first.rows) == MOST
    cursor = first.following.split("cursor=")[1]
    second = fleet_view(watched.deps, asked=Asked(cursor=cursor))
    shown = [row.target.name for row in (*first.rows, *second.rows)]
    assert sorted(shown) == sorted([*names, "swa/production"])
    assert second.following == ""


def test_who_may_see_one_tenant_sees_a_fleet_of_it_alone(watched):
    watched.register("other/production")
    actor = Actor("carla", {"swa": frozenset({Right.SEE})})
    view = fleet_view(watched.deps, actor)
    assert ([row.target.name for row in view.all], view.frame.watched, view.mine) == (["swa/production"], 1, None)
    assert "other" not in str(view.frame)
    both = Actor("ivo", {EVERYWHERE: frozenset({Right.SEE}), "swa": frozenset({Right.ACT})})
    assert fleet_view(watched.deps, both).mine == 1
    assert [row.target.name for row in fleet_view(watched.deps, both, Asked(mine=True)).wanted] == ["swa/production"]
