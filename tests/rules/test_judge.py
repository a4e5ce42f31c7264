"""The one path to findings: what is kept, what is judged again, what is undecided."""

import gc
from datetime import UTC, datetime, timedelta

import pytest

from baselines.compare import compare
from baselines.configuration import Configuration
from baselines.coverage import Gap, Reason
from rules.evaluate import Verdict
from rules.judge import judge
from rules.lifecycle import Event, Known, State, settle, transition
from rules.pack import load_packs, shipped_packs
from rules.packtest import run_tests
from tests.support import CATALOGUE, SECRETS, configuration, find, swa

NOON = datetime(2026, 11, 24, 20, tzinfo=UTC)
PACKS = shipped_packs()


def judged(configured, at=NOON, kept=None, base=None):
    comparison = compare(base, configured, CATALOGUE)
    return judge(configured, comparison, PACKS, CATALOGUE, at=at, secrets=SECRETS, kept=kept)


def without(configured: Configuration, *names: str, reason: Reason | None = None) -> Configuration:
    """The same without some lists: unread for a reason, or absent from the document."""
    gaps = tuple(Gap(name, reason) for name in names) if reason is not None else ()
    lists = {name: each for name, each in configured.lists.items() if name not in names}
    return Configuration(lists=lists, version=configured.version, about=configured.about, gaps=gaps)


def test_every_rule_of_the_shipped_packs_passes_its_own_tests():
    assert [
        f"{each.rule.id}: {each.test.name}: {each.problem}" for each in run_tests(PACKS, CATALOGUE) if each.problem
    ] == []


def test_the_core_pack_has_rules_of_every_module_and_sixty_at_least():
    assert len(PACKS.rules) >= 60
    assert {rule.module for rule in PACKS.rules} == {module.name for module in CATALOGUE.modules}


def test_what_did_not_change_is_not_judged_again_on_the_same_day():
    first = judged(configuration(swa()))
    again = judged(configuration(swa()), at=NOON + timedelta(hours=3), kept=first.results)
    assert first.judged_anew == len(PACKS.rules)
    assert again.judged_anew == 0
    assert again.findings == first.findings


def test_judging_again_and_again_keeps_nothing_of_what_was_judged():
    def dicts() -> int:
        gc.collect()
        return sum(1 for each in gc.get_objects() if type(each) is dict)

    configured = configuration(swa())
    first = judged(configured)
    before = dicts()
    for _ in range(3):
        assert judged(configured).findings == first.findings
    assert dicts() - before < 100  # of the 6,000 that functions of expressions were given


def test_the_next_day_only_rules_that_read_today_are_judged_again():
    first = judged(configuration(swa()))
    again = judged(configuration(swa()), at=NOON + timedelta(days=1), kept=first.results)
    assert again.judged_anew == sum(1 for rule in PACKS.rules if rule.reads_today)


def test_a_plan_that_ends_at_midnight_alerts_although_nothing_was_changed():
    raw = swa()
    find(raw, "service_plan", code="COM-VAR")["effective_to"] = "2026-11-24"
    configured = configuration(raw)
    before = judged(configured)
    after = judged(configured, at=NOON + timedelta(days=1), kept=before.results)
    rule = "billing.category-has-fixed-and-variable-plan"
    assert before.results[rule].result.verdict is Verdict.PASSED
    assert after.results[rule].result.verdict is Verdict.FAILED


def test_the_day_is_that_of_the_utility_not_of_utc():
    raw = swa()
    find(raw, "service_plan", code="COM-VAR")["effective_to"] = "2026-11-24"
    still_tuesday_in_portland = datetime(2026, 11, 25, 7, 59, tzinfo=UTC)
    rule = "billing.category-has-fixed-and-variable-plan"
    assert judged(configuration(raw), at=still_tuesday_in_portland).results[rule].result.verdict is Verdict.PASSED
    later = still_tuesday_in_portland + timedelta(minutes=1)
    assert judged(configuration(raw), at=later).results[rule].result.verdict is Verdict.FAILED


def test_a_changed_list_is_judged_by_the_rules_that_read_it_and_no_others():
    first = judged(configuration(swa()))
    raw = swa()
    find(raw, "tip", code=raw["tip"][0]["code"])["text"] = "Fix a dripping tap."
    again = judged(configuration(raw), kept=first.results)
    reading = sum(1 for rule in PACKS.rules if "tip" in rule.types or rule.subject == "any")
    assert again.judged_anew == reading < len(PACKS.rules) / 4


@pytest.mark.parametrize("reason", [None, Reason.FORBIDDEN])
def test_a_rule_whose_facts_are_missing_is_undecided_never_passed(reason):
    judgement = judged(without(configuration(swa()), "service_plan", reason=reason))
    told = "absent" if reason is None else "forbidden"
    reading = {rule.id for rule in PACKS.rules if "service_plan" in rule.types}
    assert {name for name in reading if judgement.results[name].result.verdict is not Verdict.UNDECIDED} == set()
    (unchecked,) = [each for each in judgement.unchecked if each.resource_type == "service_plan"]
    assert (unchecked.reason, set(unchecked.rules)) == (told, reading)
    assert judgement.readiness == 1.0


def test_a_reference_that_does_not_resolve_fails_the_rules_that_meet_it():
    raw = swa()
    find(raw, "service_plan", code="RES-FIX")["category"] = "Nobody"
    failed = {
        name for name, kept in judged(configuration(raw)).results.items() if kept.result.verdict is Verdict.FAILED
    }
    assert {"organization.references-resolve", "billing.plan-category-active"} <= failed


