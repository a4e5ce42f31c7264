"""What people do to a proposal: decide, take back, comment, hand over, carry over, in part, and roll back."""

from dataclasses import replace

import pytest

from baselines.approval import Awaited, Decision, Did, ProposalState, change_key
from baselines.errors import ApprovalRefused
from monitor.access import Actor, Right, on_host
from monitor.approval import comment, decide, hand_over, propose_baseline, reject, rollback, send_back
from monitor.errors import NotAllowed, NotFound
from tests.monitor.filed import NISHA, OLGA, Filed

PDX, GRE = ("tax", "ULF-PDX", "percentage"), ("tax", "ULF-GRE", "percentage")


@pytest.fixture
def filed(store, tmp_path) -> Filed:
    """A first baseline, and two taxes that changed since."""
    made = Filed(store, tmp_path)
    made.sweep()
    made.baseline()
    made.change("tax", "ULF-PDX", percentage="7")
    made.change("tax", "ULF-GRE", percentage="8")
    made.sweep()
    return made


def refused(act, *given, **how) -> ApprovalRefused:
    with pytest.raises(ApprovalRefused) as told:
        act(*given, **how)
    return told.value


def test_u15_a_decision_never_overwrites_one_its_maker_has_not_seen(filed):
    proposal = filed.propose()
    looked = filed.review(proposal)
    filed.decide(proposal, Decision.REJECT, NISHA, [PDX], "ten times too high")
    seen = {key: each.act for key, each in looked.decisions.items()}
    told = refused(filed.decide, proposal, Decision.ACCEPT, OLGA, [GRE, PDX], seen=seen)
    assert told.code == "decided_meanwhile"
    assert told.what == (
        "nisha rejected this at 09:03 (24 Nov 2026, tax ULF-PDX percentage). Your decision was not saved."
    )
    now = filed.review(proposal)
    assert {key: each.by for key, each in now.decisions.items()} == {PDX: "nisha"}, "all or nothing"
    made = filed.decide(proposal, Decision.ACCEPT, OLGA, [PDX], seen={PDX: now.decisions[PDX].act})
    assert (made.decisions[PDX].decision, made.decisions[PDX].by) == (Decision.ACCEPT, "olga")
    assert filed.decide(proposal, Decision.REJECT, OLGA, [PDX]).decisions[PDX].decision is Decision.REJECT


def test_a_decision_taken_back_is_undecided_and_cannot_be_overtaken_unseen(filed):
    proposal = filed.propose()
    seen = {PDX: filed.decide(proposal, Decision.ACCEPT, OLGA, [PDX]).decisions[PDX].act}
    assert refused(filed.decide, proposal, Decision.UNDO, NISHA, [PDX]).code == "decided_meanwhile"
    made = filed.decide(proposal, Decision.UNDO, NISHA, [PDX], seen=seen)
    assert PDX in {change_key(each) for each in made.undecided}
    told = refused(filed.decide, proposal, Decision.REJECT, OLGA, [PDX], seen=seen)
    assert "nisha took the decision on this back at" in told.what
    assert refused(filed.decide, proposal, Decision.UNDO, NISHA, [PDX]).code == "not_decided"
    assert filed.decide(proposal, Decision.REJECT, OLGA, [PDX]).decisions[PDX].by == "olga"


def test_comments_stand_where_they_were_made(filed):
    proposal = filed.propose()
    comment(proposal, " who asked for it? ", NISHA, filed.deps)
    made = comment(proposal, "the board", OLGA, filed.deps, change=PDX)
    assert [(each.by, each.words) for each in made.comments()] == [("nisha", "who asked for it?")]
    assert [(each.by, each.words) for each in made.comments(PDX)] == [("olga", "the board")]
    assert refused(comment, proposal, "  ", NISHA, filed.deps).code == "no_reason"
    assert refused(comment, proposal, "x" * 10_001, NISHA, filed.deps).code == "too_long"
    assert refused(comment, proposal, "x", NISHA, filed.deps, change=("tax", "NONE", "")).code == "unknown_change"


def test_who_is_awaited_changes_and_the_proposal_stays_open(filed):
    proposal = filed.propose()
    assert refused(send_back, proposal, "no", NISHA, filed.deps).code == "awaited"
    assert refused(hand_over, proposal, OLGA, filed.deps).code == "undecided"
    filed.decide(proposal)
    made = hand_over(proposal, OLGA, filed.deps, note="please by Friday")
    assert (made.awaited, made.proposal.state) == (Awaited.APPROVAL, ProposalState.OPEN)
    assert refused(hand_over, proposal, OLGA, filed.deps).code == "awaited"
    made = send_back(proposal, "the first slab is not agreed", NISHA, filed.deps)
    assert (made.awaited, made.acts[-1].did, made.acts[-1].words) == (
        Awaited.REVIEW, Did.SENT_BACK, "the first slab is not agreed"
    )  # fmt: skip
    filed.approve(proposal)
    assert filed.review(proposal).awaited is None


