"""One finding: its page says what changed among its neighbours, what it costs, how to mend it, what happened to it."""

import pytest

from monitor.access import Actor, Right, on_host
from monitor.care import acknowledge
from monitor.web.pages.finding import finding_view


@pytest.fixture
def wrong(watched):
    """A misplaced decimal point, seen six hours after it was right."""
    watched.sweep()
    watched.approve()
    watched.happen("misplaced-decimal-point")
    watched.later(hours=6)
    watched.sweep()
    with watched.deps.store.read() as unit:
        found = unit.findings.open(watched.target)
    return next(known for _, known in found if known.finding.kind == "drift")


def test_a_slab_is_read_among_its_neighbours(watched, wrong):
    view = finding_view(wrong.number, watched.deps)
    assert (view.old, view.new, view.unit, view.module) == ("4.10", "41.00", "USD", "Billing and payment")
    assert [(each.name, each.old, each.new, each.is_touched) for each in view.neighbours] == [
        ("0 – 4", "4.10", "41.00", True), ("4 – 10", "5.35", "5.35", False), ("10 – 20", "7.20", "7.20", False),
        ("over 20", "9.60", "9.60", False),
    ]  # fmt: skip
    assert next((each.width, each.was) for each in view.neighbours) == (100.0, 10.0)
    assert [each.name for each in view.lines if each.is_changed] == ["rates"]


def test_it_says_when_it_was_right_last_and_how_to_mend_it(watched, wrong):
    view = finding_view(wrong.number, watched.deps)
    assert (view.why.window.first_wrong - view.why.window.last_right).total_seconds() == 6 * 3600
    assert [(each.text, each.value, each.rest) for each in view.steps] == [
        ("Open", "", "Utility Setup › Pricing & Billing › Plans & Tariffs Management › RES-VAR."),
        ("Set rates[up_to=4].rate to", "4.10", "and save."),
    ]
    assert (str(view.next_run), view.days_left) == ("2026-12-03", 9)
    assert [each.finding.rule for each in view.alike] == ["billing.slab-rates-rise"]
    assert view.elsewhere == []


def test_the_note_for_the_utility_names_nobody_of_ours_and_nobody_of_theirs(watched, wrong):
    note = finding_view(wrong.number, watched.deps).note
    first, second = note.splitlines()[:2]
    assert first == "San Francisco Water Authority (swa/production)"
    assert second == f"Critical: {wrong.finding.message}"
    assert "rates[up_to=4].rate back to 4.10, or propose" in note
    assert "…" not in note
    assert "mei.tanaka" not in note
    assert "nisha" not in note


def test_what_happened_to_it_and_who_was_told_stands_newest_first(watched, wrong):
    acknowledge(wrong.number, "asked Mei", on_host("carla"), watched.deps)
    view = finding_view(wrong.number, watched.deps)
    assert [(each.event, each.by, each.note) for each in view.history] == [
        ("acknowledged", "carla", "asked Mei"), ("opened", "", ""),
    ]  # fmt: skip
    assert view.state == "acknowledged by carla"
    assert [each.words for each in view.why.told] == ["waiting: Slack #swa-care: not sent yet, next try 12:12"]


def test_a_resolved_finding_keeps_its_page(watched, wrong):
    watched.control("/sandbox/reset", {})
    watched.later(hours=6)
    watched.sweep()
    view = finding_view(wrong.number, watched.deps)
    assert view.is_resolved
    assert view.state.startswith("resolved, healed ")
    assert not view.neighbours[0].is_touched or view.neighbours[0].old == view.neighbours[0].new == "4.10"


def test_a_number_of_another_tenant_leads_nowhere(watched, wrong):
    assert finding_view(wrong.number, watched.deps, Actor("x", {"other": frozenset({Right.SEE})})) is None
    assert finding_view("ZZZZ9", watched.deps) is None
