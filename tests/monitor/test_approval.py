"""From a snapshot to a baseline: every gate, four eyes, what is accepted and what stays drift."""

import pytest

from baselines.approval import Decision, ProposalState, change_key
from baselines.errors import ApprovalRefused
from monitor.access import on_host
from monitor.approval import approve, decide, impact_of, propose_baseline, reject, review_of
from monitor.care import acknowledge, mark_finding
from monitor.delivery import deliver_waiting
from monitor.sweep import sweep
from rules.precision import Mark
from tests.reliability.service import Watched, open_findings, watched


@pytest.fixture
def made(tmp_path, sandbox, slack) -> Watched:
    """SWA with an approved baseline, and two things changed since: a rate, and the due days."""
    found = watched(tmp_path, f"sqlite:///{tmp_path / 'monitor.db'}", sandbox, slack)
    found.happens("silent-rate-rise")
    found.happens("due-days-zero")
    sweep(found.target(), found.deps.clock.now(), found.deps)
    yield found
    found.store.close()


def proposed(made: Watched):
    proposal = propose_baseline(made.target(), on_host("olga"), made.deps)
    with made.store.read() as unit:
        return proposal, review_of(proposal, made.deps, unit)


def decided(made: Watched, proposal, review, **words):
    """Decide each change by its type."""
    return decide(
        proposal, [(change_key(each), Decision(words[each.resource_type]), "") for each in review.comparison.changes],
        on_host("olga"), made.deps,
    )  # fmt: skip


def refused(made: Watched, *given) -> str:
    *which, name = given
    with pytest.raises(ApprovalRefused) as told:
        approve(*which, on_host(name), made.deps)
    return told.value.code


def test_accepted_changes_are_in_the_next_baseline_and_rejected_ones_stay_drift(made):
    proposal, review = proposed(made)
    review = decided(made, proposal, review, service_plan="accept", collection_policy="reject")
    done = approve(proposal, review.digest, on_host("nisha"), made.deps)
    assert (done.baseline.version, done.baseline.accepted, done.baseline.rejected, done.resolved) == (2, 1, 1, 1)
    (drift,) = [each for each in open_findings(made) if each.finding.kind == "drift"]
    assert (drift.finding.resource_type, drift.finding.old) == ("collection_policy", 21)
    report = sweep(made.target(), made.deps.clock.now(), made.deps)
    assert (report.drift, report.opened) == (1, 0)


def test_a_review_says_what_its_changes_mean_in_money(made):
    made.happens("misplaced-decimal-point")
    sweep(made.target(), made.deps.clock.now(), made.deps)
    _, review = proposed(made)
    with made.store.read() as unit:
        impact = impact_of(review, made.target(), made.deps, unit)
    told = {each.key: str(impact.of(each)) for each in review.comparison.changes if impact.of(each)}
    assert told["RES-VAR"].startswith("Typical Residential bill (7 kgal, Portland) $153.04 → $308.02 a month")
    assert told.keys() == {"RES-VAR", "COM-VAR"}  # due days make no bill another
    assert {each.plan for each in impact.together().bills} == {"RES-VAR", "COM-VAR"}


def test_an_accepted_change_is_told_in_its_message_as_accepted_never_as_healed(made):
    deliver_waiting(made.deps)
    proposal, review = proposed(made)
    review = decided(made, proposal, review, service_plan="accept", collection_policy="reject")
    approve(proposal, review.digest, on_host("nisha"), made.deps)
    deliver_waiting(made.deps)
    (message,) = made.messages()
    assert "accepted in baseline 2 by nisha" in str(message["blocks"])
    assert "healed" not in str(message["blocks"])


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        (lambda _made, p, r: (p, r.digest, "nisha"), "undecided"),
        (lambda made, p, r: (p, decided(made, p, r, service_plan="accept", collection_policy="accept").digest, "olga"),
         "own_proposal"),
        (lambda made, p, r: (decided(made, p, r, service_plan="accept", collection_policy="accept") and p,
                             "b3:" + "0" * 64, "nisha"), "digest"),
        (lambda made, p, r: (p, decided(made, p, r, service_plan="accept", collection_policy="accept").digest[:13],
                             "nisha"), "digest"),
        (lambda made, p, r: (reject(p, "no", on_host("nisha"), made.deps), r.digest, "nisha"), "closed"),
    ],
    ids=["a change is undecided", "by its proposer", "of another digest", "named by fewer than 12 digits", "rejected"],
)  # fmt: skip
def test_an_approval_is_refused_with_one_cause(made, gate, code):
    proposal, review = proposed(made)
    assert refused(made, *gate(made, proposal, review)) == code
    with made.store.read() as unit:
        assert unit.baselines.current(made.target()).version == 1


