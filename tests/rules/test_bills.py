"""Bills against published rates worked out by hand, and what holds of every bill."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines import document
from baselines.reader import raw_value
from rules.bills import Bill, Tariff, Unbilled, Usage
from tests.support import configuration, find, shipped, swa

PUBLISHED = sorted((Path(__file__).parent / "bills").glob("*.yaml"))
DAY = "2026-11-24"


def published(path: Path) -> dict[str, Any]:
    tree = document.read_document(path.read_bytes(), path.name)
    assert isinstance(tree, document.Mapping)
    return {name: raw_value(node) for name, node in tree.items.items()}


CASES = [
    pytest.param(path, bill, id=f"{path.stem}: {bill['name']}")
    for path in PUBLISHED
    for bill in published(path)["bills"]
]


def bill_of(raw, plan, area="A-PDX-DT", use="7", shares=(), day=DAY, charges=()) -> Bill | Unbilled:
    usage = Usage(Decimal(str(use)), {name: Decimal(str(share)) for name, share in dict(shares).items()})
    return Tariff(configuration(raw), {}).bill(plan, area, usage, day, tuple(charges))


@pytest.mark.parametrize(("path", "want"), CASES)
def test_a_bill_is_what_the_published_rates_make_it_by_hand(path, want):
    found = bill_of(
        published(path)["configuration"], want["plan"], want["area"], want["use"], want.get("shares", {}),
        str(want["day"]),
    )  # fmt: skip
    assert isinstance(found, Bill), found
    assert [f"{line.amount:f}" for line in found.lines] == [str(each) for each in want["lines"]]
    assert f"{found.total:f}" == str(want["total"])
    assert f"{found.monthly:f}" == str(want.get("monthly", found.monthly))


def test_every_published_rate_says_whose_it_is_and_from_when():
    kinds = {published(path)["kind"] for path in PUBLISHED}
    assert {"flat and fixed", "seasonal", "flat, and time-based", "seasonal and time-based"} <= kinds
    for path in PUBLISHED:
        assert path.read_text(encoding="utf-8").startswith("# Whose, from when: "), path.name


@pytest.mark.parametrize(("plan", "area", "use", "total"), [
    # Bases 19.75 + 24.60; slabs 4 × 4.10, then × 5.35 to 10, then × 7.20; wastewater × 9.85; Portland 5 %.
    pytest.param("RES-VAR", "A-PDX-DT", "3", "90.51", id="12.30 + 29.55, and 5 % of 86.20"),
    pytest.param("RES-VAR", "A-PDX-DT", "7", "153.04", id="16.40 + 16.05 + 68.95, and 5 % of 145.75"),
    pytest.param("RES-VAR", "A-PDX-DT", "12", "236.72", id="16.40 + 32.10 + 14.40 + 118.20, and 5 % of 225.45"),
    pytest.param("RES-VAR", "A-MIL-C", "7", "157.41", id="Milwaukie takes 8 % of 145.75"),
    pytest.param("COM-VAR", "A-PDX-DT", "40", "754.16", id="46.20 + 126.25 + 88.50 + 41.30 + 416.00, and 5 %"),
    pytest.param("RES-FIX", "A-GRE-C", "7", "87.98", id="58.40 + 24.60, and 6 %: consumption does not count"),
])  # fmt: skip
def test_bills_of_swa_are_those_worked_out_by_hand(plan, area, use, total):
    assert f"{bill_of(swa(), plan, area, use).total:f}" == total


@pytest.mark.parametrize(("plan", "day", "total"), [
    # Energy 893 × 0.0412 = 36.79; off peak 491.15 × 0.0620 = 30.45; taxes 5.6, 0.25 and Globe's 2 %.
    pytest.param("RES-TOU", "2026-10-31", "156.06", id="summer: 18 and 401.85 × 0.1480 = 59.47, taxes 11.35"),
    pytest.param("RES-TOU", "2026-11-01", "145.67", id="winter: 18 and 401.85 × 0.1240 = 49.83, taxes 10.60"),
    pytest.param("RES-SEASON", "2026-11-24", "133.57", id="16.50, 36.79 and 893 × 0.0790 = 70.55, taxes 9.73"),
])  # fmt: skip
def test_bills_of_cbe_by_season_and_hour_are_those_worked_out_by_hand(plan, day, total):
    shares = {"on_peak": "0.45", "off_peak": "0.55"}
    assert f"{bill_of(shipped('cbe'), plan, 'A-GLB-1', '893', shares, day).total:f}" == total


@pytest.mark.parametrize(("charges", "lines"), [
    pytest.param(["LATE-RES"], ["7.50"], id="an amount"),
    pytest.param(["ASSIST50"], ["-60.00"], id="half of 153.04 is 76.52, capped at 60"),
    pytest.param(["PAPERLESS26"], ["-5.00"], id="an offer is a credit"),
    pytest.param(["LATE-COM", "AUTOPAY26"], [], id="charges and offers of another category"),
])  # fmt: skip
def test_charges_and_credits_follow_the_taxes(charges, lines):
    found = bill_of(swa(), "RES-VAR", charges=charges)
    assert [f"{line.amount:f}" for line in found.lines[6:]] == lines
    assert found.total == Decimal("153.04") + sum(map(Decimal, lines))


def test_what_is_included_is_not_priced_again():
    raw = swa()
    find(raw, "service_plan", code="RES-VAR")["included_volume"] = "5"
    assert [str(line) for line in bill_of(raw, "RES-VAR").lines][:2] == [
        "RES-VAR base charge: 1 bill × 19.75 = 19.75",
        "RES-VAR 5 to 10: 2 kgal × 5.35 = 10.70",
    ]


def _unit(raw):
    find(raw, "service_plan", code="RES-VAR")["unit"] = "gal"


def _no_tax(raw):
    raw["tax"].remove(find(raw, "tax", code="ULF-PDX"))


def _off(raw):
    find(raw, "service_plan", code="RES-VAR")["is_active"] = False


def _hours(raw):
    find(raw, "service_plan", code="RES-VAR").update(rate_type="time_based", extra_rates=["T1/2026-07-01"])
    raw["rate"].append({"code": "T1", "name": "T1", "service": "WATER", "category": "Residential", "is_fixed": False,
                        "unit": "kgal", "amount": "1", "effective_from": "2026-07-01"})  # fmt: skip


def _period(raw):
    _hours(raw)
    raw["rate"][-1]["time_of_use"] = "mid_peak"


@pytest.mark.parametrize(("edit", "reason", "is_known"), [
    pytest.param(_unit, "The plan is priced per gal, but meters count kgal.", False, id="another unit"),
    pytest.param(_no_tax, "There is no tax ULF-PDX.", False, id="a tax that does not exist"),
    pytest.param(_off, "variable plan RES-VAR is switched off", True, id="a plan switched off makes no bill"),
    pytest.param(_hours, "When T1/2026-07-01 hold is not said: no dates, no time of use.", False, id="no time of use"),
    pytest.param(_period, "What part of the consumption is mid peak is not known.", False, id="no share of it"),
])  # fmt: skip
def test_what_cannot_be_worked_out_says_why_instead_of_a_number(edit, reason, is_known):
    raw = swa()
    edit(raw)
    assert bill_of(raw, "RES-VAR") == Unbilled(reason, is_known)


def test_a_list_that_was_not_read_makes_no_bill():
    from baselines.configuration import Configuration
    from baselines.coverage import Gap, Reason

    whole = configuration(swa())
    lists = {name: each for name, each in whole.lists.items() if name != "tax"}
    partly = Configuration(lists=lists, version=whole.version, gaps=(Gap("tax", Reason.FORBIDDEN),))
    found = Tariff(partly, {}).bill("RES-VAR", "A-PDX-DT", Usage(Decimal(7), {}), DAY)
    assert found == Unbilled("The list tax was not read.", is_known=False)


amounts = st.decimals(min_value=0, max_value=10_000, places=4)
few = settings(max_examples=40)


def bill_by(rates, use, base_charge="24.42") -> Bill:
    """A bill of Canby's plan with other slabs."""
    raw = published(PUBLISHED[0].with_name("canby-water.yaml"))["configuration"]
    find(raw, "service_plan", code="W24").update(rates=rates, base_charge=base_charge)
    found = bill_of(raw, "W24", "CANBY", use)
    assert isinstance(found, Bill), found
    return found


