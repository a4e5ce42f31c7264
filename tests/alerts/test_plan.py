"""What is said of a settlement: one message per sweep, its lines by kind of trouble, edited later."""

from datetime import UTC, datetime, timedelta

from alerts.alert import AlertKind, AlertReason
from alerts.plan import Scene, by_kind, key_of, plan_alerts, reopened_goes_back
from alerts.slack.blocks import render
from baselines.compare import compare
from baselines.fields import Op
from baselines.severity import Severity
from rules.findings import Finding, Kind
from rules.judge import judge
from rules.lifecycle import Event, Known, Settlement, State, Step
from rules.pack import shipped_packs
from tests.support import CATALOGUE, SECRETS, configuration, find, swa

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
SCENE = Scene("swa/production", "SWA", "America/Los_Angeles", NOW, 87, 87, 773, 299, 0.9, 1.0, "", False)
KEY = key_of("swa/production", 2)


def finding(rule: str, key: str, severity=Severity.HIGH, kind=Kind.RULE) -> Finding:
    op = Op.CHANGED if kind is Kind.DRIFT else None
    return Finding(kind, rule, severity, "billing", "area", key, "", "t", f"{key} is wrong.", "w", "f", op=op)


def known(number: int, what: Finding, state=State.OPEN, key=KEY, **rest) -> Known:
    return Known(number, f"N{number}", what, state, NOW, NOW, NOW, 1, 1, alert_key=key, **rest)


def planned(steps, after, told=()):
    settlement = Settlement(tuple(steps), ())
    return plan_alerts(settlement, {each.finding.fingerprint: each for each in after}, dict(told), SCENE, key=KEY,
                       now=NOW, catalogue=CATALOGUE)  # fmt: skip


def test_a_sweep_makes_one_message_and_each_kind_of_trouble_stands_before_its_repeats():
    several = [finding("billing.a", f"A{n}", Severity.CRITICAL) for n in range(12)]
    several += [finding("billing.b", "B"), finding("", "C", Severity.CRITICAL, Kind.DRIFT)]
    after = [known(number, each) for number, each in enumerate(several)]
    (only,) = planned([Step(Event.OPENED, each) for each in several], after)
    assert (only.reason, only.story.kind, only.story.revision) == (AlertReason.OPENED, AlertKind.FINDINGS, 1)
    assert [line.key for line in only.story.lines][:3] == ["C", "A0", "B"]
    assert only.story.lines[1].sentence == "A0 is wrong. 11 more like it."
    assert len(only.story.lines) == 14
    shown = str(render(only.story).blocks)
    assert "A1 is wrong" not in shown
    assert "B is wrong" in shown


def test_what_was_seen_before_says_nothing():
    each = finding("billing.a", "A")
    assert planned([Step(Event.SEEN, each, known(1, each))], [known(1, each)]) == ()


def test_a_finding_that_heals_edits_the_message_it_was_told_in():
    each = finding("billing.a", "A")
    old = key_of("swa/production", 1)
    (first,) = plan_alerts(
        Settlement((Step(Event.OPENED, each),), ()), {each.fingerprint: known(1, each, key=old)}, {}, SCENE, key=old,
        now=NOW, catalogue=CATALOGUE,
    )  # fmt: skip
    healed = known(1, each, State.RESOLVED, old, resolution="healed")
    step = Step(Event.RESOLVED, each, known(1, each, key=old), "healed")
    (edit,) = planned([step], [healed], {old: (first.story, [healed])}.items())
    assert (edit.story.key, edit.story.revision, edit.reason) == (old, 2, AlertReason.RESOLVED)
    assert [line.state for line in edit.story.lines] == ["resolved"]


def test_a_reopened_finding_goes_back_within_a_day_only():
    each = known(1, finding("billing.a", "A"), State.RESOLVED)
    assert reopened_goes_back(each, NOW + timedelta(hours=24))
    assert not reopened_goes_back(each, NOW + timedelta(hours=24, seconds=1))


def test_the_first_reading_of_a_target_is_one_summary():
    raw = swa()
    raw["service_plan"] = []
    find(raw, "tax", code="ULF-GRE")["percentage"] = "60"
    configured = configuration(raw)
    judgement = judge(configured, compare(None, configured, CATALOGUE), shipped_packs(), CATALOGUE, at=NOW,
                      secrets=SECRETS)  # fmt: skip
    several = [known(number, each) for number, each in enumerate(judgement.findings)]
    from dataclasses import replace

    (only,) = plan_alerts(
        Settlement(tuple(Step(Event.OPENED, each.finding) for each in several), ()),
        {each.finding.fingerprint: each for each in several}, {}, replace(SCENE, first_reading=True), key=KEY,
        now=NOW, catalogue=CATALOGUE,
    )  # fmt: skip
    assert only.story.kind is AlertKind.SUMMARY
    assert len(only.story.lines) == len(judgement.findings)
    assert len(by_kind(several)) < len(several)
