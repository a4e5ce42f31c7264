"""What findings mean in money: the incidents of SWA with figures worked out by hand, and what is never guessed."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from baselines.compare import compare
from baselines.configuration import ConfigObject, Configuration, ObjectList
from monitor.demo import incidents
from monitor.store.values import from_json, to_json
from rules.findings import Finding, Kind
from rules.judge import judge
from rules.money import Money
from rules.pack import Packs, shipped_packs
from rules.profiles import profiles_of, shipped_profiles
from tests.stories.test_check import applied
from tests.support import CATALOGUE, SECRETS, configuration, find, swa

NOON = datetime(2026, 11, 24, 20, tzinfo=UTC)
FREQUENCY = "it is not known whether charges and slabs of a plan hold by month or by bill"
COUNTS = {"Residential": 45_912, "Commercial": 3_900}
PACKS, NO_RULES = shipped_packs(), Packs(())
INCIDENTS = {each.name: each.changes for each in incidents()}


def judged(raw, base=None, *, consumers=COUNTS, profiles=(), packs=NO_RULES):
    old, new = configuration(base if base is not None else swa()), configuration(raw)
    return judge(
        new, compare(old, new, CATALOGUE), packs, CATALOGUE, at=NOON, secrets=SECRETS, base=old, consumers=consumers,
        profiles=profiles,
    )  # fmt: skip


def drift(judgement) -> list[Money | None]:
    return [each.money for each in judgement.findings if each.kind is Kind.DRIFT]


def edited(resource_type, key, **values):
    raw = swa()
    find(raw, resource_type, **key).update(values)
    return raw


def renamed(value, old, new):
    """Raw objects in which every text begins with another name."""
    if isinstance(value, dict):
        return {name: renamed(each, old, new) for name, each in value.items()}
    if isinstance(value, list):
        return [renamed(each, old, new) for each in value]
    return new + value[len(old) :] if isinstance(value, str) and value.startswith(old) else value


# The bills: test_bills.py. Totals: the difference × 45,912 Residential or 3,900 Commercial consumers.
TABLE = {
    "friday-variable-plan-deactivated": (
        "Typical Commercial bill (40 kgal, Portland), $754.16 a month, can no longer be made: variable plan COM-VAR is "
        "switched off; about −$2.9 million a month in all; next bill run BC-01 on 3 December 2026",
        "-2941224",  # 754.16 × 3,900
    ),
    "slab-boundaries-overlap": (  # 8 to 10 kgal twice: 4 × 7.20 instead of 2 × 7.20, with 5 % 14.40 + 0.72
        "Large Residential bill (12 kgal, Portland) $236.72 → $251.84 a month (+$15.12); next bill run BC-01 on "
        "3 December 2026",
        None,
    ),
    "misplaced-decimal-point": (  # 4 × 41.00 = 164.00 instead of 16.40: net 293.35, fee 14.67
        "Typical Residential bill (7 kgal, Portland) $153.04 → $308.02 a month (+$154.98); about +$7.1 million a month "
        "in all; next bill run BC-01 on 3 December 2026",
        "7115441.76",  # 154.98 × 45,912
    ),
    "silent-rate-rise": (  # 15 × 5.93 = 88.95 instead of 88.50: net 718.70, fee 35.935, half up 35.94
        "Typical Commercial bill (40 kgal, Portland) $754.16 → $754.64 a month (+$0.48); about +$1,870 a month in all; "
        "next bill run BC-01 on 3 December 2026",
        "1872",  # 0.48 × 3,900
    ),
    "area-lost-from-bill-cycle": (  # 145.75 + 3 % = 150.12
        "Typical Residential bill (7 kgal, Lake Oswego), $150.12 a month, can no longer be made: no bill cycle has "
        "Residential consumers of A-LAK-S; next bill run BC-06 on 23 December 2026",
        None,
    ),
    "license-fee-sixty-percent": (  # 145.75 × 6 % = 8.745, half up 8.75; × 60 % = 87.45
        "Typical Residential bill (7 kgal, Gresham) $154.50 → $233.20 a month (+$78.70); next bill run BC-03 on "
        "11 December 2026",
        None,
    ),
    "bill-run-paused": (
        "Typical Residential bill (7 kgal, Gresham), $154.50 a month, can no longer be made: bill cycle BC-03 is not "
        "scheduled to run; next bill run BC-03 on 11 December 2026",
        None,
    ),
    "gap-before-next-years-rate": (  # without 68.95 of wastewater: net 76.80, fee 3.84
        "Typical Residential bill (7 kgal, Portland) $153.04 → $80.64 a month (−$72.40), from 1 June 2027; about "
        "−$3.3 million a month in all; next bill run BC-01 on 3 June 2027",
        "-3324028.8",  # 72.40 × 45,912
    ),
    "commercial-dropped-from-a-bill-cycle": (  # 718.25 + 3 % = 739.80
        "Typical Commercial bill (40 kgal, Lake Oswego), $739.80 a month, can no longer be made: no bill cycle has "
        "Commercial consumers of A-LAK-N; next bill run BC-06 on 23 December 2026",
        None,
    ),
}


@pytest.mark.parametrize("name", INCIDENTS)
def test_each_incident_means_what_was_worked_out_by_hand(name):
    told = [each for each in drift(judged(applied(swa(), INCIDENTS[name]))) if each is not None]
    if name not in TABLE:
        assert told == []
        return
    (money,) = told
    line, monthly = TABLE[name]
    assert (str(money), money.monthly and Decimal(money.monthly)) == (line, monthly and Decimal(monthly))
    assert bool(money.note) == (monthly is None)


def test_a_rule_finding_tells_what_changed_of_what_it_judged():
    found = judged(applied(swa(), INCIDENTS["friday-variable-plan-deactivated"]), packs=PACKS).findings
    (rule,) = [each for each in found if each.rule == "billing.category-has-fixed-and-variable-plan"]
    assert str(rule.money) == TABLE["friday-variable-plan-deactivated"][0]


def test_what_changed_beside_the_values_judged_is_no_part_of_a_rule_finding():
    both = applied(applied(swa(), INCIDENTS["friday-variable-plan-deactivated"]), INCIDENTS["misplaced-decimal-point"])
    found = [each for each in judged(both, packs=PACKS).findings if each.rule == "billing.every-area-has-plans"]
    assert len(found) == 12
    assert all("Commercial bill" in str(each.money) and "Residential" not in str(each.money) for each in found)


def test_without_a_baseline_a_rule_finding_tells_the_bill_that_results_or_that_there_is_none():
    configured = configuration(applied(swa(), INCIDENTS["misplaced-decimal-point"]))
    nothing = compare(None, configured, CATALOGUE)
    (rises,) = judge(configured, nothing, PACKS, CATALOGUE, at=NOON, secrets=SECRETS).findings
    assert str(rises.money) == "Typical Residential bill (7 kgal, Portland) comes to $308.02 a month"
    off = configuration(applied(swa(), INCIDENTS["friday-variable-plan-deactivated"]))
    found = judge(off, compare(None, off, CATALOGUE), PACKS, CATALOGUE, at=NOON, secrets=SECRETS).findings
    (rule,) = [each for each in found if each.rule == "billing.category-has-fixed-and-variable-plan"]
    want = "Typical Commercial bill (40 kgal, Portland) cannot be made: variable plan COM-VAR is switched off"
    assert str(rule.money) == want
    assert rule.money.note == "no baseline to compare with"


def test_several_changes_are_told_each_alone_and_all_together():
    raw = edited("service_plan", {"code": "RES-VAR"}, base_charge="21.75")  # + 2.00, with 5 % + 2.10
    find(raw, "rate", code="WW-RES-BASE")["amount"] = "25.60"  # + 1.00, with 5 % + 1.05
    judgement = judged(raw)
    assert sorted(str(each.bills[0].difference) for each in drift(judgement)) == ["1.05", "2.10"]
    assert str(judgement.money.bills[0].difference) == "3.15"
    assert judgement.money.monthly == "144622.80"  # 3.15 × 45,912


def test_a_change_back_and_forth_or_of_a_name_means_nothing():
    judgement = judged(edited("service_plan", {"code": "RES-VAR"}, name="Homes", approval_reference="2026-15"))
    assert drift(judgement) == [None, None]
    assert judgement.money is None


# 21 kgal: slabs 16.40 + 32.10 + 72.00 + 9.60, net 381.30, fee 19.065, half up 19.07; with 96.00: net 467.70, fee 23.39.
def test_a_slab_that_no_typical_bill_reaches_is_told_by_one_that_does():
    raw = swa()
    find(raw, "service_plan", code="RES-VAR")["rates"][3]["rate"] = "96.0"
    (money,) = drift(judged(raw))
    assert str(money).startswith("Larger Residential bill (21 kgal, Portland) $400.37 → $491.09 a month (+$90.72)")
    assert (money.monthly, money.note) == (None, "how many use as much is not known")


@pytest.mark.parametrize(("raw", "line", "note"), [
    pytest.param(edited("service_plan", {"code": "RES-FIX"}, base_charge="60.40"),
                 "Typical Residential bill (fixed, Portland) $87.15 → $89.25 a month (+$2.10)",
                 "how many consumers are on which plan is not known", id="the fixed plan"),
    pytest.param(edited("additional_charge", {"code": "LATE-RES"}, amount="75"),
                 "Typical Residential bill (7 kgal, Portland) $160.54 → $228.04 each time LATE-RES is charged "
                 "(+$67.50)",
                 "how often it is charged is not known", id="a charge"),
    pytest.param(edited("bill_frequency", {"code": "MONTHLY"}, months=2),
                 f"Effect on bills not computed: {FREQUENCY}", FREQUENCY, id="frequency"),
    pytest.param(edited("service_plan", {"code": "RES-VAR"}, unit="gal"),
                 "Effect on bills not computed: The plan is priced per gal, but meters count kgal.",
                 "The plan is priced per gal, but meters count kgal.", id="another unit"),
    pytest.param(edited("rate", {"code": "WW-RES-VOL", "amount": "10.24"}, amount="12.24"),  # 7 × 2.00 and 5 %
                 "Typical Residential bill (7 kgal, Portland) $155.90 → $170.60 a month (+$14.70), from 1 July 2027",
                 "",
                 id="next year's rate"),
])  # fmt: skip
def test_what_is_not_known_is_said_in_a_sentence(raw, line, note):
    (money,) = drift(judged(raw))
    assert str(money).split("; ")[0] == line
    assert money.note == note
    assert (money.monthly is None) == bool(note)


def test_a_plan_nobody_can_work_out_says_so_when_it_changes():
    base = edited("service_plan", {"code": "RES-VAR"}, unit="gal")
    raw = edited("service_plan", {"code": "RES-VAR"}, unit="gal", base_charge="25", name="Homes")
    told = [each and str(each) for each in drift(judged(raw, base))]
    assert told == ["Effect on bills not computed: The plan is priced per gal, but meters count kgal.", None]


def test_without_counts_there_is_no_total_and_the_reason_stands_beside():
    (money,) = drift(judged(applied(swa(), INCIDENTS["misplaced-decimal-point"]), consumers={}))
    assert money.monthly is None
    assert money.note == "no count of Residential consumers is given (consumers in the tenant file)"


def test_a_category_without_profile_gets_no_figure():
    raw, changed = (renamed(swa(), "Commercial", "Irrigation") for _ in range(2))
    find(changed, "service_plan", code="COM-VAR")["base_charge"] = "50"
    (money,) = drift(judged(changed, raw))
    assert str(money) == "Effect on bills not computed: no consumption profile for Irrigation"


def test_a_renamed_plan_is_still_the_plan_of_its_consumers():
    base, raw = swa(), swa()
    find(base, "service_plan", code="RES-VAR")["id"] = "p-1"
    find(raw, "service_plan", code="RES-VAR").update(id="p-1", code="RES-METERED")
    assert drift(judged(raw, base)) == [None]


def test_a_tenants_profile_comes_before_the_shipped_one():
    rows = [{"category": "Residential", "service": "water", "sizes": {"kgal": ["2", "4", "8"]}, "source": "our bills"}]
    raw = applied(swa(), INCIDENTS["misplaced-decimal-point"])
    (money,) = drift(judged(raw, profiles=profiles_of(rows)))
    assert [each.usage for each in money.bills] == ["4 kgal", "2 kgal", "8 kgal"]


def test_every_shipped_profile_says_where_it_is_from_and_grows_from_small_to_large():
    for each in shipped_profiles():
        assert len(each.source) > 20
        for sizes in each.sizes.values():
            assert list(map(Decimal, sizes)) == sorted(map(Decimal, sizes))


def test_money_is_no_part_of_what_a_finding_is_and_is_kept_with_it():
    (with_counts,) = [
        each for each in judged(applied(swa(), INCIDENTS["silent-rate-rise"])).findings if each.kind is Kind.DRIFT
    ]
    assert with_counts.money is not None
    bare = replace(with_counts, money=None)
    assert (bare.fingerprint, bare.evidence_digest) == (with_counts.fingerprint, with_counts.evidence_digest)
    assert from_json(to_json(with_counts), Finding) == with_counts


def test_a_value_kept_as_it_came_is_said_and_ends_nothing():
    whole = configuration(swa())
    odd = [
        ConfigObject(each.key, each.body.replace(b'"base_charge":"19.75"', b'"base_charge":"19,75"'), each.id)
        for each in whole.objects("service_plan")
    ]
    lists = {**whole.lists, "service_plan": ObjectList.of("service_plan", odd, whole.version)}
    now = Configuration(lists=lists, version=whole.version)
    found = judge(now, compare(whole, now, CATALOGUE), NO_RULES, CATALOGUE, at=NOON, secrets=SECRETS, base=whole)
    assert [str(each) for each in drift(found)] == ["Effect on bills not computed: 19,75 is no number."]


@pytest.mark.parametrize(("incident", "told"), [
    pytest.param("misplaced-decimal-point",
                 "About +$7.1 million a month in all; next bill run BC-01 on 3 December 2026.", id="a total"),
    pytest.param("license-fee-sixty-percent",
                 "Typical Residential bill +$78.70 a month; next bill run BC-03 on 11 December 2026.", id="one bill"),
    pytest.param("bill-run-paused",
                 "Typical Residential bill cannot be made; next bill run BC-03 on 11 December 2026.", id="no bill"),
])  # fmt: skip
def test_a_message_begins_with_the_total_else_with_one_bill(incident, told):
    (money,) = [each for each in drift(judged(applied(swa(), INCIDENTS[incident]))) if each is not None]
    assert money.headline == told
