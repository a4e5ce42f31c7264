"""Single sign-on through a real provider over HTTP, and what a forged or confused one gets."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import httpx
import oidc_provider_mock
import pytest
from fastapi import FastAPI, Form
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from monitor.access import Role, on_host
from monitor.clock import SetClock
from monitor.deps import Deps
from monitor.errors import NotSignedIn
from monitor.oidc import begin, finish
from monitor.people import back_from_sign_on, remove
from monitor.settings import Settings
from monitor.store.unit import Store
from monitor.web.app import create_app, serve_in_thread
from tests.monitor.web.signing import Service, csrf

GROUPS = {"leads": "onboarding lead on swa, viewer on group:northwest", "care": "customer success on *"}


@pytest.fixture(scope="module")
def issuer():
    with oidc_provider_mock.run_server_in_thread() as provider:
        yield f"http://localhost:{provider.server_port}"


@pytest.fixture
def service(tmp_path, issuer):
    store = Store.open(f"sqlite:///{tmp_path / 'monitor.db'}", migrate=True)
    (tmp_path / "client").write_text("client secret")
    settings = Settings(
        database_url="sqlite://", state_folder=tmp_path, oidc_issuer=issuer, oidc_client_id="monitor",
        oidc_client_secret=f"file:{tmp_path / 'client'}", oidc_groups=GROUPS,
    )  # fmt: skip
    deps = Deps(settings, clock=SetClock(datetime.now(UTC)), worker="w", open_store=lambda: store)
    url, stop = serve_in_thread(create_app(deps), 0)
    yield Service(deps, url)
    stop()
    store.close()


def user(issuer, subject, **claims):
    httpx.put(f"{issuer}/users/{subject}", json=claims, trust_env=False).raise_for_status()


def started(client, leads_to="/"):
    """The issuer's address, to which the sign-in sends the browser."""
    answer = client.post("/sign-in/sso", data={"csrf": csrf(client, "/sign-in"), "next": leads_to})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def came_back(client, subject, leads_to="/"):
    """The way back, after the person signed in at the issuer."""
    sent = httpx.post(started(client, leads_to), data={"sub": subject}, trust_env=False)
    return sent.headers["location"]


def rights(service):
    with service.deps.store.read() as unit:
        return [(each.name, each.shown, each.subject) for each in unit.people.all()]


