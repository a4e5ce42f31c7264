"""The other pages of a target: every figure equals its list, and nothing that was not read is left out."""

import asyncio

from monitor.sweep import claim_slot
from monitor.web.pages.events import _events, running
from monitor.web.pages.tabs import baselines_tab, history_tab, reading_tab, rules_tab
from rules.evaluate import Verdict

NAME = "swa/production"


def test_rules_are_counted_as_the_reading_counted_them_and_none_is_left_out(watched):
    watched.fault("forbidden-some", "integration")
    watched.happen("friday-variable-plan-deactivated")
    watched.sweep()
    view = rules_tab(NAME, watched.deps)
    assert {verdict.value: count for verdict, count in view.counts} == {
        verdict.value: view.reading.report["rules"].get(verdict.value, 0) for verdict in Verdict
    }
    assert all(each.why for each in view.of(Verdict.UNDECIDED))
    with watched.deps.store.read() as unit:
        found = [known for _, known in unit.findings.open(watched.target) if known.finding.kind == "rule"]
    assert sum(each.open for each in view.of(Verdict.FAILED)) == len(found) > 10
    only = rules_tab(NAME, watched.deps, module="billing", verdict="passed")
    assert {each.rule.module for each in only.judged} == {"billing"}
    assert only.shown == [Verdict.PASSED]


def test_a_list_that_was_not_read_stands_with_its_answer_and_its_cure(watched):
    watched.fault("forbidden-some", "integration", "scheduled_job")
    watched.sweep()
    view = reading_tab(NAME, watched.deps)
    assert [(each.name, each.gap.reason.value) for each in view.lost] == [
        ("integration", "forbidden"), ("scheduled_job", "forbidden"),
    ]  # fmt: skip
    assert all(each.gap.mend for each in view.lost)
    assert len(view.lists) - len(view.lost) == view.reading.report["lists_read"]
    assert sum(each.objects or 0 for each in view.lists) == view.objects


def test_history_tells_approvals_changes_and_failures_and_passes_over_the_rest(watched):
    watched.sweep()
    watched.approve()
    watched.later(hours=6)
    watched.sweep()
    watched.happen("cashier-may-refund")
    watched.later(hours=6)
    watched.sweep()
    watched.fault("login-refused")
    watched.later(hours=6)
    watched.sweep()
    view = history_tab(NAME, watched.deps)
    assert [each.kind for each in view.moments] == ["failure", "change", "approval"]
    assert (view.moments[1].text, view.looked_at) == ("Findings: 2 opened.", 4)
    assert [each.version for each in baselines_tab(NAME, watched.deps).versions] == [1]


def test_a_running_sweep_is_told_until_it_ends(watched):
    async def all_of(events):
        return [each async for each in events]

    assert running(watched.deps) == {}
    assert asyncio.run(all_of(_events(watched.deps, None, NAME))) == [b"event: done\ndata: {}\n\n"]
    with watched.deps.store.write() as unit:
        claim = claim_slot(unit, watched.target, watched.deps.clock.at, watched.deps)
        unit.sweeps.tell(claim, "31 of 87 lists")
    assert running(watched.deps, None, NAME) == {NAME: "31 of 87 lists"}
    assert running(watched.deps, frozenset({"other"})) == {}

    async def first_then_done():
        events = _events(watched.deps, None, NAME)
        first = await anext(events)
        with watched.deps.store.write() as unit:
            unit.sweeps.finish(claim, "failed", watched.deps.clock.at, report={})
        return [first, *[each async for each in events]]

    told = asyncio.run(first_then_done())
    assert told[0] == b'data: {"swa/production":"31 of 87 lists"}\n\n'
    assert told[-1] == b"event: done\ndata: {}\n\n"
