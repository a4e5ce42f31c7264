"""What to do first: one step for each finding, no step before one it needs, and what is said to heal does heal."""

import random
from datetime import UTC, datetime

import pytest

from baselines.apply import apply
from baselines.compare import compare
from baselines.configuration import Configuration
from baselines.coverage import Gap, Reason
from monitor.demo import incidents
from rules.fixplan import Act, fix_plan
from rules.judge import judge
from rules.lifecycle import Event, Known, Resolution, State, settle
from rules.pack import ANY, shipped_packs
from tests.stories.test_check import applied
from tests.support import CATALOGUE, SECRETS, configuration, find, swa

NOON = datetime(2026, 11, 24, 20, tzinfo=UTC)
PACKS = shipped_packs()
READS = {rule.id: rule.types for rule in PACKS.rules if rule.subject != ANY}
ORDER = {name: place for place, name in enumerate(CATALOGUE.dependency_order)}
BASE = configuration(swa())


class Case:
    """A configuration, what is wrong with it against a baseline, and the plan."""

    def __init__(self, now: Configuration, base: Configuration | None = BASE, stage: str = "live") -> None:
        self.now, self.base, self.stage, self.asked = now, base, stage, 0
        self.judgement = self.judged(now, {})
        self.known = [
            Known(n, f"N{n}", each, State.OPEN, NOON, NOON, NOON, 1, 1)
            for n, each in enumerate(self.judgement.findings)
        ]
        self.steps = fix_plan(self.known, now, base, CATALOGUE, READS, self.healed)

    def judged(self, configured, kept):
        comparison = compare(self.base, configured, CATALOGUE)
        return judge(configured, comparison, PACKS, CATALOGUE, at=NOON, secrets=SECRETS, stage=self.stage, kept=kept)

    def healed(self, mended, _rules):
        self.asked += 1
        comparison = compare(self.base, mended, CATALOGUE)
        steps = settle(self.known, self.judged(mended, self.judgement.results), comparison, mended)
        return {s.finding.fingerprint for s in steps.of(Event.RESOLVED) if s.resolution == Resolution.HEALED}

    def step(self, key):
        """The one step on this object."""
        (found,) = [each for each in self.steps if each.key == key]
        return found

    def rules(self, several):
        return {each.finding.rule or each.finding.path or "whole" for each in several}


def mends_of(case, number):
    """What the steps up to a number do, worked out anew from their objects and paths."""
    done = {(s.resource_type, s.key) for s in case.steps[:number] if s.values}
    changes = compare(case.now, case.base, CATALOGUE).changes
    return apply([each for each in changes if (each.resource_type, each.key) in done], case.now, CATALOGUE)


def assert_sound(case):
    """What holds of every plan."""
    told = [each.finding.fingerprint for step in case.steps for each in step.findings]
    assert sorted(told) == sorted(each.finding.fingerprint for each in case.known)
    assert [each.number for each in case.steps] == list(range(1, len(case.steps) + 1))
    for step in case.steps:
        assert all(before < step.number for before in step.blocked_by), step.title
        assert step.findings, step.title
    places = [ORDER[s.resource_type] for s in case.steps if s.act in (Act.CREATE, Act.SET, Act.MEND)]
    assert places == sorted(places)
    removals = [ORDER[s.resource_type] for s in case.steps if s.act is Act.REMOVE]
    assert removals == sorted(removals, reverse=True)


@pytest.mark.parametrize("incident", incidents(), ids=lambda each: each.name)
def test_the_values_of_every_incident_heal_exactly_what_is_claimed(incident):
    case = Case(configuration(applied(swa(), incident.changes)))
    assert_sound(case)
    assert all(step.heals and not step.may_heal and not step.by_hand for step in case.steps)
    mended = mends_of(case, len(case.steps))
    assert mended.digest == BASE.digest
    assert case.judged(mended, {}).findings == ()


def everything_at_once():
    raw = swa()
    for incident in incidents():
        raw = applied(raw, incident.changes)
    return raw


def test_after_each_step_of_many_what_it_heals_is_gone_and_what_later_ones_heal_is_not():
    case = Case(configuration(everything_at_once()))
    assert_sound(case)
    assert len(case.steps) > 20
    for step in case.steps:
        left = {each.fingerprint for each in case.judged(mends_of(case, step.number), case.judgement.results).findings}
        assert not left & {each.finding.fingerprint for each in step.heals}
        before = case.judged(mends_of(case, step.number - 1), case.judgement.results).findings
        assert {each.finding.fingerprint for each in step.heals} <= {each.fingerprint for each in before}


def test_a_plan_asks_for_a_bounded_number_of_judgements_and_says_what_it_did_not_prove(monkeypatch):
    monkeypatch.setattr("rules.fixplan.PROOFS", 3)
    case = Case(configuration(everything_at_once()))
    assert case.asked <= 3
    assert_sound(case)
    assert any(step.may_heal for step in case.steps)
    proven = {each.finding.fingerprint for step in case.steps for each in step.heals}
    mended = case.judged(mends_of(case, len(case.steps)), {}).findings
    assert not proven & {each.fingerprint for each in mended}


@pytest.mark.parametrize("seed", range(6))
def test_plans_of_objects_removed_added_and_changed_at_random_are_sound(seed):
    chance, raw = random.Random(seed), swa()
    for name in chance.sample(sorted(raw), 8):
        if raw[name] and name not in ("utility", "organization"):
            raw[name].remove(chance.choice(raw[name]))
    assert_sound(Case(configuration(raw)))
    assert_sound(Case(configuration(raw), base=None))
    assert_sound(Case(configuration(swa()), base=configuration(raw)))