def test_one_missing_field_makes_one_rule_undecided_and_no_other():
    raw = swa()
    find(raw, "utility", short_name="SWA").pop("service_connections")
    undecided = {each.rule for each in judged(configuration(raw)).undecided}
    assert undecided
    assert all(
        "service_connections" in rule.shape("self").fields or rule.shape("configuration").fields
        or "utility" in rule.types
        for rule in PACKS.rules
        if rule.id in undecided
    )  # fmt: skip
    assert judged(configuration(raw)).results["organization.utility-approved"].result.verdict is Verdict.PASSED


SIDE_BY_SIDE = """
pack: own
version: 1.0.0
rules:
  - id: billing.category-is-named
    title: The category has a name
    severity: high
    for: service_plan
    expect: self.category.name != ""
    message: "{self.code}"
    why: w
    fix: f
    tests:
      - {name: yes, given: {consumer_category: [{name: R}], service_plan: [{code: A, category: R}]}, finds: []}
      - {name: no, given: {service_plan: [{code: A, category: R}]}, finds: [{key: A}]}
  - id: billing.plan-ends-late
    title: The plan does not end soon
    severity: high
    for: service_plan
    expect: self.effective_to > "2020-01-01"
    message: "{self.code}"
    why: w
    fix: f
    tests:
      - {name: yes, given: {service_plan: [{code: A, effective_to: 2027-01-01}]}, finds: []}
      - {name: no, given: {service_plan: [{code: A, effective_to: 2019-01-01}]}, finds: [{key: A}]}
"""


def test_a_reference_that_one_rule_meets_makes_no_other_rule_fail(tmp_path):
    (tmp_path / "own.yaml").write_text(SIDE_BY_SIDE)
    packs = load_packs([tmp_path / "own.yaml"], CATALOGUE)
    configured = configuration({"consumer_category": [], "service_plan": [{"code": "A", "category": "gone"}]})
    done = judge(configured, compare(None, configured, CATALOGUE), packs, CATALOGUE, at=NOON, secrets=SECRETS)
    assert {name: each.result.verdict for name, each in done.results.items()} == {
        "billing.category-is-named": Verdict.FAILED, "billing.plan-ends-late": Verdict.UNDECIDED,
    }  # fmt: skip


def test_a_reference_cycle_ends():
    raw = swa()
    find(raw, "department", code="ADM")["parent"] = "CSD"
    assert judged(configuration(raw)).results


# -- the life of findings --------------------------------------------------------------------------


def known(finding, state=State.OPEN, **rest) -> Known:
    return Known(1, "7F3K", finding, state, NOON, NOON, NOON, 1, 1, **rest)


def wrong():
    """SWA without its commercial variable plan, against the approved one."""
    raw = swa()
    find(raw, "service_plan", code="COM-VAR")["is_active"] = False
    return configuration(raw)


def settled(several, configured, base):
    comparison = compare(base, configured, CATALOGUE)
    judgement = judge(configured, comparison, PACKS, CATALOGUE, at=NOON, secrets=SECRETS)
    return settle(several, judgement, comparison, configured)


def test_what_is_wrong_for_the_first_time_opens():
    base = configuration(swa())
    settlement = settled([], wrong(), base)
    assert {step.event for step in settlement.steps} == {Event.OPENED}
    assert {step.finding.kind.value for step in settlement.steps} == {"rule", "drift"}


def test_what_is_right_again_heals():
    base = configuration(swa())
    several = [known(step.finding) for step in settled([], wrong(), base).steps]
    settlement = settled(several, base, base)
    assert {(step.event, step.resolution) for step in settlement.steps} == {(Event.RESOLVED, "healed")}


@pytest.mark.parametrize("kind", ["rule", "drift"])
def test_what_could_not_be_read_neither_heals_nor_opens(kind):
    base = configuration(swa())
    several = [known(s.finding) for s in settled([], wrong(), base).steps if s.finding.kind == kind]
    blind = without(base, "service_plan", reason=Reason.SERVER_ERROR)
    settlement = settled(several, blind, base)
    assert not settlement.of(Event.RESOLVED)
    assert len(settlement.untouched) == len(several)


def test_other_evidence_ends_an_acknowledgement():
    base, raw = configuration(swa()), swa()
    find(raw, "tax", code="ULF-GRE")["percentage"] = "60"
    (drift,) = [s.finding for s in settled([], configuration(raw), base).steps if s.finding.kind == "drift"]
    find(raw, "tax", code="ULF-GRE")["percentage"] = "61"
    settlement = settled([known(drift, State.ACKNOWLEDGED)], configuration(raw), base)
    (step,) = [step for step in settlement.steps if step.finding.fingerprint == drift.fingerprint]
    assert step.event is Event.CHANGED
    assert transition(State.ACKNOWLEDGED, step.event) is State.OPEN


def test_a_resolved_finding_that_is_wrong_again_reopens():
    base = configuration(swa())
    several = [known(step.finding, State.RESOLVED) for step in settled([], wrong(), base).steps]
    assert {step.event for step in settled(several, wrong(), base).steps} == {Event.REOPENED}


def test_a_finding_of_a_rule_that_is_gone_is_not_called_healed():
    from dataclasses import replace

    base = configuration(swa())
    (finding, *_) = [s.finding for s in settled([], wrong(), base).steps if s.finding.kind == "rule"]
    settlement = settled([known(replace(finding, rule="billing.no-longer-there"))], base, base)
    assert [step.resolution for step in settlement.steps] == ["rule gone"]
