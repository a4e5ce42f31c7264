"""Two people and a running sweep on one proposal, in every order: one version, its digest, nobody's word lost (P6)."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from threading import Barrier

import pytest

from baselines.approval import Decision, Did, change_key, decisions_of
from baselines.errors import Smart360Error
from monitor.access import on_host
from monitor.approval import approve, comment, decide, propose_baseline, reject, review_of
from monitor.sweep import sweep
from tests.reliability.interleavings import DONE, PEOPLE, TAXES, Run, watching

#: What has to come about in enough runs; else they were not tried against one another.
REFUSED = ("closed", "undecided", "own_proposal", "digest", "decided_meanwhile", "not_decided", "awaited")
SHORT = {"sqlite": 60, "postgresql": 20}


def played(store, folder, numbers) -> Counter:
    """All runs, each checked; prints how they ended."""
    deps, tally = watching(store, folder), Counter()
    for number in numbers:
        run = Run(store, folder, number, deps)
        run.play()
        run.check()
        tally += run.tally
    told = ", ".join(f"{what} {count}" for what, count in sorted(tally.items()))
    print(f"{len(numbers)} interleavings on {store.engine.dialect.name}: {told}")
    return tally


def test_p6_two_people_and_a_sweep_in_any_order_make_one_version_of_what_was_seen(store, tmp_path):
    tally = played(store, tmp_path, range(SHORT[store.engine.dialect.name]))
    assert tally["versions"] == tally["ended approved"] > 0


@pytest.mark.long
def test_p6_a_thousand_interleavings(store, tmp_path):
    tally = played(store, tmp_path, range(1000, 2000))
    assert tally["versions"] == tally["ended approved"] > 500
    assert [code for code in REFUSED if not tally[f"refused {code}"]] == []


# At once: nothing says who comes first, so what was answered is held against what is stored.


def turns(run: Run, who: str, seed: int, begin: Barrier) -> tuple[list[tuple], list[Smart360Error]]:
    """A person who looks and acts, again and again: what he was answered, and what he was refused."""
    rng, actor, deps = Random(seed), on_host(who), run.deps
    answered: list[tuple] = []  #: proposal, did, words, change, decision seen on it
    refused: list[Smart360Error] = []
    begin.wait(60)
    for turn in range(14):
        words = f"{who} says {turn}"
        with run.store.read() as unit:
            newest = unit.baselines.proposals(run.target)[0]
            review = review_of(newest, deps, unit)
        seen = {key: each.act for key, each in review.decisions.items()}
        done = []
        try:
            if newest.state != "open":
                carry = newest.id if newest.id != run.first else 0
                made = propose_baseline(run.target, actor, deps, title=words, carry=carry)
                done = [(made.id, Did.PROPOSED, words, None, 0)] if made.title == words else []
            elif review.undecided or rng.random() < 0.3:
                keys = [change_key(each) for each in review.undecided or review.comparison.changes]
                word = rng.choice((Decision.ACCEPT, Decision.ACCEPT, Decision.REJECT))
                decide(newest, [(key, word, words) for key in keys], actor, deps, seen=seen)
                done = [(newest.id, DONE[word], words, key, seen.get(key, 0)) for key in keys]
            elif rng.random() < 0.15:
                reject(newest, words, actor, deps)
                done = [(newest.id, Did.WITHDRAWN if newest.proposer == who else Did.REJECTED, words, None, 0)]
            elif rng.random() < 0.2:
                comment(newest, words, actor, deps)
                done = [(newest.id, Did.COMMENTED, words, None, 0)]
            else:
                version = approve(newest, review.digest, actor, deps, reason=words).baseline.version
                done = [(newest.id, Did.APPROVED, f"baseline {version}: {words}", None, 0)]
        except Smart360Error as error:
            refused.append(error)
        answered += done
    return answered, refused


def sweeps(run: Run, begin: Barrier) -> None:
    begin.wait(60)
    for number in range(2):
        sweep(run.target, run.deps.clock.at + timedelta(seconds=1 + number), run.deps)


def percentages(configuration) -> dict[str, str]:
    return {code: configuration.named("tax", code).values["percentage"] for code in TAXES}


def test_p6_at_once_every_answer_is_kept_and_nobody_is_overwritten_unseen(store, tmp_path):
    deps, tally = watching(store, tmp_path), Counter()
    for number in range(8):
        run, begin = Run(store, tmp_path, number, deps), Barrier(3)
        with ThreadPoolExecutor(3) as pool:
            people = [pool.submit(turns, run, who, number * 2 + place, begin) for place, who in enumerate(PEOPLE)]
            pool.submit(sweeps, run, begin).result()
            told = [each.result() for each in people]
        answered = {(proposal, did, who, words, change): saw for who, (several, _) in zip(PEOPLE, told, strict=True)
                    for proposal, did, words, change, saw in several}  # fmt: skip
        refused = [error for _, several in told for error in several]
        assert all(each.what.strip() and each.mend.strip() and each.code != "error" for each in refused)
        with store.read() as unit:
            acts = [each for each in unit.baselines.all_acts(run.target) if each.proposal != run.first]
            versions = {each.version: each for each in unit.baselines.history(run.target)}
            contents = {each: unit.baselines.configuration(run.target, each) for each in versions}
            proposals = {each.id: each for each in unit.baselines.proposals(run.target)}
            sources = {each.id: unit.snapshots.by_id(run.target, each.snapshot) for each in proposals.values()}
        kept = {(each.proposal, each.did, each.by, each.words, each.change) for each in acts
                if not each.carried and each.did is not Did.OUTDATED}  # fmt: skip
        assert kept == set(answered)
        last: dict[tuple, tuple[int, str]] = {}
        for each in acts:
            if each.change is not None:
                before = last.get((each.proposal, each.change), (0, each.by))
                saw = answered.get((each.proposal, each.did, each.by, each.words, each.change), 0)
                assert before[1] == each.by or before[0] == saw, "overwritten unseen"
                last[each.proposal, each.change] = each.id, each.by
            elif each.did is Did.APPROVED:
                version = int(each.words.split()[1].rstrip(":"))
                said = decisions_of(one for one in acts if one.proposal == each.proposal and one.id < each.id)
                offered = percentages(sources[each.proposal].configuration)
                accepted = {key[1]: offered[key[1]] for key, one in said.items() if one.decision is Decision.ACCEPT}
                expected = {**percentages(contents[proposals[each.proposal].base_version]), **accepted}
                assert percentages(contents[version]) == expected
                assert versions[version].digest == contents[version].digest
        assert sorted(versions) == list(range(1, len(versions) + 1))
        assert len({each.proposal for each in versions.values()}) == len(versions)
        tally += Counter(each.code for each in refused) + Counter({"versions": len(versions) - 1, "kept": len(kept)})
    print(f"at once on {store.engine.dialect.name}: {dict(sorted(tally.items()))}")
    assert tally["versions"] > 0
