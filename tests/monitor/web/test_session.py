"""Signing in and out over real HTTP: sessions, forms, lock-out, tokens; the clock is the test's."""

from datetime import UTC, datetime, timedelta

import pytest

from monitor.access import Grant, Right, Role
from monitor.clock import SetClock
from monitor.deps import Deps
from monitor.people import remove, revoke_token
from monitor.settings import Settings
from monitor.store.unit import Store
from monitor.web.app import create_app, serve_in_thread
from rules.lifecycle import Event, Step
from tests.monitor.store.made import NOW as MADE
from tests.monitor.store.made import finding, registered
from tests.monitor.store.test_findings import applied
from tests.monitor.web.signing import ADMIN, PASSWORD, Service, csrf, sign_in

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
ON_SWA = "swa"


@pytest.fixture
def service(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path / 'monitor.db'}", migrate=True)
    settings = Settings(database_url="sqlite://", state_folder=tmp_path, local_accounts=True)
    deps = Deps(settings, clock=SetClock(NOW), worker="w", open_store=lambda: store)
    url, stop = serve_in_thread(create_app(deps), 0)
    yield Service(deps, url)
    stop()
    store.close()


@pytest.fixture
def number(service):
    """A finding at swa."""
    target = registered(service.deps.store, "swa/production")
    (known,) = applied(service.deps.store, target, Step(Event.OPENED, finding()), at=MADE)
    return known.number


def audited(service):
    with service.deps.store.read() as unit:
        return [(each.actor, each.action, each.object) for each in unit.audit.entries()]


def test_who_is_not_signed_in_is_led_to_the_sign_in_and_back(service):
    service.person("carla", Grant(Role.VIEWER, "swa"))
    client = service.browser()
    answer = client.get("/rules?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/rules%3Fx%3D1")
    page = client.get(answer.headers["location"])
    assert 'name="next" value="/rules?x=1"' in page.text
    answer = sign_in(client, "Carla@SWA.example", leads_to="/rules?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/rules?x=1")
    assert "carla" in client.get("/rules").text


def test_programs_are_told_401_and_what_to_send(service):
    for path in ("/api/v1/targets", "/api/v1/nothing"):
        answer = service.browser().get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_the_cookie_cannot_be_read_by_scripts_and_is_bound_to_https_where_that_is_spoken(service):
    service.person("carla")
    client = service.browser()
    told = sign_in(client, "carla").headers["set-cookie"]
    assert told.startswith("smart360=")
    assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=28800"} <= set(told.split("; "))
    settings = service.deps.settings.model_copy(update={"public_url": "https://monitor.example"})
    deps = Deps(settings, service.deps.clock, open_store=lambda: service.deps.store)
    url, stop = serve_in_thread(create_app(deps), 0)
    answer = service.browser().get(f"{url}/sign-in", headers={"Host": "monitor.example"})
    stop()
    assert answer.headers["set-cookie"].startswith("__Host-smart360=")
    assert "Secure" in answer.headers["set-cookie"].split("; ")
    assert "max-age" in answer.headers["strict-transport-security"]


def test_b74_a_session_set_before_the_sign_in_is_not_the_one_after_it(service):
    service.person("carla")
    client = service.browser(cookies={"smart360": "planted-by-somebody-else"})
    assert sign_in(client, "carla").status_code == 303
    assert service.browser(cookies={"smart360": "planted-by-somebody-else"}).get("/").status_code == 303
    assert client.get("/").status_code == 200


def test_b74_a_session_ends_with_the_sign_out_also_for_who_has_stolen_it(service):
    service.person("carla")
    client = service.signed_in("carla")
    stolen = service.browser(cookies=dict(client.cookies))
    assert stolen.get("/").status_code == 200
    assert client.post("/sign-out", data={"csrf": csrf(client)}).headers["location"] == "/sign-in"
    assert stolen.get("/").status_code == 303
    assert client.get("/").status_code == 303


@pytest.mark.parametrize(
    ("steps", "ends"), [([59] * 8, False), ([59] * 8 + [8], True), ([60], True), ([59], False)]
)  # fmt: skip
def test_a_session_lasts_eight_hours_and_one_without_use(service, steps, ends):
    service.person("carla")
    client = service.signed_in("carla")
    for minutes in steps[:-1]:
        service.deps.clock.at += timedelta(minutes=minutes)
        assert client.get("/").status_code == 200
    service.deps.clock.at += timedelta(minutes=steps[-1])
    assert client.get("/").status_code == (303 if ends else 200)


