"""A proposal on its page: by forms alone; what another did meanwhile is told, and nothing typed is lost."""

import re
from dataclasses import dataclass

import pytest

from baselines.approval import ProposalState
from monitor.access import Grant, Role, on_host
from monitor.approval import propose_baseline
from monitor.web.app import create_app, serve_in_thread
from monitor.web.pages.baselines import baselines_view
from monitor.web.pages.review import review_view
from tests.monitor.web.signing import Service, csrf

PLAN = {"resource_type": "service_plan", "key": "COM-VAR", "path": "is_active"}
TARGET = "/targets/swa/production"


@dataclass
class Team:
    """Olga and Nisha lead, Vera looks on; a proposal of two changes, one of them critical."""

    watched: object
    clients: dict
    number: int

    def send(self, who: str, to: str, /, **fields):
        client = self.clients[who]
        return client.post(f"/proposals/{self.number}/{to}", data={"csrf": csrf(client), **fields})

    def done(self, who: str, to: str, /, **fields) -> str:
        answer = self.send(who, to, **fields)
        assert answer.status_code == 303, answer.text
        return self.clients[who].get(answer.headers["location"]).text

    def view(self, who: str = "nisha"):
        return review_view(self.number, self.watched.deps, on_host(who))

    def decide_all(self):
        self.done("olga", "decide", decision="accept", **PLAN)
        self.done("olga", "decide-group", decision="accept", group="access")


@pytest.fixture
def team(watched):
    watched.deps.settings = watched.deps.settings.model_copy(update={"local_accounts": True})
    watched.sweep()
    watched.approve()
    watched.happen("friday-variable-plan-deactivated")
    watched.happen("cashier-may-refund")
    watched.later(hours=6)
    watched.sweep()
    number = propose_baseline(watched.target, on_host("olga"), watched.deps).id
    url, stop = serve_in_thread(create_app(watched.deps), 0)
    service = Service(watched.deps, url)
    for name, role in (("olga", Role.ONBOARDING_LEAD), ("nisha", Role.ONBOARDING_LEAD), ("vera", Role.VIEWER)):
        service.person(name, Grant(role, "swa"))
    yield Team(watched, {each: service.signed_in(each) for each in ("olga", "nisha", "vera")}, number)
    stop()


def test_a_group_leaves_the_critical_change_to_its_own_decision(team):
    told = team.send("olga", "decide-group", decision="accept", group="billing")
    assert told.status_code == 409
    assert "what is critical wants its own decision" in told.text
    assert "1 accepted" not in team.done("olga", "comment", text="and now?")
    page = team.done("olga", "decide-group", decision="accept", group="access")
    assert "<strong>1</strong> accepted" in page
    assert team.view().left == 1


def test_a_decision_that_another_has_overtaken_is_refused_with_who_and_when_and_the_text_is_kept(team):
    team.done("nisha", "decide", decision="reject", reason="Not agreed", **PLAN)
    told = team.send("olga", "decide", decision="reject", reason="Mei <sets> it back", act="0", **PLAN)
    assert told.status_code == 409
    assert re.search(r"Nisha rejected this at \d\d:\d\d .*Your decision was not saved\.", told.text, re.I)
    assert "Mei &lt;sets&gt; it back" in told.text
    act = next(iter(team.view().made.decisions.values())).act
    assert "<strong>1</strong> accepted" in team.done("olga", "decide", decision="accept", act=act, **PLAN)


def test_rejecting_asks_a_reason_and_can_be_undone(team):
    told = team.send("olga", "decide", decision="reject", **PLAN)
    assert (told.status_code, "No reason is given." in told.text) == (409, True)
    assert "Ask Mei" in team.done("olga", "decide", decision="reject", reason="Ask Mei", **PLAN)
    (decided,) = team.view().made.decisions.values()
    assert team.view().rejected
    team.done("olga", "decide", decision="undo", act=decided.act, **PLAN)
    assert not team.view().rejected


