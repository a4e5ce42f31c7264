"""In which order things were set up: by when they were created, else by when they were first read."""

from datetime import UTC, datetime, timedelta

import pytest

from baselines.compare import compare
from rules.facts import Appearance
from rules.judge import judge
from rules.pack import shipped_packs
from tests.support import CATALOGUE, SECRETS, configuration, swa

MONDAY = datetime(2026, 11, 23, 20, tzinfo=UTC)
PACKS = shipped_packs()
LATE = "organization.set-up-after-what-it-rests-on"
MISSING = "organization.set-up-in-sequence"


def made(modes="", gateway="", **fields):
    """SWA with payment modes and a gateway created then; "" does not say, None takes the modes away."""
    raw = swa()
    if modes is None:
        raw["payment_mode"] = []
    for each in raw["payment_mode"] if modes else ():
        each["created_at"] = modes
    raw["payment_gateway"][0].update(fields, **({"created_at": gateway} if gateway else {}))
    return configuration(raw)


def found(now, history, rule=LATE, stage="onboarding", kept=None):
    judgement = judge(now, compare(None, now, CATALOGUE), PACKS, CATALOGUE, at=MONDAY, secrets=SECRETS, stage=stage,
                      history=history, kept=kept)  # fmt: skip
    return [each for each in judgement.findings if each.rule == rule and each.resource_type == "payment_gateway"]


def first_seen(then, before):
    return {"payment_mode": Appearance(MONDAY, then, before),
            "payment_gateway": Appearance(MONDAY - timedelta(days=1), then, None)}  # fmt: skip


@pytest.mark.parametrize(
    ("now", "history", "is_found"),
    [
        pytest.param(made(), first_seen(made(), made(modes=None)), True, id="read before there was any mode"),
        pytest.param(made(merchant_id="x"), first_seen(made(), made(modes=None)), False, id="changed since"),
        pytest.param(made(), first_seen(made(), None), False, id="both were there at the first reading"),
        pytest.param(made(), {}, False, id="nobody knows"),
        pytest.param(made("2026-07-02", "2026-07-01"), {}, True, id="created before the first mode"),
        pytest.param(made("2026-07-01", "2026-07-02"), {}, False, id="created after it"),
        pytest.param(made("2026-07-02", "2026-07-01"), first_seen(made("2026-06-01"), None), False,
                     id="modes were replaced since, the first were there before"),
        pytest.param(made("not a date", "2026-07-01"), {}, False, id="a moment that is none"),
    ],
)  # fmt: skip
def test_what_came_before_what_it_rests_on_is_found_until_it_is_changed(now, history, is_found):
    assert bool(found(now, history)) is is_found
    assert found(now, history, stage="live") == []


def test_evidence_says_when_each_appeared_and_that_one_never_did():
    (late,) = found(made(), first_seen(made(), made(modes=None)))
    assert [(e.resource_type, e.path, e.value) for e in late.evidence] == [
        ("payment_gateway", "first_read", "2026-11-22T20:00:00Z"),
        ("payment_mode", "first_read", "2026-11-23T20:00:00Z"),
    ]
    (missing,) = found(made(None, "2026-07-01"), {}, rule=MISSING)
    assert [(e.resource_type, e.path, e.value) for e in missing.evidence] == [
        ("payment_gateway", "created_at", "2026-07-01T00:00:00Z"), ("payment_mode", "first_read", None),
    ]  # fmt: skip
    assert (late.rule_kind, missing.rule_kind) == ("sequence", "sequence")


def test_a_result_that_rests_on_history_is_not_kept_while_a_tenant_is_set_up():
    now = made("2026-07-01", "2026-07-02")
    kept = judge(now, compare(None, now, CATALOGUE), PACKS, CATALOGUE, at=MONDAY, secrets=SECRETS, stage="onboarding",
                 history={}).results  # fmt: skip
    later = made("2026-07-03", "2026-07-02")  # the same values, created anew
    assert later.digest == now.digest
    assert len(found(later, {}, kept=kept)) == 1


def test_every_regulatory_finding_says_whether_it_rests_on_verified_law_or_on_an_assumption():
    (pack,) = [each for each in PACKS.packs if each.name == "us-epa-oregon"]
    wrong = [rule.id for rule in pack.rules if not rule.basis.startswith(("verified: ", "assumption: "))]
    assert wrong == []