def test_a_person_signs_in_and_groups_give_roles(service, issuer):
    user(issuer, "o1", email="Olga@swa.example", email_verified=True, name="Olga Brandt", groups=["leads", "others"])
    client = service.browser()
    asked = dict(parse_qsl(urlsplit(started(client)).query))
    assert asked["code_challenge_method"] == "S256"
    assert {"state", "nonce", "code_challenge"} <= set(asked)
    answer = client.get(came_back(client, "o1", "/rules"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/rules")
    assert "Olga Brandt" in client.get("/").text
    assert rights(service) == [("olga@swa.example", "Olga Brandt", f"{issuer} o1")]
    denied = client.post("/findings/2222/acknowledge", data={"csrf": csrf(client)})
    assert denied.status_code == 404


def test_what_a_group_gives_can_be_done(service, issuer):
    from monitor.people import actor_of_session

    user(issuer, "c1", email="carla@swa.example", email_verified=True, groups=["care"])
    client = service.browser()
    client.get(came_back(client, "c1"))
    actor = actor_of_session(client.cookies["smart360"], service.deps)
    from monitor.access import RIGHTS

    assert actor.rights == {"*": RIGHTS[Role.CUSTOMER_SUCCESS]}


def test_an_address_the_issuer_has_not_verified_names_nobody(service, issuer):
    service.person("carla")
    user(issuer, "evil", email="carla@swa.example", email_verified=False)
    client = service.browser()
    client.get(came_back(client, "evil"))
    assert [each for each in rights(service) if each[2]] == [(f"{issuer} evil", "evil", f"{issuer} evil")]


def test_two_subjects_never_share_a_name_and_a_known_address_is_the_person_known(service, issuer):
    service.person("carla")
    for subject, code in (("c2", 303), ("c3", 400)):
        user(issuer, subject, email="carla@swa.example", email_verified=True)
        client = service.browser()
        assert client.get(came_back(client, subject)).status_code == code
    assert rights(service) == [("carla", "carla@swa.example", f"{issuer} c2")]


def test_who_was_removed_stays_out(service, issuer):
    user(issuer, "p1", email="pilar@swa.example", email_verified=True)
    client = service.browser()
    client.get(came_back(client, "p1"))
    remove("pilar@swa.example", on_host("root"), service.deps)
    assert client.get("/").status_code == 303
    answer = client.get(came_back(client, "p1"))
    assert (answer.status_code, "was removed" in answer.text) == (400, True)


def forged(good):
    """Ways back that are not the one this browser is to come."""
    return {
        "no state": {name: value for name, value in good.items() if name != "state"},
        "another state": {**good, "state": "x" * 43},
        "another issuer": {**good, "iss": "https://evil.example"},
        "no code": {"state": good["state"]},
        "refused there": {"state": good["state"], "error": "access_denied"},
        "another code": {**good, "code": "x" * 20},
    }


def test_b73_a_forged_way_back_signs_nobody_in(service, issuer):
    user(issuer, "o1", email="olga@swa.example", email_verified=True)
    for name in forged({"state": "", "code": ""}):
        client = service.browser()
        good = dict(parse_qsl(urlsplit(came_back(client, "o1")).query))
        answer = client.get("/sign-in/back", params=forged(good)[name])
        assert (name, answer.status_code) == (name, 400)
        assert "Sign in" in answer.text
        assert (name, client.get("/").status_code) == (name, 303)
        assert client.get("/sign-in/back", params=good).status_code == 400, "a way back is gone once"


def test_b73_the_way_back_works_once_in_the_browser_that_began_and_within_ten_minutes(service, issuer):
    user(issuer, "o1", email="olga@swa.example", email_verified=True)
    client = service.browser()
    back = came_back(client, "o1")
    assert service.browser().get(back).status_code == 400
    copy = service.browser(cookies=dict(client.cookies))
    assert client.get(back).status_code == 303
    assert back_from_sign_on(copy.cookies["smart360"], service.deps) is None
    assert copy.get(back).status_code == 400
    late = service.browser()
    back = came_back(late, "o1")
    service.deps.clock.at += timedelta(minutes=10)
    assert late.get(back).status_code == 400


def test_a_session_on_its_way_is_none_yet(service, issuer):
    client = service.browser()
    started(client)
    assert client.get("/").status_code == 303


def test_an_issuer_that_does_not_answer_is_said(tmp_path):
    settings = Settings(state_folder=tmp_path, oidc_issuer="http://localhost:9", oidc_client_id="monitor")
    with pytest.raises(NotSignedIn, match="not answering"):
        begin(settings, "http://127.0.0.1/sign-in/back", "/")


KEY, OTHER = RSAKey.generate_key(2048, {"kid": "1"}), RSAKey.generate_key(2048, {"kid": "1"})


@contextmanager
def dishonest():
    """An issuer whose ID token the test sets."""
    app, said = FastAPI(), {}

    @app.get("/.well-known/openid-configuration")
    def described():
        base = said["issuer"]
        return {"issuer": base, "authorization_endpoint": f"{base}/a", "token_endpoint": f"{base}/t",
                "jwks_uri": f"{base}/k"}  # fmt: skip

    @app.get("/k")
    def keys():
        return {"keys": [KEY.as_dict(private=False)]}

    @app.post("/t")
    def token(code_verifier: str = Form()):
        said["verifier"] = code_verifier
        return {"access_token": "a", "token_type": "Bearer", "id_token": said["token"]}

    url, stop = serve_in_thread(app, 0)
    said["issuer"] = url
    yield said
    stop()


@pytest.fixture(scope="module")
def issued():
    with dishonest() as said:
        yield said


NOW = datetime.now(UTC)


def id_token(issued, start, header=None, key=KEY, **changed):
    claims = {"iss": issued["issuer"], "sub": "1", "aud": "monitor", "nonce": start.nonce,
              "iat": int(NOW.timestamp()), "exp": int(NOW.timestamp()) + 600, **changed}  # fmt: skip
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(header or {"alg": "RS256", "kid": "1"}, claims, key, algorithms=["RS256", "HS256", "none"])


@pytest.mark.parametrize(
    "changed",
    [
        {"nonce": "x"}, {"nonce": None}, {"aud": "another"}, {"aud": ["another"]}, {"iss": "https://evil.example"},
        {"exp": int(NOW.timestamp()) - 120}, {"exp": None}, {"sub": None}, {"key": OTHER}, {"azp": "another"},
        {"header": {"alg": "none"}},
        {"header": {"alg": "HS256", "kid": "1"}, "key": OctKey.generate_key(256)},
    ],
    ids=lambda each: " ".join(each),
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_b73_an_id_token_that_is_not_for_us_now_and_from_the_issuer_proves_nothing(issued, tmp_path, changed):
    settings = Settings(state_folder=tmp_path, oidc_issuer=issued["issuer"], oidc_client_id="monitor")
    start, _ = begin(settings, "http://127.0.0.1/sign-in/back", "/")
    answer = {"state": start.state, "code": "c"}
    issued["token"] = id_token(issued, start)
    assert finish(settings, "http://127.0.0.1/sign-in/back", start, answer, NOW).subject == f"{issued['issuer']} 1"
    assert issued["verifier"] == start.verifier
    issued["token"] = id_token(issued, start, **changed)
    with pytest.raises(NotSignedIn, match="did not prove"):
        finish(settings, "http://127.0.0.1/sign-in/back", start, answer, NOW)