@pytest.mark.parametrize("shown", ["x" * 10_000, "", "ü", "a; b", "0" * 43])
def test_b74_what_is_no_session_opens_nothing(service, shown):
    answer = service.browser().get("/", headers={"Cookie": f"smart360={shown}".encode()})
    assert answer.status_code == 303


def test_b74_a_removed_role_is_gone_with_the_next_request(service, number):
    grant = Grant(Role.CUSTOMER_SUCCESS, "swa")
    service.person("carla", grant)
    client = service.signed_in("carla")
    assert client.get(f"/api/v1/findings/{number}").status_code == 200
    remove("carla", ADMIN, service.deps, grant)
    assert client.get(f"/api/v1/findings/{number}").status_code == 404
    remove("carla", ADMIN, service.deps)
    assert client.get("/").status_code == 303
    assert sign_in(service.browser(), "carla").status_code == 401


def test_a_partner_s_role_ends_at_its_end(service, number):
    service.person("pilar", Grant(Role.VIEWER, "swa", NOW + timedelta(minutes=30)))
    client = service.signed_in("pilar")
    assert client.get("/api/v1/targets/swa/production").status_code == 200
    service.deps.clock.at += timedelta(minutes=30)
    assert client.get("/api/v1/targets/swa/production").status_code == 404


def test_a_role_on_a_group_follows_its_tenants(service, number):
    from dataclasses import replace

    service.person("carla", Grant(Role.VIEWER, "group:northwest"))
    client = service.signed_in("carla")
    assert client.get("/api/v1/targets/swa/production").status_code == 404
    with service.deps.store.write() as unit:
        definition = replace(unit.targets.named("swa/production").definition, groups=("northwest",))
        unit.targets.put("swa", "production", definition, NOW)
    assert client.get("/api/v1/targets/swa/production").status_code == 200


def test_a_form_does_what_it_says_and_shows_its_page_again(service, number):
    service.person("carla", Grant(Role.CUSTOMER_SUCCESS, "swa"))
    client = service.signed_in("carla")
    page = f"{service.url}/targets/swa/production?state=open"
    sent = client.post(
        f"/findings/{number}/acknowledge", data={"csrf": csrf(client), "note": "calling Mei"},
        headers={"Referer": page, "Origin": service.url, "Sec-Fetch-Site": "same-origin"},
    )  # fmt: skip
    assert (sent.status_code, sent.headers["location"]) == (303, "/targets/swa/production?state=open")
    assert client.get(f"/api/v1/findings/{number}").json()["state"] == "acknowledged"
    assert audited(service)[-1] == ("carla", "finding.acknowledge", f"swa/production finding {number}")
    again = client.post(f"/findings/{number}/acknowledge", data={"csrf": csrf(client)})
    assert again.status_code == 409
    assert "It is acknowledged already by carla." in again.text


def test_htmx_sends_the_same_as_a_header(service, number):
    service.person("carla", Grant(Role.CUSTOMER_SUCCESS, "swa"))
    client = service.signed_in("carla")
    sent = client.post(f"/findings/{number}/acknowledge", headers={"HX-CSRF": csrf(client)})
    assert sent.status_code == 303


def forged(service, client, other):
    own = csrf(client)
    return {
        "no token": ({}, {}),
        "an empty one": ({"csrf": ""}, {}),
        "that of somebody else": ({"csrf": csrf(other)}, {}),
        "that of the sign-in page": ({"csrf": csrf(service.browser(), "/sign-in")}, {}),
        "another origin": ({"csrf": own}, {"Origin": "https://evil.example"}),
        "an origin that hides": ({"csrf": own}, {"Origin": "null"}),
        "another site, as the browser says": ({"csrf": own}, {"Sec-Fetch-Site": "cross-site"}),
        "a neighbour's site": ({"csrf": own}, {"Sec-Fetch-Site": "same-site"}),
        "a wrong header beside the right field": ({"csrf": own}, {"HX-CSRF": "x"}),
        "letters that are none": ({"csrf": "é" * 64}, {}),
    }


def test_b62_what_another_site_sends_is_refused(service, number):
    service.person("carla", Grant(Role.CUSTOMER_SUCCESS, "swa"))
    service.person("nisha", Grant(Role.CUSTOMER_SUCCESS, "swa"))
    client, other = service.signed_in("carla"), service.signed_in("nisha")
    for name, (form, headers) in forged(service, client, other).items():
        sent = client.post(f"/findings/{number}/acknowledge", data=form, headers=headers)
        assert (name, sent.status_code) == (name, 403)
    assert client.get(f"/findings/{number}/acknowledge").status_code in (404, 405)
    assert client.get(f"/api/v1/findings/{number}").json()["state"] == "open"


