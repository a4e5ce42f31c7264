"""Writes over the API: each a story, done once under its key, in one transaction with what is kept of it (B59)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest

from baselines.writer import write_configuration
from monitor.access import TOKEN_RIGHTS, Grant, Right, Role, on_host
from monitor.approval import approve, propose_baseline, review_of
from monitor.clock import SetClock
from monitor.deps import Deps
from monitor.reports.items import FindingInFull, ReviewItem, TargetInFull
from monitor.settings import Settings
from monitor.store.unit import Store
from monitor.sweep import sweep
from monitor.web.app import create_app, serve_in_thread
from tests.monitor.store.made import count
from tests.monitor.web.signing import Service
from tests.reliability.test_process import registered
from tests.support import CATALOGUE, configuration, find, swa

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
API = "/api/v1"
TARGET = f"{API}/targets/swa/production"
#: Who asks in these tests, and as what on which tenant.
PEOPLE = {
    "olga": Grant(Role.ONBOARDING_LEAD, "swa"), "nisha": Grant(Role.ONBOARDING_LEAD, "swa"),
    "vera": Grant(Role.VIEWER, "swa"), "otto": Grant(Role.ONBOARDING_LEAD, "other"), "ada": Grant(Role.ADMIN),
}  # fmt: skip


class As(httpx.Auth):
    """Who is named in the header ``As`` asks, with a token of his own."""

    def __init__(self, tokens):
        self.tokens = tokens

    def auth_flow(self, request):
        request.headers.update(self.tokens[request.headers.pop("As")])
        yield request


def served(deps):
    """The service with its people; returns its address, who shows what, and what stops it."""
    address, stop = serve_in_thread(create_app(deps), 0)
    service = Service(deps, address)
    tokens = {"token": service.token("ci", *(TOKEN_RIGHTS - {Right.METRICS, Right.APPLY}), tenants=frozenset({"swa"}))}
    for name, grant in PEOPLE.items():
        service.person(name, grant)
        tokens[name] = service.own_token(name)
    return address, tokens, stop


def drifted(home):
    """A store in which SWA has a baseline and two changes since; its dependencies."""
    url = f"sqlite:///{home / 'monitor.db'}"
    store = Store.open(url, migrate=True)
    deps = Deps(
        Settings(database_url=url, state_folder=home / "state", local_accounts=True),
        SetClock(NOW),
        "w",
        open_store=lambda: store,
    )
    target = registered(store, home)
    sweep(target, NOW, deps)
    proposal = propose_baseline(target, on_host("olga"), deps)
    with store.read() as unit:
        digest = review_of(proposal, deps, unit).digest
    approve(proposal, digest, on_host("nisha"), deps)
    raw = swa()
    find(raw, "service_plan", code="RES-VAR")["rates"][0]["rate"] = "41.00"
    find(raw, "service_plan", code="COM-VAR")["is_active"] = False
    (home / "exports" / "swa.yaml").write_bytes(write_configuration(configuration(raw), CATALOGUE))
    sweep(target, NOW + timedelta(hours=6), deps)
    return deps


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """Its API, asked as Olga where nobody else is named, and its dependencies."""
    deps = drifted(tmp_path_factory.mktemp("writes"))
    address, tokens, stop = served(deps)
    with httpx.Client(
        base_url=address, trust_env=False, timeout=60, headers={"As": "olga"}, auth=As(tokens)
    ) as client:  # fmt: skip
        yield client, deps
    stop()
    deps.store.close()


def findings(client, **query):
    told = client.get(f"{API}/findings", params=query)
    assert told.status_code == 200, told.text
    return told.json()["findings"]


def test_a_finding_is_acknowledged_and_marked_and_the_answer_is_what_it_became(asked):
    client, deps = asked
    number = findings(client)[0]["number"]
    told = client.post(f"{API}/findings/{number}/acknowledge", json={"note": "calling Mei"})
    assert told.status_code == 200, told.text
    assert (told.json()["state"], told.json()["by"], told.json()["note"]) == ("acknowledged", "olga", "calling Mei")
    assert told.json() == client.get(f"{API}/findings/{number}").json()
    msgspec.convert(told.json(), FindingInFull)
    again = client.post(f"{API}/findings/{number}/acknowledge", json={})
    assert (again.status_code, again.json()["code"], again.json()["mend"]) == (409, "closed", "Nothing to do.")
    marked = client.post(f"{API}/findings/{number}/marks", json={"mark": "useful"})
    assert marked.json()["mark"] == "useful"
    why = client.post(f"{API}/findings/{number}/marks", json={"mark": "not useful"})
    assert (why.status_code, why.json()["code"]) == (422, "no_reason")
    with deps.store.read() as unit:
        entries = unit.audit.entries()[-2:]
    assert [(each.action, each.actor, len(each.request)) for each in entries] == [
        ("finding.acknowledge", "olga", 8), ("finding.mark", "olga", 8),
    ]  # fmt: skip


def test_two_people_approve_over_the_api_what_the_command_line_would(asked):
    client, _ = asked
    made = client.post(f"{TARGET}/proposals", json={"title": "new rates"}).json()
    msgspec.convert(made, ReviewItem)
    path = f"{API}/proposals/{made['proposal']['id']}"
    assert (made["proposal"]["proposer"], made["undecided"], len(made["changes"])) == ("olga", 2, 2)
    assert client.get(f"{TARGET}/proposals").json()["proposals"][0]["id"] == made["proposal"]["id"]
    several = [{**{name: each[name] for name in ("resource_type", "key", "path")}, "decision": "accept"}
               for each in made["changes"]]  # fmt: skip
    unknown = client.post(f"{path}/decisions", json={"decisions": [{**several[0], "key": "NONE"}, several[1]]})
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_change")
    early = client.post(f"{path}/approve", json={"digest": made["result"]}, headers={"As": "nisha"})
    assert (early.status_code, early.json()["code"]) == (409, "undecided")
    decided = client.post(f"{path}/decisions", json={"decisions": several}).json()
    assert (decided["undecided"], decided["changes"][0]["by"]) == (0, "olga")
    refused = {
        "olga": (409, "own_proposal"), "token": (403, "not_allowed"), "vera": (403, "not_allowed"),
        "otto": (404, "not_found"),
    }  # fmt: skip
    for name, (status, code) in refused.items():
        told = client.post(f"{path}/approve", json={"digest": decided["result"]}, headers={"As": name})
        assert (told.status_code, told.json()["code"]) == (status, code), name
    key = {"As": "nisha", "Idempotency-Key": "approve-1"}
    one = client.post(f"{path}/approve", json={"digest": decided["result"]}, headers=key)
    assert (one.status_code, one.json()["baseline"]["version"], one.json()["resolved"] > 0) == (200, 2, True)
    assert client.post(f"{path}/approve", json={"digest": decided["result"]}, headers=key).content == one.content
    late = client.post(f"{path}/reject", json={"reason": "no"})
    assert (late.status_code, late.json()["code"]) == (409, "closed")
    msgspec.convert(client.get(TARGET).json(), TargetInFull)


def test_b59_under_one_key_an_act_is_done_once_and_another_body_is_refused(asked):
    client, deps = asked
    number = findings(client, state="open")[0]["number"]
    path, before = f"{API}/findings/{number}/marks", count(deps.store, "finding_events")
    key = {"Idempotency-Key": "b59"}

    def mark(mark, headers):
        return client.post(path, json={"mark": mark}, headers=headers)

    with ThreadPoolExecutor(4) as threads:
        told = list(threads.map(lambda _: mark("useful", key), range(4)))
    assert {each.status_code for each in told} == {200}
    assert len({each.content for each in told}) == 1
    assert count(deps.store, "finding_events") == before + 1
    other = client.post(path, json={"mark": "not useful", "reason": "x"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "key_used")
    assert mark("useful", {**key, "As": "nisha"}).status_code == 200  # a key is its actor's own
    assert mark("useful", {}).status_code == 200
    assert count(deps.store, "finding_events") == before + 3


def test_a_refused_act_leaves_nothing_of_its_key(asked):
    client, deps = asked
    before = count(deps.store, "idempotency"), count(deps.store, "audit")
    for path, body in ((f"{API}/findings/ZZZZ/acknowledge", {}), (f"{API}/proposals/1/reject", {})):
        assert client.post(path, json=body, headers={"Idempotency-Key": "r"}).status_code in (404, 409)
    assert (count(deps.store, "idempotency"), count(deps.store, "audit")) == before


def test_a_sweep_is_asked_for_six_times_an_hour_at_most_and_not_while_paused(asked):
    client, deps = asked
    deps.clock.at = NOW + timedelta(days=1)
    try:
        told = client.post(f"{TARGET}/sweeps", json={})
        assert (told.status_code, told.json()["next_run_at"]) == (200, "2026-11-25T15:00:00Z")
        with deps.store.write() as unit:
            target = unit.targets.named("swa/production")
            for minute in range(6):
                claim = unit.sweeps.claim(
                    target, deps.clock.at + timedelta(minutes=minute), "w", deps.clock.at, timedelta(1)
                )
                unit.sweeps.finish(claim, "failed", deps.clock.at, report={})
        often = client.post(f"{TARGET}/sweeps", json={})
        assert (often.status_code, often.json()["code"], often.headers["Retry-After"]) == (429, "too_often", "600")
        deps.clock.at += timedelta(hours=2)
        assert client.post(f"{TARGET}/sweeps", json={}).status_code == 200
        with deps.store.write() as unit:
            unit.targets.pause(target, "olga", "", deps.clock.at)
        assert client.post(f"{TARGET}/sweeps", json={}).json()["code"] == "paused"
        with deps.store.write() as unit:
            unit.targets.resume(target, deps.clock.at)
        assert client.post(f"{TARGET}/sweeps", json={}, headers={"As": "vera"}).status_code == 403
    finally:
        deps.clock.at = NOW


@pytest.mark.parametrize(
    ("given", "kind", "status", "says"),
    [
        (b"no", "application/json", 400, "no JSON"),
        (b"", "application/json", 400, "no JSON"),
        (b"{}", "text/plain", 415, "application/json"),
        (b"{}", None, 415, "application/json"),
        (b'{"note": "%s"}' % (b"x" * (2 << 20)), "application/json", 413, "1 MiB"),
        (b"[" * 100_000, "application/json", 400, "nested"),
        (b'{"note": "a", "note": "b"}', "application/json", 400, "twice"),
        (b'{"note": NaN}', "application/json", 400, "no number"),
        (b"[]", "application/json", 422, ""),
        (b'{"note": "a\\u0000"}', "application/json", 422, "body.note"),
        (b'{"note": "\\ud800"}', "application/json", 422, "body.note"),
        (b'{"\\ud800": 1}', "application/json", 422, ""),
        (b'{"role": "admin"}', "application/json", 422, "Extra"),
        (b'{"note": 1}', "application/json", 422, "body.note"),
    ],
)
def test_b56_a_body_that_is_no_plain_json_of_the_shape_is_refused(asked, given, kind, status, says):
    client, deps = asked
    before = count(deps.store, "audit")
    number = findings(client)[0]["number"]
    headers = {"Content-Type": kind} if kind else {}
    told = client.post(f"{API}/findings/{number}/acknowledge", content=given, headers=headers)
    assert (told.status_code, told.headers["content-type"]) == (status, "application/problem+json"), told.text
    assert says in told.json()["detail"]
    assert count(deps.store, "audit") == before


def test_lists_are_filtered_sorted_and_paged_by_key(asked):
    client, _ = asked
    every = findings(client, state=["open", "acknowledged", "resolved"], limit=200)
    assert "open" in {each["state"] for each in every}
    drift = [each["number"] for each in every if each["kind"] == "drift"]
    asked_for = {"kind": "drift", "state": ["resolved", "open", "acknowledged"], "limit": 1}
    found, cursor = [], {}
    while True:
        told = client.get(f"{API}/findings", params={**asked_for, **cursor}).json()
        found += [each["number"] for each in told["findings"]]
        if told["next_cursor"] is None:
            break
        cursor = {"cursor": told["next_cursor"]}
    assert found == drift
    foreign = client.get(f"{API}/findings", params={"sort": "opened", **cursor})
    assert (foreign.status_code, "not one of this list" in foreign.json()["detail"]) == (422, True)
    for bad in (
        {"severity": "severe"},
        {"since": "2026-01-01"},
        {"since": "soon"},
        {"sort": "'; drop table"},
        {"q": "x" * 201},
    ):
        assert client.get(f"{API}/findings", params=bad).status_code == 422, bad
    for nothing in ("' or 1=1 --", "se_vice", "s%e"):
        assert findings(client, q=nothing) == []
    assert client.get(f"{API}/findings", params={"q": "\0"}).status_code == 422
    assert client.get(f"{API}/findings", params={"target": "cbe/production"}).status_code == 404


def test_who_sees_another_tenant_finds_nothing_and_the_answer_is_that_of_what_is_not_there(asked):
    client, _ = asked
    number, otto = findings(client)[0]["number"], {"As": "otto"}
    for path in (f"{API}/findings/{{}}", f"{API}/findings/{{}}/acknowledge"):
        send = client.get if path.endswith("}") else lambda path, headers: client.post(path, json={}, headers=headers)
        there, nowhere = send(path.format(number), headers=otto), send(path.format("ZZZZ"), headers=otto)
        assert there.status_code == nowhere.status_code == 404
        assert there.content.replace(number.encode(), b"ZZZZ") == nowhere.content
    assert client.get(f"{API}/findings", headers=otto).json() == {"findings": [], "next_cursor": None}
    assert client.get(f"{API}/findings", params={"target": "swa/*"}, headers=otto).json()["findings"] == []
