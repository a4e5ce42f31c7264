"""A stand-in for a secret is told from a secret all the way through the engine."""

import pytest

from rules.evaluate import Verdict, evaluate
from rules.facts import Facts
from rules.pack import shipped_packs
from tests.support import CATALOGUE, SECRETS, configuration


@pytest.mark.parametrize(
    ("key", "verdict"),
    [("changeme", Verdict.FAILED), ("TEST", Verdict.FAILED), ("k7-41e7", Verdict.PASSED)],
)
def test_a_stand_in_is_no_key(key: str, verdict: Verdict) -> None:
    whole = configuration({"integration": [{"name": "I", "auth_key": key}]})
    rule = shipped_packs().by_id["integrations.secret-set"]
    result = evaluate([rule], Facts(whole, CATALOGUE, "2026-11-24", SECRETS))[rule.id]
    assert result.verdict is verdict


def test_two_stand_ins_are_not_one_shared_key() -> None:
    whole = configuration({"integration": [{"name": "I", "auth_key": "changeme"}, {"name": "J", "auth_key": "test"}]})
    rule = shipped_packs().by_id["integrations.secrets-not-shared"]
    result = evaluate([rule], Facts(whole, CATALOGUE, "2026-11-24", SECRETS))[rule.id]
    assert result.verdict is Verdict.PASSED