def test_b62_the_sign_in_itself_cannot_be_forged(service):
    service.person("mallory")
    victim = service.browser()
    victim.get("/sign-in")
    for form in ({}, {"csrf": csrf(service.browser(), "/sign-in")}):
        answer = victim.post("/sign-in", data={"login": "mallory", "password": PASSWORD, **form})
        assert answer.status_code == 403
    assert victim.get("/").status_code == 303


def test_b75_the_same_words_whether_name_or_password_is_wrong(service):
    service.person("carla")
    tries = ("carla", "wrong"), ("nobody", "wrong"), ("nobody", PASSWORD)
    told = [sign_in(service.browser(), *each) for each in tries]
    assert {answer.status_code for answer in told} == {401}
    assert all("E-mail or password is wrong." in answer.text for answer in told)
    refused = [each for each in audited(service) if each[1] == "sign_in.refused"]
    assert [actor for actor, _, _ in refused] == ["carla", "unknown", "unknown"]


def test_b75_who_is_unknown_takes_the_same_work_as_who_is_known(service, monkeypatch):
    """Counted, not timed: one verification of argon2 with the same costs each."""
    import argon2

    service.person("carla")
    sign_in(service.browser(), "nobody", "wrong")
    costs = []
    verify = argon2.PasswordHasher.verify
    monkeypatch.setattr(
        argon2.PasswordHasher, "verify",
        lambda self, hashed, given: costs.append(argon2.extract_parameters(hashed)) or verify(self, hashed, given),
    )  # fmt: skip
    sign_in(service.browser(), "carla", "wrong")
    sign_in(service.browser(), "nobody", "wrong")
    assert len(costs) == 2
    assert costs[0] == costs[1]


@pytest.mark.parametrize("login", ["carla", "nobody"])
def test_b75_the_eleventh_try_is_not_heard_and_the_minutes_left_are_said(service, login):
    service.person("carla")
    client = service.browser()
    for _ in range(10):
        assert sign_in(client, login, "wrong").status_code == 401
        service.deps.clock.at += timedelta(seconds=10)
    service.deps.clock.at += timedelta(minutes=2)
    answer = sign_in(client, login)
    assert answer.status_code == 429
    assert "Locked for 12 more minutes." in answer.text
    service.deps.clock.at = NOW + timedelta(minutes=15)
    assert sign_in(client, login).status_code == (303 if login == "carla" else 401)


def test_an_address_that_tries_many_names_is_slowed_and_a_right_password_begins_anew(service):
    service.person("carla")
    client = service.browser()
    for each in range(9):
        assert sign_in(client, f"nobody{each}").status_code == 401
    assert sign_in(client, "carla").status_code == 303
    for each in range(10):
        assert sign_in(service.browser(), f"somebody{each}").status_code == 401
    answer = sign_in(service.browser(), "carla")
    assert answer.status_code == 429
    assert "Locked for 1 more minute." in answer.text


def test_nobody_fills_the_audit_log_with_refusals(service):
    service.person("carla")
    client = service.browser()
    before = len(audited(service))
    for each in range(100):
        service.deps.clock.at += timedelta(seconds=7)
        sign_in(client, f"nobody{each}", "wrong")
    assert len(audited(service)) - before == 10


@pytest.mark.parametrize(
    "leads_to",
    ["https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil", "javascript:alert(1)", "", "x",
     "/\t/evil.example", "/ok\r\nSet-Cookie: a=b", "///evil.example", "/%0d%0a\x00"],
)  # fmt: skip
def test_b65_the_way_after_the_sign_in_never_leads_to_another_site(service, leads_to):
    service.person("carla")
    answer = sign_in(service.browser(), "carla", leads_to=leads_to)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_b65_a_page_from_another_site_is_not_gone_back_to(service, number):
    service.person("carla", Grant(Role.CUSTOMER_SUCCESS, "swa"))
    client = service.signed_in("carla")
    for referer in ("https://evil.example/x", "//evil.example", f"{service.url}//evil.example"):
        sent = client.post(
            f"/findings/{number}/acknowledge", data={"csrf": csrf(client)}, headers={"Referer": referer}
        )  # fmt: skip
        assert sent.headers.get("location", "/") == "/"