def test_an_approval_makes_every_other_open_proposal_outdated(made):
    first, review = proposed(made)
    sweep(made.target(), made.deps.clock.now(), made.deps)
    second, other = proposed(made)
    assert second.id != first.id
    review = decided(made, first, review, service_plan="accept", collection_policy="accept")
    other = decided(made, second, other, service_plan="accept", collection_policy="accept")
    approve(first, review.digest[:15], on_host("nisha"), made.deps)
    assert refused(made, second, other.digest, "nisha") == "closed"
    with made.store.read() as unit:
        assert unit.baselines.proposal(second.id).state is ProposalState.OUTDATED


def test_a_second_approval_of_the_same_proposal_makes_no_second_version(made):
    proposal, review = proposed(made)
    review = decided(made, proposal, review, service_plan="accept", collection_policy="accept")
    approve(proposal, review.digest, on_host("nisha"), made.deps)
    assert refused(made, proposal, review.digest, "nisha") == "closed"
    with made.store.read() as unit:
        assert [each.version for each in unit.baselines.history(made.target())] == [2, 1]


def test_an_incomplete_reading_cannot_be_proposed(made):
    made.sandbox.client.post("/sandbox/faults", json={"name": "forbidden-some"}).raise_for_status()
    report = sweep(made.target(), made.deps.clock.now(), made.deps)
    made.sandbox.client.delete("/sandbox/faults").raise_for_status()
    assert report.state == "partial"
    with pytest.raises(ApprovalRefused) as told:
        propose_baseline(made.target(), on_host("olga"), made.deps)
    assert told.value.code == "incomplete"


def test_what_could_not_be_read_is_said_and_nothing_heals_because_of_it(made):
    before = {each.finding.fingerprint for each in open_findings(made)}
    made.sandbox.client.post("/sandbox/faults", json={"name": "forbidden-all"}).raise_for_status()
    report = sweep(made.target(), made.deps.clock.now(), made.deps)
    made.sandbox.client.delete("/sandbox/faults").raise_for_status()
    assert report.state == "failed"
    assert report.exit_code == 1
    after = open_findings(made)
    assert before <= {each.finding.fingerprint for each in after}
    assert [each.finding.kind.value for each in after if each.finding.fingerprint not in before] == ["coverage"]


def test_an_acknowledgement_is_told_in_the_message(made):
    deliver_waiting(made.deps)
    number = open_findings(made)[0].number
    acknowledge(number, "calling Mei at nine", on_host("carla"), made.deps)
    with pytest.raises(ApprovalRefused):
        acknowledge(number, "", on_host("carla"), made.deps)
    deliver_waiting(made.deps)
    (message,) = made.messages()
    assert "carla" in str(message["blocks"])
    thread = [each for each in made.slack.client.get("/standin/messages").json() if each["thread_ts"]]
    assert any("calling Mei at nine" in each["text"] for each in thread)


def test_every_act_is_in_the_audit_log_chained_and_signed(made):
    from nacl.encoding import HexEncoder
    from nacl.signing import VerifyKey

    number = open_findings(made)[0].number
    acknowledge(number, "calling Mei at nine", on_host("carla"), made.deps)
    mark_finding(number, Mark.NOT_USEFUL, "known already", on_host("dana"), made.deps)
    proposal, review = proposed(made)
    done = decided(made, proposal, review, service_plan="accept", collection_policy="accept")
    approve(proposal, done.digest, on_host("nisha"), made.deps)
    with made.store.read() as unit:
        entries = unit.audit.entries()
    assert [(each.action, each.actor, each.reason) for each in entries][-5:] == [
        ("finding.acknowledge", "carla", "calling Mei at nine"), ("finding.mark", "dana", "not useful: known already"),
        ("baseline.propose", "olga", ""),
        ("baseline.decide", "olga", ", ".join(f"accept {' '.join(change_key(each))}" for each in review.undecided)),
        ("baseline.approve", "nisha", ""),
    ]  # fmt: skip
    assert [each.seq for each in entries] == list(range(1, len(entries) + 1))
    for before, entry in zip([None, *entries], entries, strict=False):
        assert entry.prev == (before.link if before else "")
        assert entry.hash == entry.expected_hash()
        VerifyKey(entry.public_key, encoder=HexEncoder).verify(entry.hash.encode(), bytes.fromhex(entry.signature))
