"""What nobody guards: each mutation of SWA is seen by a rule, by drift alone, or by nobody."""

import random
from collections import Counter, defaultdict
from datetime import UTC, datetime

import pytest

from baselines.compare import compare
from rules.evaluate import evaluate
from rules.judge import judge
from rules.mutations import Mutation, MutationKind, mutated, mutations
from rules.pack import shipped_packs
from rules.unguarded import Guard, Seen
from tests.support import CATALOGUE, SECRETS, configuration, swa

SWA = configuration(swa())
AT = datetime(2026, 11, 24, 6, tzinfo=UTC)
PACKS = shipped_packs()
ALL = list(mutations(SWA, CATALOGUE, SECRETS))
GUARD = Guard(SWA, PACKS, CATALOGUE, at=AT, secrets=SECRETS)
#: Short runs look at one mutation in so many; a prime, so that every type, field and kind comes up.
SAMPLE = 67


def judged_whole(each: Mutation) -> set[str]:
    """Rules that see a mutation, by two whole judgements: the slow way."""
    nothing = compare(None, SWA, CATALOGUE)
    before, after = (
        judge(side, nothing, PACKS, CATALOGUE, at=AT, secrets=SECRETS).findings
        for side in (SWA, mutated(SWA, [each], CATALOGUE))
    )
    known = {(one.fingerprint, one.evidence_digest) for one in before}
    return {one.rule for one in after if (one.fingerprint, one.evidence_digest) not in known}


def compare_both_ways(some: list[Mutation]) -> None:
    for sight in GUARD.sights(some):
        told = sight.rules if sight.seen is Seen.RULE else ()
        assert set(told) == judged_whole(sight.mutation), sight


def test_judging_what_a_mutation_can_reach_finds_what_a_whole_judgement_finds() -> None:
    """The quick way leaves nothing out and invents nothing."""
    compare_both_ways(ALL[::977])


@pytest.mark.long
def test_judging_what_a_mutation_can_reach_finds_what_a_whole_judgement_finds_often() -> None:
    """The same over many more."""
    compare_both_ways(ALL[::17])


@pytest.mark.parametrize("seed", range(4))
def test_no_rule_sees_what_another_bound(seed: int) -> None:
    """The engine mixed up names bound side by side: answers changed with the order of the rules."""
    in_order = evaluate(PACKS.rules, GUARD.facts)
    mixed = list(PACKS.rules)
    random.Random(seed).shuffle(mixed)
    assert evaluate(mixed, GUARD.facts) == in_order


def hold_the_share(some: list[Mutation]) -> None:
    """Print who sees what, and hold rules to their share."""
    counted: dict[str, Counter[Seen]] = defaultdict(Counter)
    for sight in GUARD.sights(some):
        assert sight.seen is not Seen.NOBODY, sight
        word = "must be seen" if sight.mutation.must_be_seen else "drift's work"
        counted[f"{word}: {sight.mutation.kind}"][sight.seen] += 1
        if sight.mutation.must_be_seen:
            counted[f"all that must be seen: {sight.mutation.severity}"][sight.seen] += 1
            counted["all that must be seen"][sight.seen] += 1
    for name, by in sorted(counted.items()):
        total = by.total()
        shown = f"{by[Seen.RULE] / total:7.1%} by a rule  {by[Seen.DRIFT]:5} by drift alone"
        print(f"{name:40} {total:6} mutations  {shown}  {by[Seen.UNDECIDED]:3} undecided")
    must = counted["all that must be seen"]
    assert must[Seen.RULE] >= 0.95 * must.total()


def test_rules_see_95_percent_of_what_no_utility_can_mean() -> None:
    """Blank, removed, dangling, duplicated and out-of-range values of fields that matter (issue 4.6)."""
    hold_the_share(ALL[::SAMPLE])


@pytest.mark.long
def test_rules_see_95_percent_of_all_that_no_utility_can_mean() -> None:
    """Every mutation of SWA."""
    hold_the_share(ALL)


def test_a_plausible_rate_is_seen_by_drift_alone() -> None:
    """4.10 → 4.85 breaks no rule; only the approved state tells that it is wrong."""
    (rate,) = [
        each for each in ALL
        if (each.key, each.path, each.kind) == ("RES-VAR", "rates[up_to=10].rate", MutationKind.PLAUSIBLE)
    ]  # fmt: skip
    (sight,) = GUARD.sights([rate])
    assert (sight.seen, sight.rules) == (Seen.DRIFT, ())