def test_comments_stand_at_the_change_and_at_the_proposal(team):
    page = team.done("olga", "comment", text="Why <now>?", **PLAN)
    assert "Why &lt;now&gt;?" in page[page.index('aria-label="service_plan COM-VAR is_active"') :]
    team.done("nisha", "comment", text="Looks right")
    assert [each.words for each in team.view().made.comments()] == ["Looks right"]
    assert ("commented", "with comments", 1) in team.view().filters


def test_it_is_handed_over_sent_back_and_approved_by_another_with_a_receipt(team):
    assert team.send("olga", "hand-over").status_code == 409
    team.decide_all()
    assert "waits for approval" in team.done("olga", "hand-over", reason="please")
    deps = team.watched.deps
    assert [each.words for each in baselines_view(deps).waiting] == ["another than olga, to approve"]
    assert "waits for review" in team.done("nisha", "send-back", reason="a comma is missing")
    assert [each.words for each in baselines_view(deps).waiting] == ["olga, to decide and hand over"]
    team.done("olga", "hand-over")
    digest = team.view().made.digest
    own = team.send("olga", "approve", digest=digest)
    assert (own.status_code, "another person approves" in own.text) == (409, True)
    other = team.send("nisha", "approve", digest="b3:000000000000", reason="agreed in the call")
    assert other.status_code == 409
    assert "something was decided after you looked" in other.text
    assert "agreed in the call" in other.text
    page = team.done("nisha", "approve", digest=digest)
    assert "Approved: baseline 2 of swa/production" in page
    with deps.store.read() as unit:
        entry = unit.audit.number_of("baseline.approve", "swa/production baseline 2")
    assert f"Audit entry {entry}." in page


def test_an_overtaken_proposal_gives_its_decisions_to_a_new_one(team):
    team.decide_all()
    watched = team.watched
    watched.happen("silent-rate-rise")
    watched.later(minutes=10)
    watched.sweep()
    other = propose_baseline(watched.target, on_host("olga"), watched.deps).id
    team.done("nisha", "approve", digest=team.view().made.digest)
    team.number = other
    page = team.clients["olga"].get(f"/proposals/{other}").text
    assert "Baseline 2 was approved meanwhile" in page
    team.done("olga", "carry")
    assert team.view().proposal.state is ProposalState.OUTDATED


def test_it_is_withdrawn_with_a_reason_and_closed_for_all_but_comments(team):
    assert team.send("olga", "reject").status_code == 409
    assert "Withdrawn by olga" in team.done("olga", "reject", reason="wrong week")
    assert team.send("nisha", "decide", decision="accept", **PLAN).status_code == 409
    assert "too bad" in team.done("nisha", "comment", text="too bad")


def test_who_only_looks_sees_no_form_but_the_sentence(team):
    page = team.clients["vera"].get(f"/proposals/{team.number}").text
    assert 'Ask an admin for the role "onboarding lead".' in page
    assert 'action="/proposals' not in page
    assert team.send("vera", "decide", decision="accept", **PLAN).status_code == 403


def test_a_baseline_is_proposed_from_a_whole_reading_only_and_an_earlier_one_again(team):
    olga, watched = team.clients["olga"], team.watched
    answer = olga.post(f"{TARGET}/propose", data={"csrf": csrf(olga), "title": "again"})
    assert answer.headers["location"] == f"/proposals/{team.number}"
    team.decide_all()
    team.done("nisha", "approve", digest=team.view().made.digest)
    assert "Propose version 1 again" in olga.get(f"{TARGET}/baselines").text
    answer = olga.post(f"{TARGET}/rollback", data={"csrf": csrf(olga), "version": "1", "reason": "bills were wrong"})
    page = olga.get(answer.headers["location"]).text
    assert "Baseline 1 again: bills were wrong" in page
    watched.fault("forbidden-some", "integration")
    watched.later(minutes=10)
    watched.sweep()
    for path in (TARGET, f"{TARGET}/baselines"):
        told = olga.get(path).text
        assert "It cannot be proposed: the newest reading is incomplete." in told
        assert f'action="{TARGET}/propose"' not in told
