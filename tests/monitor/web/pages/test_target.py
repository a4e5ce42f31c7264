"""One target: every figure equals its list, and what was not looked at is never shown as right."""

import pytest

from monitor.errors import UnknownTarget
from monitor.web.pages.target import target_view


def view_of(watched):
    return target_view("swa/production", watched.deps)


def test_a_target_nobody_watches_has_no_page(watched):
    with pytest.raises(UnknownTarget):
        target_view("swa/staging", watched.deps)


def test_without_a_reading_nothing_was_compared(watched):
    view = view_of(watched)
    assert view.empty_words == "Nothing was compared: swa/production has no baseline and no reading yet."
    assert (view.row.readiness, view.chart, list(view.said), view.as_of) == (None, None, [], "")
    assert view.reading.is_stale
    assert not view.reading.is_whole


def test_nothing_wrong_says_what_was_looked_at(watched):
    watched.sweep()
    baseline = watched.approve()
    watched.later(hours=6)
    watched.sweep()
    view = view_of(watched)
    rules, objects = view.reading.report["rules_total"], view.objects
    assert view.empty_words == (
        f"No open findings on swa/production. {rules} rules judged, "
        f"{objects} objects compared with baseline {baseline.version}, at 12:12."
    )
    assert view.title == "San Francisco Water Authority"


def test_a_finding_on_a_tariff_says_what_it_means_for_bills(watched):
    watched.sweep()
    watched.approve()
    watched.happen("misplaced-decimal-point")
    watched.later(hours=6)
    watched.sweep()
    (drift,) = [known.finding for known in view_of(watched).findings if known.finding.kind == "drift"]
    assert str(drift.money).startswith("Typical Residential bill (7 kgal, Portland) $153.04 → $308.02 a month")


def test_every_figure_equals_its_list(watched):
    watched.sweep()
    watched.approve()
    for incident in ("friday-variable-plan-deactivated", "misplaced-decimal-point", "cashier-may-refund"):
        watched.happen(incident)
    watched.later(hours=6)
    watched.sweep()
    view = view_of(watched)
    listed = [known for first, alike in view.groups for known in (first, *alike)]
    assert sorted(known.number for known in listed) == sorted(known.number for known in view.findings)
    assert sum(count for _, count in view.severities) == len(view.findings) == view.row.open
    assert view.row.open == sum(each.open for each in view.modules)
    assert view.row.drift == sum(each.drift for each in view.modules) == 3
    tally = view.reading.report["rules"]
    assert sum(each.failed for each in view.modules) <= tally["failed"]
    assert view.passed / view.decided == pytest.approx(view.row.readiness, abs=0.0005)
    assert view.rules_words == (
        f"{tally['passed']} passed · {tally['failed']} failed · 0 undecided · {tally['not_applicable']} not applicable"
    )
    assert not next(each for each in view.modules if each.title == "Billing and payment").is_calm


def test_what_was_not_read_is_undecided_and_said_beside_the_figures(watched):
    watched.fault("forbidden-some", "integration", "scheduled_job")
    watched.sweep()
    view = view_of(watched)
    count = view.row.undecided
    assert view.failed_words == (
        "85 of 87 lists were read. Not read: Integration, Scheduled job of an integration (forbidden). "
        f"{count} rules undecided."
    )
    assert len(view.undecided) == count > 1
    assert view.undecided[0].why == "integration was not read (forbidden)"
    integrations = next(each for each in view.modules if each.title == "Integrations")
    assert (integrations.unread, integrations.passed) == (2, 0)
    assert integrations.undecided == integrations.judged > 0
    assert not integrations.is_calm


def test_a_failed_sweep_leaves_the_last_good_figures_and_says_from_when_they_are(watched):
    watched.sweep()
    watched.fault("login-refused")
    watched.later(hours=6)
    watched.sweep()
    view = view_of(watched)
    assert view.failed_words.startswith("The sweep of 12:12 failed. SMART360 could not be read: ")
    assert view.failed_words.endswith("Nothing was changed here. Last good reading: 06:12.")
    assert (view.row.readiness, view.as_of) == (1.0, "")
    watched.later(hours=6)
    assert view_of(watched).as_of == "as of 06:12"


def test_an_acknowledged_finding_names_who_has_it(watched):
    watched.happen("cashier-may-refund")
    watched.sweep()
    with watched.deps.store.write() as unit:
        _, first = unit.findings.open(watched.target)[0]
        unit.findings.acknowledge(first, "Tomás Rey", "asked the cashiers", watched.deps.clock.at)
    assert {known.number: known.by for known in view_of(watched).findings}[first.number] == "Tomás Rey"


def test_thirty_days_have_a_column_each_and_a_day_without_a_reading_is_a_gap(watched):
    watched.sweep()
    watched.approve()
    watched.later(days=1)
    watched.happen("friday-variable-plan-deactivated")
    watched.sweep()
    watched.later(days=2)
    watched.sweep()
    chart = view_of(watched).chart
    assert [each.state for each in chart.columns[-4:]] == ["read", "read", "gap", "read"]
    assert {each.state for each in chart.columns[:-4]} == {""}
    assert chart.path.count("M") == 2
    assert chart.columns[-2].readiness is None
    row = view_of(watched).row
    assert chart.last.open == {severity: count for severity, count in row.counts.items() if count}
    assert chart.most_open == chart.last.total == row.open
    assert [severity for severity, _, _ in chart.last.bars] == list(chart.last.open)
    assert [told for _, told in chart.events] == ["24 Nov: baseline 1"]
    assert chart.label.startswith("3 days with readings, one without a reading: readiness between 0.9")


def test_one_day_makes_no_chart(watched):
    watched.sweep()
    assert view_of(watched).chart is None


def test_a_proposal_waits_with_how_many_changes_are_decided(watched):
    from monitor.access import on_host
    from monitor.approval import propose_baseline

    watched.sweep()
    proposal = propose_baseline(watched.target, on_host("olga.brandt"), watched.deps, title="Go-live")
    assert [(each.id, each.title, decided) for each, decided in view_of(watched).proposals] == [
        (proposal.id, "Go-live", 0)
    ]


def test_a_message_is_one_line_however_often_it_was_edited(watched):
    watched.happen("friday-variable-plan-deactivated")
    watched.sweep()
    watched.control("/sandbox/reset", {})
    watched.later(hours=6)
    watched.sweep()
    said = view_of(watched).said
    assert [(each.channel, each.state, each.at, each.edits) for each in said] == [("swa-care", "waiting", None, 0)]
    assert said[0].sentence.endswith(".")


def test_a_slot_that_has_passed_is_not_called_next(watched):
    watched.sweep()
    with watched.deps.store.write() as unit:
        unit.targets.set_next_run(watched.target, watched.deps.clock.at)
    watched.later(hours=-1)
    assert view_of(watched).next_words == "next 06:12"
    watched.later(hours=2)
    assert view_of(watched).next_words == "was due 06:12"
