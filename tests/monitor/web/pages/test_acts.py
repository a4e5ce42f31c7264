"""What people do on the page of a finding: each form works without a script, and the page then says what is true."""

import re

import pytest

from monitor.access import Grant, Role
from monitor.web.app import create_app, serve_in_thread
from tests.monitor.web.signing import Service


@pytest.fixture
def people(watched):
    """Carla, who cares for SWA, and Vera, who looks on, at a finding."""
    watched.deps.settings = watched.deps.settings.model_copy(update={"local_accounts": True})
    watched.happen("friday-variable-plan-deactivated")
    watched.sweep()
    url, stop = serve_in_thread(create_app(watched.deps), 0)
    service = Service(watched.deps, url)
    service.person("carla", Grant(Role.CUSTOMER_SUCCESS, "swa"))
    service.person("vera", Grant(Role.VIEWER, "swa"))
    with watched.deps.store.read() as unit:
        number = unit.findings.open(watched.target)[0][1].number
    yield service.signed_in("carla"), service.signed_in("vera"), f"/findings/{number}"
    stop()


def sent(client, page, act, **fields):
    """The form of an act as the page has it, sent; the page it leads back to."""
    form = re.search(rf'<form[^>]* action="{page}/{act}">(.*?)</form>', client.get(page).text, re.S)
    assert form, act
    hidden = dict(re.findall(r'name="(csrf|until)" value="([^"]*)"', form[1])[:2])
    answer = client.post(f"{page}/{act}", data={**hidden, **fields}, headers={"Referer": f"{client.base_url}{page}"})
    assert answer.status_code == 303, answer.text
    return client.get(answer.headers["location"]).text


def test_a_finding_is_acknowledged_taken_back_snoozed_and_noted_by_forms_alone(people):
    carla, _, page = people
    assert "acknowledged by carla" in sent(carla, page, "acknowledge")
    assert f'action="{page}/acknowledge"' not in carla.get(page).text
    assert "open, nobody yet" in sent(carla, page, "reopen")
    assert "snoozed until Wed 08:00 by carla" in sent(carla, page, "snooze", note="Thursday")
    told = sent(carla, page, "note", note="Ask <Mei> first")
    assert "Note by carla: Ask &lt;Mei&gt; first" in told


def test_who_only_looks_sees_no_button_but_the_sentence(people):
    _, vera, page = people
    told = vera.get(page).text
    assert 'You can look, not act, on swa. Ask an admin for the role "customer success".' in told
    assert f'action="{page}/' not in told
