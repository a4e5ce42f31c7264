"""A waiver from its question to its end, by forms alone: asked by one, approved by another, over when its time is."""

import re

import pytest

from monitor.access import Actor, Grant, Right, Role
from monitor.web.app import create_app, serve_in_thread
from monitor.web.pages.waivers import waivers_view
from tests.monitor.web.signing import Service

REASON = "The holiday list follows in December."


@pytest.fixture
def people(watched):
    """Olga and Nisha, who lead SWA's onboarding, at its worst finding."""
    watched.deps.settings = watched.deps.settings.model_copy(update={"local_accounts": True})
    watched.happen("friday-variable-plan-deactivated")
    watched.sweep()
    url, stop = serve_in_thread(create_app(watched.deps), 0)
    service = Service(watched.deps, url)
    for name in ("olga", "nisha"):
        service.person(name, Grant(Role.ONBOARDING_LEAD, "swa"))
    service.person("vera", Grant(Role.VIEWER, "swa"))
    with watched.deps.store.read() as unit:
        number = unit.findings.open(watched.target)[0][1].number
    yield service, f"/findings/{number}"
    stop()


def sent(client, page, action, **fields):
    """A form as the page has it, sent; where it leads."""
    form = re.search(rf'<form[^>]* action="{action}">(.*?)</form>', client.get(page).text, re.S)
    assert form, action
    hidden = dict(re.findall(r'name="(csrf)" value="([^"]*)"', form[1]))
    answer = client.post(action, data={**hidden, **fields}, headers={"Referer": f"{client.base_url}{page}"})
    assert answer.status_code == 303, answer.text
    return client.get(answer.headers["location"]).text


def test_a_waiver_asked_by_one_and_approved_by_another_ends_by_itself_and_the_finding_is_told_again(watched, people):
    service, page = people
    olga, nisha = service.signed_in("olga"), service.signed_in("nisha")
    told = sent(olga, page, f"{page}/waiver", reason=REASON, ticket="CHG-7", ends="2026-12-15")
    assert "1 waiver waits for approval. None is in force." in told
    assert "You asked for it; somebody else must approve." in told
    assert "/settings/waivers/1/approve" not in told
    told = sent(nisha, "/settings/waivers", "/settings/waivers/1/approve", note="agreed")
    assert "No waiver waits for approval. 1 in force." in told
    assert "approved by nisha" in told
    assert f"waived until 15 Dec 08:00 ({REASON}) by olga" in olga.get(page).text
    watched.later(days=20)
    watched.sweep()
    assert "ends in 25 h 48 min" in service.signed_in("olga").get("/settings/waivers").text
    watched.later(hours=26)
    watched.sweep()
    olga = service.signed_in("olga")
    assert "waived until" not in olga.get(page).text
    assert "open, nobody yet" in olga.get(page).text
    assert "No waiver waits for approval. None is in force." in olga.get("/settings/waivers").text


def test_who_only_looks_sees_waivers_and_no_button(people):
    service, page = people
    sent(service.signed_in("olga"), page, f"{page}/waiver", reason=REASON, ends="2026-12-15")
    vera = service.signed_in("vera")
    told = vera.get("/settings/waivers").text
    assert REASON in told
    assert 'action="/settings/waivers/' not in told
    assert f'action="{page}/waiver"' not in vera.get(page).text


def test_a_short_reason_is_refused_in_words_and_asks_for_nothing(watched, people):
    service, page = people
    olga = service.signed_in("olga")
    token = re.search(r'name="csrf" value="([^"]*)"', olga.get(page).text)[1]
    answer = olga.post(f"{page}/waiver", data={"csrf": token, "reason": "because", "ends": "2026-12-15"})
    assert answer.status_code == 409
    assert "Say in at least 20 characters why it may stay so." in answer.text
    assert waivers_view(watched.deps).lines == []


def test_one_may_take_back_what_one_asked_for_and_end_what_is_in_force(watched, people):
    service, page = people
    olga, nisha = service.signed_in("olga"), service.signed_in("nisha")
    for _ in range(2):
        sent(olga, page, f"{page}/waiver", reason=REASON, ends="2026-12-15")
    sent(olga, "/settings/waivers", "/settings/waivers/1/refuse", note="not needed")
    sent(nisha, "/settings/waivers", "/settings/waivers/2/approve")
    sent(olga, "/settings/waivers", "/settings/waivers/2/end", note="mended")
    view = waivers_view(watched.deps)
    assert [(each.waiver.number, each.word) for each in view.over] == [(1, "refused"), (2, "ended")]


def test_waivers_of_other_tenants_are_not_shown(watched, people):
    service, page = people
    sent(service.signed_in("olga"), page, f"{page}/waiver", reason=REASON, ends="2026-12-15")
    assert waivers_view(watched.deps, Actor("x", {"cbe": frozenset({Right.SEE})})).lines == []