def test_f89_who_comes_second_is_told_which_version_was_made_and_by_whom(filed):
    proposal = filed.propose()
    filed.decide(proposal)
    filed.approve(proposal)
    told = refused(filed.approve, proposal, on_host("omar"))
    assert (told.code, told.what) == ("closed", "it is approved already by nisha: baseline 2.")
    assert refused(reject, proposal, "no", on_host("omar"), filed.deps).code == "closed"


def test_f90_decisions_are_carried_into_a_new_proposal_where_the_change_is_the_same(filed):
    first = filed.propose()
    filed.decide(first, Decision.ACCEPT, OLGA, [PDX], "agreed")
    filed.decide(first, Decision.REJECT, NISHA, [GRE], "not agreed")
    filed.change("tax", "ULF-GRE", percentage="9")
    filed.change("tax", "ULF-BEA", percentage="9")
    filed.sweep()
    again = filed.propose(on_host("omar"), carry=first.id)
    made = filed.review(again)
    assert {key: (each.decision, each.by, each.reason, each.carried) for key, each in made.decisions.items()} == {
        PDX: (Decision.ACCEPT, "olga", "agreed", first.id)
    }
    assert {each.key for each in made.undecided} == {"ULF-GRE", "ULF-BEA"}
    third = propose_baseline(filed.target, OLGA, filed.deps, scope=("tax",), carry=again.id)
    assert filed.review(third).decisions[PDX].carried == first.id


def test_f90_a_base_that_moved_on_is_told_with_the_way_to_keep_the_decisions(filed):
    late = filed.propose()
    filed.decide(late)
    with filed.store.write() as unit:  # as if it was proposed just while another was approved
        current = unit.baselines.configuration(filed.target, 1)
        other, _ = unit.baselines.propose(filed.target, 0, 1, "omar", "", filed.clock.at, source_version=1)
        unit.baselines.make(filed.target, other, current, "nisha", filed.clock.at, 0, 0)
    told = refused(filed.approve, late)
    assert (told.code, told.what) == ("base_moved", "its base is baseline 1, the current one is 2.")
    assert told.mend == f"Propose anew: baseline propose swa/production --carry {late.id}."


def test_decisions_of_another_target_are_not_carried_over(filed):
    with filed.store.write() as unit:
        other, _ = unit.targets.put("swa", "staging", filed.target.definition, filed.clock.at)
    home, filed.target = filed.target, other
    filed.sweep()
    foreign, filed.target = filed.propose(), home
    assert refused(filed.propose, carry=foreign.id).code == "other_target"
    with filed.store.read() as unit:
        assert unit.baselines.open_proposals(home) == [], "nothing was proposed"


def test_the_same_is_proposed_once_and_who_asks_again_gets_it(filed):
    first = filed.propose(title="rates of 2027")
    assert filed.propose(NISHA) == first
    assert filed.propose(NISHA, scope=("tax",)).id != first.id


# In part


def test_what_is_outside_the_scope_keeps_the_base_and_is_not_to_be_decided(filed):
    filed.change("department", "CSD", email="new@swa-water.example")
    filed.sweep()
    proposal = filed.propose(scope=("billing",))
    made = filed.review(proposal)
    assert ({each.resource_type for each in made.comparison.changes}, made.outside) == ({"tax"}, 1)
    filed.decide(proposal)
    baseline = filed.approve(proposal).baseline
    approved = filed.configuration(baseline.version)
    assert approved.named("department", "CSD").values["email"] == "service@swa-water.example"
    assert approved.named("tax", "ULF-PDX").values["percentage"] == "7"
    filed.sweep()
    assert filed.drift() == {("department", "CSD")}


def test_a_gap_outside_the_scope_does_not_matter_and_one_inside_does(filed):
    assert filed.sweep("department").state == "partial"
    assert refused(filed.propose).code == "incomplete"
    told = refused(filed.propose, scope=("organization",))
    assert (told.code, "department" in told.what) == ("incomplete", True)
    proposal = filed.propose(scope=("tax",))
    filed.decide(proposal)
    approved = filed.configuration(filed.approve(proposal).baseline.version)
    assert approved.objects("department") == filed.configuration(1).objects("department")


def test_water_now_and_wastewater_later(store, tmp_path):
    made = Filed(store, tmp_path)
    made.sweep()
    water = made.propose(scope=("service=WATER",))
    review = made.review(water)
    assert {each.key for each in review.result.objects("complaint_type")} == {
        "BILLING", "SUPPLY", "QUALITY", "METER", "ACCOUNT"
    }  # fmt: skip
    assert review.result.objects("rate") == ()
    assert review.outside == 7
    made.approve(water)
    made.sweep()
    assert {each[0] for each in made.drift()} == {"complaint_type", "rate"}
    later = made.propose(scope=("service=WASTEWATER",))
    assert len(made.review(later).undecided) == 7
    made.decide(later)
    made.approve(later)
    made.sweep()
    assert made.drift() == set()


def test_a_part_that_leaves_behind_what_it_refers_to_is_refused(store, tmp_path):
    made = Filed(store, tmp_path)
    made.sweep()
    told = refused(made.propose, scope=("work",))
    assert told.code == "left_behind"
    assert "complaint_type ACCOUNT refers to department CSD" in told.what
    assert "department" in told.mend
    assert made.propose(scope=("work", "services", "department")).scope == ("department", "services", "work")


