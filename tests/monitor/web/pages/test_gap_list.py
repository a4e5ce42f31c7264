"""The gap list: it names nobody, and a link shows one target's to who has it, until it ends."""

import re
from datetime import timedelta

import pytest

from baselines.errors import ApprovalRefused
from monitor.access import Grant, Role, on_host
from monitor.gaplist import gap_list, opened, share
from monitor.web.app import create_app, serve_in_thread
from tests.monitor.web.signing import Service

OLGA = on_host("olga")


@pytest.fixture
def service(watched):
    watched.deps.settings = watched.deps.settings.model_copy(update={"local_accounts": True})
    watched.sweep()
    watched.approve()
    watched.happen("misplaced-decimal-point")
    watched.later(hours=6)
    watched.sweep()
    url, stop = serve_in_thread(create_app(watched.deps, on_loopback=False), 0)
    made = Service(watched.deps, url)
    made.person("olga", Grant(Role.ONBOARDING_LEAD, "swa"))
    yield made
    stop()


PAGE = "/targets/swa/production/gap-list"


def made_link(client):
    token = re.search(r'name="csrf" value="([^"]*)"', client.get(PAGE).text)[1]
    told = client.post(PAGE, data={"csrf": token, "days": "7"})
    assert told.status_code == 200, told.text
    return re.search(r'value="http://[^/]*(/shared/[^"]+)"', told.text)[1], token


def test_the_list_says_what_is_wrong_and_how_to_mend_it_and_names_nobody(watched, service):
    found = gap_list("swa/production", watched.deps)
    assert found.count == 2
    ((title, gaps),) = found.modules
    assert title == "Billing and payment"
    assert all(each.message and each.fix for each in gaps)
    told = service.signed_in("olga").get(PAGE).text
    listed = told.split('id="links"')[0].split("<main")[1]
    for name in ("mei.tanaka", "Mei Tanaka", "nisha", "olga"):
        assert name not in listed


def test_a_link_opens_the_list_of_one_target_without_signing_in_and_nothing_else(service):
    olga = service.signed_in("olga")
    path, _ = made_link(olga)
    stranger = service.browser()
    told = stranger.get(path)
    assert told.status_code == 200
    assert "2 things to mend" in told.text
    assert "olga" not in told.text
    assert 'href="/' not in re.sub(r'href="/static/[^"]*"', "", told.text)
    assert stranger.get(PAGE).status_code == 303


def test_a_wrong_an_ended_and_an_expired_link_answer_the_bytes_of_what_does_not_exist(watched, service):
    olga = service.signed_in("olga")
    (ended, token), stranger = made_link(olga), service.browser()
    assert olga.post(f"{PAGE}/1/end", data={"csrf": token}).status_code == 303
    expired, _ = made_link(olga)
    watched.later(days=7, seconds=-1)
    assert stranger.get(expired).status_code == 200
    watched.later(seconds=1)
    answers = [stranger.get(path) for path in (ended, expired, "/shared/" + "x" * 43, "/shared/y")]
    assert {each.status_code for each in answers} == {404}
    assert len({each.content for each in answers}) == 1


def test_links_are_kept_by_hash_and_stand_in_the_audit_log(watched, service):
    olga = service.signed_in("olga")
    path, token = made_link(olga)
    olga.post(f"{PAGE}/1/end", data={"csrf": token})
    with watched.deps.store.read() as unit:
        acts = [each for each in unit.audit.entries() if each.action.startswith("gaplist.")]
    assert [(each.actor, each.tenant, each.action) for each in acts] == [
        ("olga", "swa", "gaplist.share"), ("olga", "swa", "gaplist.end"),
    ]  # fmt: skip
    assert acts[0].object == "swa/production link 1 until 2026-12-01 20:12 UTC"
    assert path.rsplit("/", 1)[1] not in "".join(each.object + each.reason for each in acts)


@pytest.mark.parametrize("lasts", [timedelta(days=91), timedelta(0)])
def test_a_link_that_lasts_too_long_or_not_at_all_is_refused(watched, lasts):
    with pytest.raises(ApprovalRefused) as refused:
        share("swa/production", lasts, OLGA, watched.deps)
    assert refused.value.code == "end_too_far"


def test_a_link_to_a_target_that_is_watched_no_more_opens_nothing(watched):
    secret = share("swa/production", timedelta(days=7), OLGA, watched.deps)
    assert opened(secret, watched.deps).count == 0
    with watched.deps.store.write() as unit:
        unit.targets.remove(watched.target, watched.deps.clock.at)
    with pytest.raises(Exception, match="no such link"):
        opened(secret, watched.deps)