def test_what_others_rest_on_is_created_first_and_they_wait_for_it():
    raw = swa()
    raw["area"] = [each for each in raw["area"] if each["code"] != "A-LAK-S"]
    raw["sub_area"] = [each for each in raw["sub_area"] if each["area"] != "A-LAK-S"]
    find(raw, "bill_cycle", code="BC-06")["areas"].remove("A-LAK-S")
    case = Case(configuration(raw))
    assert_sound(case)
    area, cycle = case.step("A-LAK-S"), case.step("BC-06")
    assert (area.act, cycle.act) == (Act.CREATE, Act.SET)
    assert area.number in cycle.blocked_by
    assert all(area.number in each.blocked_by for each in case.steps if each.resource_type == "sub_area")
    assert "code A-LAK-S" in area.values[0].told


def test_what_was_added_is_taken_away_only_after_what_refers_to_it():
    (incident,) = [each for each in incidents() if each.name == "new-area-half-configured"]
    case = Case(configuration(applied(swa(), incident.changes)))
    area, below = case.step("A-HAP-C"), case.step("S-HAP-C-1")
    assert (below.act, area.act, area.blocked_by) == (Act.REMOVE, Act.REMOVE, (below.number,))


def test_a_value_that_must_be_decided_by_people_is_no_value_of_the_plan():
    case = Case(configuration(everything_at_once()), base=None)
    assert_sound(case)
    assert {step.act for step in case.steps} == {Act.MEND}
    assert all(not step.values and not step.heals for step in case.steps)
    assert case.asked == 0


def test_secrets_and_personal_values_are_not_shown_and_said_to_be_unknown():
    raw = swa()
    raw["integration"][0]["auth_key"] = "another"
    find(raw, "user", login="luis.ortega@swa-water.example")["phone"] = "+1 503 555 0000"
    case = Case(configuration(raw))
    values = [value for step in case.steps for value in step.values]
    assert len(values) == 2
    assert not any(value.is_exact for value in values)
    assert "503" not in str(values)
    assert "auth_key: the secret that was approved instead of another secret" in [value.told for value in values]


def test_a_renamed_object_is_named_as_it_is_now_and_renamed_back():
    old, new = swa(), swa()
    for raw, code in ((old, "RES-VAR"), (new, "RES-VARIABLE")):
        find(raw, "service_plan", code="RES-VAR").update(id="7f", code=code)
    case = Case(configuration(new), base=configuration(old))
    step = case.step("RES-VARIABLE")
    assert step.act is Act.SET
    assert "code: RES-VAR instead of RES-VARIABLE" in [value.told for value in step.values]
    assert "code" in case.rules(step.heals)


def test_where_a_type_has_no_object_yet_setting_up_the_first_comes_before_all_that_needs_it():
    raw = swa()
    raw["area"] = []
    case = Case(configuration(raw), base=None, stage="onboarding")
    assert_sound(case)
    (first,) = [each for each in case.steps if each.act is Act.CREATE]
    assert (first.resource_type, first.key, first.title) == ("area", "", "Set up the first Service area")
    assert case.rules(first.may_heal) >= {"organization.set-up-in-sequence", "organization.references-resolve"}
    assert first.screen == CATALOGUE.types["area"].screen != ""
    waiting = [each for each in case.steps if each.resource_type == "service_plan"]
    assert waiting
    assert all(first.number in each.blocked_by for each in waiting)


def test_a_rule_is_mended_at_the_last_of_the_types_it_reads():
    raw = swa()
    raw["service_plan"] = [each for each in raw["service_plan"] if each["code"] != "COM-VAR"]
    case = Case(configuration(raw), base=None)
    (step,) = [s for s in case.steps if "billing.category-has-fixed-and-variable-plan" in case.rules(s.findings)]
    assert (step.resource_type, step.act) == ("service_plan", Act.MEND)


def test_lists_that_were_not_read_come_first_one_step_for_one_cure():
    now = configuration(swa())
    gaps = tuple(Gap(name, Reason.FORBIDDEN, mend="Give the role VIEW on BX.") for name in ("tax", "rate"))
    lists = {name: each for name, each in now.lists.items() if name not in ("tax", "rate")}
    raw = swa()
    find(raw, "tip", code=raw["tip"][0]["code"])["text"] = "Fix a dripping tap."
    lists["tip"] = configuration(raw).lists["tip"]
    case = Case(Configuration(lists=lists, version=now.version, gaps=gaps))
    assert_sound(case)
    assert [step.act for step in case.steps] == [Act.READ, Act.SET]
    assert len(case.steps[0].by_hand) == 2


def test_drift_on_a_list_that_is_not_read_any_more_keeps_its_values_and_is_not_said_to_be_proven():
    raw = swa()
    find(raw, "service_plan", code="RES-VAR")["description"] = "x"
    find(raw, "tax", code="ULF-GRE")["percentage"] = "60"
    case = Case(configuration(raw))
    now = case.now
    lists = {name: each for name, each in now.lists.items() if name != "tax"}
    blind = Configuration(lists=lists, version=now.version, gaps=(Gap("tax", Reason.FORBIDDEN),))
    steps = fix_plan(case.known, blind, BASE, CATALOGUE, READS, case.healed)
    (step,) = [each for each in steps if each.resource_type == "tax" and each.act is Act.SET]
    assert not step.heals
    assert (step.values[0].now, step.values[0].should) == ("60", "6")


def test_a_step_of_which_the_catalogue_knows_no_place_comes_last_and_says_so():
    raw = swa()
    find(raw, "tax", code="ULF-GRE")["percentage"] = "60"
    old, new = dict(swa()), raw
    old["loyalty_scheme"], new["loyalty_scheme"] = [{"id": "1", "code": "A"}], [{"id": "1", "code": "B"}]
    case = Case(configuration(new), base=configuration(old))
    assert [step.place_is_known for step in case.steps] == [True, False]