@few
@given(st.lists(amounts, min_size=1, max_size=4), amounts, amounts)
def test_who_uses_more_never_pays_less(rates, some, more):
    slabs = [{"above": f"{5 * n}", "up_to": f"{5 * n + 5}", "rate": str(rate)} for n, rate in enumerate(rates)]
    del slabs[-1]["up_to"]
    assert bill_by(slabs, some).total <= bill_by(slabs, some + more).total


@few
@given(amounts, st.integers(1, 60), st.integers(0, 100))
def test_a_slab_split_in_two_at_the_same_rate_makes_the_same_bill_but_for_rounding(rate, bound, use):
    whole = bill_by([{"above": "0", "rate": str(rate)}], use)
    split = [{"above": "0", "up_to": str(bound), "rate": str(rate)}, {"above": str(bound), "rate": str(rate)}]
    is_in_cents = rate == rate.quantize(Decimal("0.01"))
    assert abs(bill_by(split, use).total - whole.total) <= (0 if is_in_cents else Decimal("0.01"))


@few
@given(st.integers(0, 10**28), st.integers(0, 10**28))
def test_a_total_is_exactly_the_sum_of_its_lines_however_long(rate, charge):
    found = bill_by([{"above": "0", "rate": f"{rate}.005"}], "1", f"{charge}.01")
    assert found.total == Fraction(charge * 100 + 1 + rate * 100 + 1, 100)  # half a cent is rounded up