def test_a_part_of_a_page_sends_the_whole_page_to_the_sign_in(service):
    told = service.browser().get(
        "/rules", headers={"HX-Request": "true", "HX-Current-URL": f"{service.url}/targets/swa/production"}
    )  # fmt: skip
    assert (told.status_code, told.headers["hx-redirect"]) == (401, "/sign-in?next=/targets/swa/production")


def test_who_may_look_only_is_told_so_and_whom_to_ask(service, number):
    service.person("carla", Grant(Role.VIEWER, "swa"))
    client = service.signed_in("carla")
    answer = client.post(f"/findings/{number}/acknowledge", data={"csrf": csrf(client)})
    assert answer.status_code == 403
    assert "You can look, not act, on swa." in answer.text
    assert "ask an admin for the role customer success or onboarding lead or admin" in answer.text
    assert audited(service)[-1] == ("carla", "request.denied", "act on findings on swa")


def test_b61_a_token_opens_what_its_scopes_say_until_its_end_or_until_it_is_revoked(service, number):
    sees = service.token("reader", Right.SEE, tenants=frozenset({"swa"}))
    scrapes = service.token("prometheus", Right.METRICS)
    path = f"/api/v1/findings/{number}"
    client = service.browser()
    assert client.get(path, headers=sees).status_code == 200
    assert client.get(path, headers=scrapes).status_code == 404
    with service.deps.store.read() as unit:
        assert {each.name: each.used_at for each in unit.people.tokens()} == {"prometheus": NOW, "reader": NOW}
    sent = client.post(f"/findings/{number}/acknowledge", headers=sees)
    assert sent.status_code == 403
    revoke_token("reader", ADMIN, service.deps)
    assert client.get(path, headers=sees).status_code == 401
    assert client.get("/api/v1/targets", headers=scrapes).json()["targets"] == []
    service.deps.clock.at += timedelta(days=30)
    assert client.get("/api/v1/targets", headers=scrapes).status_code == 401


@pytest.mark.parametrize("shown", ["Bearer x", "Bearer", "bearer s360_", "Bearer eyJhbGciOiJub25lIn0.e30."])
def test_b61_what_is_no_token_opens_nothing_not_even_what_visitors_see(service, shown):
    for path in ("/", "/healthz", "/metrics", "/api/v1/targets"):
        assert service.browser().get(path, headers={"Authorization": shown}).status_code == 401
    assert service.browser().get("/api/v1/targets?token=s360_x&access_token=s360_x").status_code == 401


def test_b61_a_token_of_another_installation_is_none_here(service, tmp_path):
    from monitor.people import actor_of_token

    token = service.token("reader", Right.SEE)["Authorization"].removeprefix("Bearer ")
    other = Deps(Settings(state_folder=tmp_path / "other"), service.deps.clock, open_store=lambda: service.deps.store)
    assert actor_of_token(token, service.deps) is not None
    assert actor_of_token(token, other) is None


def test_metrics_are_open_to_this_machine_alone_and_else_need_their_right(service):
    client = service.browser()
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", headers={"X-Forwarded-For": "10.0.0.1"}).status_code == 401
    url, stop = serve_in_thread(create_app(service.deps, on_loopback=False), 0)
    service.person("carla", Grant(Role.VIEWER, "*"))
    elsewhere = Service(service.deps, url)
    assert elsewhere.browser().get("/metrics").status_code == 401
    assert elsewhere.signed_in("carla").get("/metrics").status_code == 403
    assert elsewhere.browser().get("/metrics", headers=service.token("p", Right.METRICS)).status_code == 200
    assert elsewhere.browser().get("/metrics", headers=service.token("r", Right.SEE)).status_code == 403
    stop()


def test_visitors_look_only_where_settings_let_them_and_never_through_a_proxy(service):
    settings = service.deps.settings.model_copy(update={"sign_in": "optional"})
    deps = Deps(settings, service.deps.clock, open_store=lambda: service.deps.store)
    url, stop = serve_in_thread(create_app(deps), 0)
    client = Service(deps, url).browser()
    assert client.get("/").status_code == 200
    assert 'href="/sign-in">Sign in' in client.get("/").text
    assert client.get("/", headers={"X-Forwarded-For": "10.0.0.1"}).status_code == 303
    assert client.post("/findings/2222/acknowledge").status_code == 403
    stop()
    url, stop = serve_in_thread(create_app(deps, on_loopback=False), 0)
    assert Service(deps, url).browser().get("/").status_code == 303
    stop()