def test_a_later_decision_may_not_leave_behind_what_the_part_refers_to(filed):
    filed.raw["department"].append({"code": "NEW", "name": "New", "kind": "field", "is_active": "true"})
    filed.change("complaint_type", "SUPPLY", department="NEW")
    filed.sweep()
    assert refused(filed.propose, scope=("work",)).code == "left_behind"
    assert filed.propose(scope=("work", "department")).id


@pytest.mark.parametrize("word", ["biling", "service=GAS", "*", ""])
def test_a_scope_that_names_nothing_is_refused_with_what_there_is(filed, word):
    told = refused(filed.propose, scope=(word,))
    assert told.code == "unknown_scope"
    if word == "biling":
        assert told.mend == "Did you mean billing?"


# Back, out, and by whom


def test_a_rollback_is_a_proposal_like_any_other(filed):
    filed.baseline()
    assert refused(rollback, filed.target, 1, " ", OLGA, filed.deps).code == "no_reason"
    assert refused(rollback, filed.target, 2, "no", OLGA, filed.deps).code == "current"
    with pytest.raises(NotFound):
        rollback(filed.target, 9, "no", OLGA, filed.deps)
    back = rollback(filed.target, 1, "the board took it back", OLGA, filed.deps)
    assert (back.title, back.source_version, back.snapshot) == ("Baseline 1 again: the board took it back", 1, 0)
    assert refused(filed.approve, back).code == "undecided"
    filed.decide(back)
    assert refused(filed.approve, back, OLGA).code == "own_proposal"
    assert filed.approve(back).baseline.version == 3
    assert filed.configuration(3).digest == filed.configuration(1).digest
    filed.sweep()
    assert filed.drift() == {("tax", "ULF-PDX"), ("tax", "ULF-GRE")}


def test_a_rollback_says_nothing_of_types_the_earlier_one_did_not_know(store, tmp_path):
    made = Filed(store, tmp_path)
    made.sweep()
    made.approve(made.propose(scope=("tax",)))
    made.change("tax", "ULF-PDX", percentage="7")
    made.sweep()
    made.baseline()
    back = rollback(made.target, 1, "taxes only", OLGA, made.deps)
    assert {each.resource_type for each in made.review(back).comparison.changes} == {"tax"}
    made.decide(back)
    made.approve(back)
    assert len(made.configuration(3).objects("department")) == len(made.raw["department"])


def test_drift_to_another_value_than_was_accepted_is_still_drift(filed):
    proposal = filed.propose()
    filed.change("tax", "ULF-PDX", percentage="70")
    filed.sweep()
    filed.decide(proposal)
    assert filed.approve(proposal).resolved == 1
    assert filed.drift() == {("tax", "ULF-PDX")}


def test_who_rejects_his_own_proposal_withdraws_it(filed):
    proposal = filed.propose()
    assert reject(proposal, "wrong week", OLGA, filed.deps).state is ProposalState.WITHDRAWN
    told = refused(filed.decide, proposal, keys=[PDX])
    assert told.what == "it is withdrawn already by olga: wrong week."


def test_a_token_proposes_and_never_decides(filed):
    robot = Actor("robot", {"swa": frozenset({Right.SEE, Right.PROPOSE})}, is_person=False)
    proposal = filed.propose(robot)
    for act in (lambda: decide(proposal, [(PDX, Decision.ACCEPT, "")], robot, filed.deps),
                lambda: hand_over(proposal, robot, filed.deps)):  # fmt: skip
        with pytest.raises(NotAllowed):
            act()
    stranger = replace(robot, rights={"cbe": frozenset(Right)})
    with pytest.raises(NotFound):
        hand_over(proposal, stranger, filed.deps)


def test_the_history_tells_who_did_what_and_why_and_the_audit_log_too(filed):
    proposal = filed.propose(title="taxes")
    comment(proposal, "why?", NISHA, filed.deps)
    filed.decide(proposal, keys=[PDX, GRE], why="agreed")
    hand_over(proposal, OLGA, filed.deps)
    reject(proposal, "not yet", NISHA, filed.deps)
    with filed.store.read() as unit:
        acts = [each for each in unit.baselines.all_acts(filed.target) if each.proposal == proposal.id]
        audit = [(each.action, each.actor) for each in unit.audit.entries()][-5:]
    assert [(each.did, each.by, each.words) for each in acts] == [
        (Did.PROPOSED, "olga", "taxes"), (Did.COMMENTED, "nisha", "why?"), (Did.ACCEPTED, "olga", "agreed"),
        (Did.ACCEPTED, "olga", "agreed"), (Did.HANDED_OVER, "olga", ""), (Did.REJECTED, "nisha", "not yet"),
    ]  # fmt: skip
    assert audit == [
        ("baseline.propose", "olga"), ("baseline.comment", "nisha"), ("baseline.decide", "olga"),
        ("baseline.handed_over", "olga"), ("baseline.rejected", "nisha"),
    ]  # fmt: skip
