"""Who may do what, over every route of the router itself (T9): each route × each role × own, other and no tenant.

A new route needs a row in NEEDS: for each method the right it needs. What may not even be seen answers the bytes of
what does not exist.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.routing import iter_route_contexts

from baselines.writer import write_configuration
from monitor.access import RIGHTS, TOKEN_RIGHTS, Grant, Right, Role, on_host
from monitor.approval import approve, propose_baseline, review_of
from monitor.clock import SetClock
from monitor.deps import Deps
from monitor.settings import Settings
from monitor.store.unit import Store
from monitor.sweep import sweep
from monitor.target import Definition
from monitor.waivers import ask_waiver
from monitor.web.app import create_app, serve_in_thread
from rules.findings import Kind
from rules.fleet import Cause
from tests.monitor.web.signing import Service, csrf
from tests.reliability.test_process import exports
from tests.support import CATALOGUE, configuration, swa

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
ANYBODY = "anybody"  #: also who is not signed in
LINK = "has the link"  #: test_gap_list
SIGNED_IN = "signed in"  #: whoever is; shows what of it is his
API, TARGET = "/api/v1", "/targets/{tenant}/{environment}"

DECIDE = "decide"  #: the right to propose, of a person
#: Path template → method → what it needs.
NEEDS: dict[str, dict[str, Right | str]] = {
    "/": {"GET": SIGNED_IN},
    "/rules": {"GET": SIGNED_IN},
    TARGET: {"GET": Right.SEE},
    f"{TARGET}/plan": {"GET": Right.SEE},
    **{
        f"{TARGET}/{tab}": {"GET": Right.SEE}
        for tab in ("findings", "drift", "rules", "baselines", "history", "reading")
    },
    f"{TARGET}/events": {"GET": Right.SEE},
    "/events": {"GET": SIGNED_IN},
    "/findings": {"GET": SIGNED_IN},
    "/findings/{number}": {"GET": Right.SEE},
    "/baselines": {"GET": SIGNED_IN},
    "/search": {"GET": SIGNED_IN},
    "/keyboard": {"GET": SIGNED_IN},
    "/rules/coverage": {"GET": SIGNED_IN},
    **{
        f"/findings/{{number}}/{act}": {"POST": Right.ACT}
        for act in ("acknowledge", "snooze", "note", "reopen", "assign")
    },
    "/findings/{number}/expect": {"POST": Right.ACT},
    "/findings/{number}/waiver": {"POST": Right.PROPOSE},
    "/settings/waivers": {"GET": SIGNED_IN},
    "/settings/waivers/{waiver}/approve": {"POST": Right.APPROVE},
    "/settings/waivers/{waiver}/refuse": {"POST": Right.APPROVE},
    "/settings/waivers/{waiver}/end": {"POST": Right.PROPOSE},
    f"{TARGET}/gap-list": {"GET": Right.SEE, "POST": Right.PROPOSE},
    f"{TARGET}/gap-list/{{share}}/end": {"POST": Right.PROPOSE},
    "/shared/{secret}": {"GET": LINK},
    "/fleet-events/{event}": {"GET": Right.SEE},
    "/fleet-events/{event}/acknowledge": {"POST": Right.ACT},
    "/proposals/{proposal}": {"GET": Right.SEE},
    **{f"/proposals/{{proposal}}/{act}": {"POST": DECIDE}
       for act in ("decide", "decide-group", "hand-over", "send-back")},
    "/proposals/{proposal}/comment": {"POST": Right.ACT},
    **{f"/proposals/{{proposal}}/{act}": {"POST": Right.APPROVE} for act in ("approve", "reject")},
    "/proposals/{proposal}/carry": {"POST": Right.PROPOSE},
    **{f"{TARGET}/{act}": {"POST": Right.PROPOSE} for act in ("propose", "rollback")},
    "/sign-in": {"GET": ANYBODY, "POST": ANYBODY},
    "/sign-in/sso": {"POST": ANYBODY},
    "/sign-in/back": {"GET": ANYBODY},
    "/sign-out": {"POST": SIGNED_IN},
    "/metrics": {"GET": Right.METRICS},
    "/healthz": {"GET": ANYBODY},
    "/readyz": {"GET": ANYBODY},
    f"{API}/openapi.json": {"GET": SIGNED_IN},
    f"{API}/targets": {"GET": SIGNED_IN},
    f"{API}{TARGET}": {"GET": Right.SEE},
    f"{API}{TARGET}/findings": {"GET": Right.SEE},
    f"{API}{TARGET}/plan": {"GET": Right.SEE},
    f"{API}/findings": {"GET": SIGNED_IN},
    f"{API}/findings/{{number}}": {"GET": Right.SEE},
    f"{API}{TARGET}/as-of": {"GET": Right.SEE},
    f"{API}{TARGET}/compare": {"GET": Right.SEE},
    f"{API}{TARGET}/baselines": {"GET": Right.SEE},
    f"{API}{TARGET}/acts": {"GET": Right.SEE},
    f"{API}{TARGET}/proposals": {"GET": Right.SEE, "POST": Right.PROPOSE},
    f"{API}{TARGET}/rollbacks": {"POST": Right.PROPOSE},
    f"{API}{TARGET}/sweeps": {"POST": Right.SWEEP},
    **{f"{API}/findings/{{number}}/{act}": {"POST": Right.ACT}
       for act in ("acknowledge", "assign", "snooze", "expect", "notes", "reopen", "marks")},
    f"{API}/findings/{{number}}/waivers": {"POST": Right.PROPOSE},
    f"{API}/fleet-events": {"GET": SIGNED_IN},
    f"{API}/fleet-events/{{event}}": {"GET": Right.SEE},
    f"{API}/fleet-events/{{event}}/acknowledge": {"POST": Right.ACT},
    f"{API}/waivers": {"GET": SIGNED_IN, "POST": Right.PROPOSE},
    f"{API}/waivers/{{waiver}}": {"GET": Right.SEE},
    f"{API}/waivers/{{waiver}}/approve": {"POST": Right.APPROVE},
    f"{API}/waivers/{{waiver}}/refuse": {"POST": Right.APPROVE},
    f"{API}/waivers/{{waiver}}/end": {"POST": Right.PROPOSE},
    f"{API}/proposals/{{proposal}}": {"GET": Right.SEE},
    f"{API}/proposals/{{proposal}}/comments": {"POST": Right.ACT},
    **{f"{API}/proposals/{{proposal}}/{act}": {"POST": DECIDE} for act in ("decisions", "hand-over", "send-back")},
    **{f"{API}/proposals/{{proposal}}/{act}": {"POST": Right.APPROVE} for act in ("approve", "reject")},
    f"{API}/people": {"GET": Right.ADMINISTER, "POST": Right.ADMINISTER},
    **{f"{API}/people/{{name}}/{act}": {"POST": Right.ADMINISTER} for act in ("grants", "grants/remove", "remove")},
    f"{API}/tokens": {"GET": Right.ADMINISTER, "POST": Right.ADMINISTER},
    f"{API}/tokens/{{name}}/revoke": {"POST": Right.ADMINISTER},
    f"{API}/me": {"GET": SIGNED_IN},
    f"{API}/me/tokens": {"POST": SIGNED_IN},
    f"{API}/audit": {"GET": SIGNED_IN},
}  # fmt: skip
#: What is sent with a write of the API, by the end of its path.
BODIES = {
    "assign": {"to": "mei"}, "snooze": {"until": "7d"}, "expect": {"until": "7d", "ticket": "CHG-1"},
    "notes": {"note": "seen"}, "marks": {"mark": "useful"}, "approve": {"digest": "b3:000000000000"},
    "waivers": {"reason": "the council decides in January", "until": "30d"}, "send-back": {"reason": "no"},
    "rollbacks": {"version": 1, "reason": "no"},
    "decisions": {"decisions": []}, "comments": {"text": "why?"}, "people": {"name": "new"},
    "grants": {"role": "customer success", "on": "swa"}, "grants/remove": {"role": "viewer", "on": "swa"},
    "tokens": {"name": "new", "scopes": ["see"], "ends_at": "2027-01-31T00:00:00Z"},
    "me/tokens": {"name": "mine", "ends_at": "2027-01-31T00:00:00Z"}, "waivers/{waiver}/approve": {},
}  # fmt: skip
QUERIES = {f"{API}{TARGET}/as-of": {"at": "now"}, f"{API}{TARGET}/compare": {"old": "baseline:1"}}
EVERYWHERE = (Right.METRICS, Right.ADMINISTER)  #: rights that are of no tenant
#: Fields that any of the forms needs; those it does not know are ignored.
FORM = {"note": "seen", "until": "2026-11-26T08:00:00+00:00", "to": "carla", "days": "7", "decision": "accept"}
#: And what some of them need in another form.
FORMS = {
    "expect": {"until": "2026-11-27", "ticket": "CHG-1"},
    "waiver": {"ends": "2026-12-15", "reason": "The holiday list follows in December."},
}
TENANTS = ("swa", "cbe", "zzz")  #: one's own, another's, nobody's
TOKEN = "token"
WHO = ("nobody", *Role, TOKEN)


@dataclass
class Matrix:
    """A running service with two tenants, somebody for each role on the first, and what of each tenant is asked for."""

    service: Service
    app: object
    numbers: dict[str, str]
    others: dict[str, dict[str, int | str]]  #: further names in paths, by tenant
    clients: dict[str, object]
    tokens: dict[str, str]

    def path(self, template: str, tenant: str) -> str:
        return template.format(
            tenant=tenant, environment="production", number=self.numbers[tenant], **self.others[tenant]
        )  # fmt: skip

    def ask(self, who: str, method: str, template: str, tenant: str):
        sent = {"params": QUERIES.get(template)}
        if method != "GET" and template.startswith(API):
            end = max((each for each in BODIES if template.endswith(f"/{each}")), key=len, default="")
            wide = {"targets": [f"{tenant}/production"], "rule": "*"} if template == f"{API}/waivers" else {}
            sent = {"json": BODIES.get(end, {}) | wide, "headers": {"HX-CSRF": self.tokens[who]}}
        elif method != "GET":
            own = FORMS.get(template.rsplit("/", 1)[-1], {})
            sent = {"data": {**FORM, **own, "csrf": self.tokens[who]}}
        return self.clients[who].request(method, self.path(template, tenant), **sent)

    def bytes_of(self, answer, template: str, tenant: str) -> bytes:
        """The answer without what was asked for, which who asks knows."""
        told, others = answer.content.replace(self.path(template, tenant).encode(), b"PATH"), self.others[tenant]
        asked = [f"{tenant}/production", self.numbers[tenant], f"fleet-{others['event']}"]
        for each in [*asked, *(f"{name} {others[name]}" for name in ("proposal", "waiver"))]:
            told = told.replace(each.encode(), b"WHAT")
        return told


@pytest.fixture(scope="module")
def matrix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("matrix")
    store = Store.open(f"sqlite:///{folder / 'monitor.db'}", migrate=True)
    settings = Settings(database_url="sqlite://", state_folder=folder, local_accounts=True)
    deps = Deps(settings, clock=SetClock(NOW), worker="w", open_store=lambda: store)
    numbers = {"zzz": "ZZZZ"}
    others = {
        each: {"proposal": 999, "waiver": 999, "event": 999, "share": 999, "secret": "x", "name": f"of-{each}"}
        for each in TENANTS
    }
    cause = Cause(Kind.DRIFT, "", "changed", "utility", "name")
    changed = swa()
    changed["utility"][0]["name"] = "Another name"
    for tenant in ("swa", "cbe"):
        (folder / tenant).mkdir()
        source = exports(folder / tenant)
        with store.write() as unit:
            definition = Definition(source="files", folder=str(source), time_zone="UTC", schedule="every 6h")
            target, _ = unit.targets.put(tenant, "production", definition, NOW)
        sweep(target, NOW, deps)
        proposal = propose_baseline(target, on_host("olga"), deps)
        with store.read() as unit:
            digest = review_of(proposal, deps, unit).digest
        approve(proposal, digest, on_host("nisha"), deps)
        (source / "swa.yaml").write_bytes(write_configuration(configuration(changed), CATALOGUE))
        sweep(target, NOW + timedelta(hours=6), deps)
        with store.read() as unit:
            ((_, known),) = unit.findings.open(target)
        numbers[tenant] = known.number
        asked = ask_waiver(known.number, "the council decides in January", NOW + timedelta(30), on_host("olga"), deps)
        others[tenant] |= {"proposal": propose_baseline(target, on_host("olga"), deps).id, "waiver": asked.number}
        with store.write() as unit:
            others[tenant]["share"] = unit.shares.add(target.name, tenant, "olga", NOW, NOW + timedelta(30))
            others[tenant]["event"] = unit.fleet.make(cause, "operators", NOW)
            unit.fleet.appeared({known.id: cause}, NOW)
            unit.fleet.join(others[tenant]["event"], [known.id])
    app = create_app(deps, on_loopback=False)
    url, stop = serve_in_thread(app, 0)
    service = Service(deps, url)
    clients = {"nobody": service.browser(), TOKEN: service.browser()}
    clients[TOKEN].headers.update(service.token("t", *(TOKEN_RIGHTS - {Right.METRICS, Right.APPLY}),
                                                tenants=frozenset({"swa"})))  # fmt: skip
    for each in TENANTS:
        service.person(f"of-{each}", Grant(Role.VIEWER, "swa"))
        service.token(f"of-{each}", Right.SEE)
    for role in Role:
        name = role.replace(" ", "-")
        service.person(name, Grant(role, "*" if role is Role.ADMIN else "swa"))
        clients[role] = service.signed_in(name)
    tokens = {who: csrf(client) for who, client in clients.items()}
    yield Matrix(service, app, numbers, others, clients, tokens)
    stop()
    store.close()


def routes(app):
    """(template, method) of everything the application answers."""
    for each in iter_route_contexts(app.routes):
        for method in sorted(getattr(each, "methods", None) or ()):
            if method != "HEAD":
                yield each.path, method


def test_every_route_has_its_row_and_every_row_its_route(matrix):
    rows = {(path, method) for path, methods in NEEDS.items() for method in methods}
    assert set(routes(matrix.app)) == rows


def expected(who: str, need: Right | str, tenant: str, method: str) -> str:
    """What the answer is, in a word."""
    if need == LINK:
        return "nothing"
    if need == ANYBODY:
        return "done"
    if who == "nobody":
        return "sign in"
    if need == SIGNED_IN:
        return "done"
    rights = (TOKEN_RIGHTS - {Right.METRICS, Right.APPLY}) if who == TOKEN else RIGHTS[Role(who)]
    if need in EVERYWHERE:
        return "done" if need in rights else "refused"
    if tenant == "zzz" or (tenant == "cbe" and who != Role.ADMIN):
        return "nothing"
    if need == DECIDE:
        return "done" if Right.PROPOSE in rights and who != TOKEN else "refused"
    return "done" if need in rights else "refused"


def word(answer) -> str:
    if answer.status_code == 401 or answer.headers.get("location", "").startswith("/sign-in?"):
        return "sign in"
    is_start = answer.status_code == 303 and answer.headers["location"] == "/sign-in"
    if is_start and answer.request.url.path == "/":
        return "sign in"
    return {403: "refused", 404: "nothing"}.get(answer.status_code, "done")


ROWS = [(path, method, need) for path, methods in NEEDS.items() for method, need in methods.items()]
PAST = ("/sign-in/sso", "/sign-in", "/sign-out", "/sign-in/back")  #: they change who asks: test_session, test_oidc


@pytest.mark.parametrize(
    ("path", "method", "need"), [row for row in ROWS if row[0] not in PAST], ids=lambda each: str(each)
)  # fmt: skip
def test_each_answers_by_the_right_it_needs(matrix, path, method, need):
    for who in WHO:
        answers = {tenant: matrix.ask(who, method, path, tenant) for tenant in TENANTS}
        for tenant, answer in answers.items():
            assert answer.status_code < 500
            assert (who, tenant, word(answer)) == (who, tenant, expected(who, need, tenant, method)), answer.text[:500]
        if need not in (ANYBODY, SIGNED_IN, *EVERYWHERE) and who not in ("nobody", Role.ADMIN):
            other, nobodys = (matrix.bytes_of(answers[each], path, each) for each in ("cbe", "zzz"))
            assert other == nobodys, "what is another's must look like what does not exist"
            headers = [set(answers[each].headers.items()) for each in ("cbe", "zzz")]
            assert {name for name, _ in headers[0] ^ headers[1]} <= {"date", "content-length"}


@pytest.mark.parametrize("path", [path for path, methods in NEEDS.items() if set(methods.values()) == {SIGNED_IN}])
def test_what_everybody_may_open_tells_nobody_of_another_tenant(matrix, path):
    if "GET" not in NEEDS[path]:
        return
    for who in WHO[1:]:
        told = matrix.ask(who, "GET", path, "swa").content
        if path == f"{API}/audit":  # what one asked for oneself, and was refused, is one's own to read
            entries = json.loads(told)["entries"]
            told = json.dumps([each for each in entries if each["action"] != "request.denied"]).encode()
            told = re.sub(rb"[0-9a-f]{32,}", b"HEX", told)  # digests and signatures may spell anything
        if who != Role.ADMIN:
            assert b"cbe" not in told
            assert matrix.numbers["cbe"].encode() not in told


def test_what_no_route_answers_needs_somebody_too(matrix):
    assert matrix.clients["nobody"].get("/nothing").headers["location"] == "/sign-in?next=/nothing"
    assert matrix.clients["nobody"].get("/api/v1/nothing").status_code == 401
    assert matrix.clients["nobody"].post("/nothing").status_code == 401
    assert matrix.clients[Role.VIEWER].get("/nothing").status_code == 404


def test_b63_fields_that_were_added_by_hand_are_ignored(matrix):
    """B63: who acts is who is signed in, whatever the form says."""
    sent = matrix.clients[Role.VIEWER].post(
        matrix.path("/findings/{number}/acknowledge", "swa"),
        data={"csrf": matrix.tokens[Role.VIEWER], "role": "admin", "actor": "admin", "by": "admin"},
    )  # fmt: skip
    assert sent.status_code == 403
