"""The API over real HTTP: the same items as the command line, pages by cursor, problems as RFC 9457."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from baselines.writer import write_configuration
from monitor.access import on_host
from monitor.approval import approve, propose_baseline, review_of
from monitor.clock import SetClock
from monitor.demo import incidents
from monitor.deps import Deps
from monitor.settings import Settings
from monitor.store.unit import Store
from monitor.sweep import sweep
from monitor.web.app import HEADERS, create_app, serve_in_thread
from rules.findings import Kind
from rules.fleet import Cause
from tests.command import command
from tests.reliability.test_process import registered
from tests.stories.test_check import applied
from tests.support import CATALOGUE, configuration, swa

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
TARGET = "/api/v1/targets/swa/production"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A store in which SWA has a baseline and a week of incidents, and its API."""
    home = tmp_path_factory.mktemp("api")
    url = f"sqlite:///{home / 'monitor.db'}"
    store = Store.open(url, migrate=True)
    deps = Deps(Settings(database_url=url, state_folder=home / "state"), SetClock(NOW), "w", open_store=lambda: store)
    target = registered(store, home)
    sweep(target, NOW, deps)
    proposal = propose_baseline(target, on_host("olga"), deps)
    with store.read() as unit:
        digest = review_of(proposal, deps, unit).digest
    approve(proposal, digest, on_host("nisha"), deps)
    raw = swa()
    for incident in incidents():
        raw = applied(raw, incident.changes)
    (home / "exports" / "swa.yaml").write_bytes(write_configuration(configuration(raw), CATALOGUE))
    sweep(target, NOW + timedelta(hours=6), deps)
    address, stop = serve_in_thread(create_app(deps), 0)
    with httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
        yield client, home, url, deps
    stop()
    store.close()


def told(installed, *words):
    """What the command line says of the same store."""
    _, home, url, _ = installed
    return command(home, *words, "--output", "json", SMART360_DATABASE_URL=url)


def whole(client, path, noun, limit):
    """All items of a list, page by page."""
    items, cursor = [], ""
    while True:
        page = client.get(path, params={"limit": limit, **({"cursor": cursor} if cursor else {})}).json()
        assert len(page[noun]) <= limit
        items += page[noun]
        cursor = page["next_cursor"]
        if cursor is None:
            return items


def test_items_are_those_of_the_command_line(installed):
    client = installed[0]
    listed = told(installed, "findings", "list", "swa/production").report["findings"]
    assert len(listed) > 50
    assert whole(client, f"{TARGET}/findings", "findings", 20) == listed
    assert client.get("/api/v1/targets").json()["targets"] == told(installed, "tenant", "list").report["tenants"]
    assert client.get(TARGET).json() == told(installed, "tenant", "show", "swa/production").report["tenant"]
    plan = told(installed, "findings", "plan", "swa/production")
    assert plan.code == 1
    assert whole(client, f"{TARGET}/plan", "steps", 7) == plan.report["steps"]
    number = listed[0]["number"]
    assert (
        client.get(f"/api/v1/findings/{number}").json() == told(installed, "findings", "show", number).report["finding"]
    )


def test_a_finding_comes_with_what_helps_to_decide_and_a_note_for_the_utility(installed):
    client = installed[0]
    listed = whole(client, f"{TARGET}/findings", "findings", 200)
    (drift,) = [each for each in listed if (each["kind"], each["key"]) == ("drift", "RES-VAR") and each["old"] == "4.1"]
    found = client.get(f"/api/v1/findings/{drift['number']}").json()["explanation"]
    assert found["window"]["last_right"] <= found["window"]["first_wrong"]
    assert found["actors"]["privilege"] == "BX.plans"
    assert found["depends"]["areas"]
    assert (found["mend"]["value"], found["mend"]["step"] is None) == (drift["old"], False)
    assert found["told"][0]["state"] == "waiting"
    note = command(
        installed[1], "findings", "show", drift["number"], "--for-utility", SMART360_DATABASE_URL=installed[2]
    ).out
    assert note == found["note_for_utility"]
    shown = command(installed[1], "findings", "show", drift["number"], SMART360_DATABASE_URL=installed[2]).out
    for word in ("since   last right", "with edit on BX.plans", "depends ", "of the plan: ", "told    waiting"):
        assert word in shown


def test_fleet_events_are_those_of_the_command_line_page_by_page(installed):
    client, home, url, deps = installed
    cause = Cause(Kind.DRIFT, "", "changed", "service_plan", "rates[].rate")
    with deps.store.write() as unit:
        for _, known in unit.findings.open()[:3]:
            event = unit.fleet.make(cause, "operators", NOW)
            unit.fleet.appeared({known.id: cause}, NOW)
            unit.fleet.join(event, [known.id])
    listed = told(installed, "findings", "fleet")
    assert (listed.code, listed.report["format"]) == (1, "smart360-monitor/fleet-events/1")
    assert whole(client, "/api/v1/fleet-events", "fleet_events", 2) == listed.report["fleet_events"]
    assert client.get(f"/api/v1/fleet-events/{event}").json() == listed.report["fleet_events"][0]
    assert client.get("/api/v1/fleet-events/99").status_code == 404
    assert f"fleet-{event}" in command(home, "findings", "list", SMART360_DATABASE_URL=url).out
    done = command(home, "findings", "ack", f"fleet-{event}", "--as", "carla", SMART360_DATABASE_URL=url)
    assert "1 findings of" in done.out
    again = command(home, "findings", "ack", f"fleet-{event}", "--as", "carla", SMART360_DATABASE_URL=url)
    assert again.code == 2
    with deps.store.write() as unit:
        unit.fleet.appeared({known.id: cause for _, known in unit.findings.open()[:3]}, NOW)


def test_the_plan_of_the_api_the_command_and_the_page_have_the_same_steps(installed):
    client = installed[0]
    steps = client.get(f"{TARGET}/plan", params={"limit": 200}).json()["steps"]
    page = client.get("/targets/swa/production/plan").text
    assert [f'id="step-{each["number"]}"' in page for each in steps] == [True] * len(steps)
    assert f"{len(steps)} steps for {sum(len(each['findings']) for each in steps)} findings" in page
    table = command(installed[1], "findings", "plan", "swa/production", SMART360_DATABASE_URL=installed[2]).out
    assert [line for line in table.splitlines() if line[:3].strip().isdigit() and "  " in line[:5]][-1].startswith(
        f"{len(steps):>3}  "
    )


def test_a_plan_is_worked_out_once_for_what_it_rests_on_and_anew_when_someone_acts(installed):
    from monitor import plan

    deps = installed[3]
    first = plan.plan_of("swa/production", deps)
    assert plan.plan_of("swa/production", deps).steps is first.steps
    command(installed[1], "findings", "ack", first.steps[0].findings[0].number, "--as", "carla",
            SMART360_DATABASE_URL=installed[2])  # fmt: skip
    again = plan.plan_of("swa/production", deps).steps
    assert "acknowledged" in {each.state for each in again[0].findings}


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/api/v1/nothing", 404, ""),
        ("/api/v1/targets/swa/nothing", 404, "no such target"),
        ("/api/v1/targets/other/production/plan", 404, "no such target"),
        ("/api/v1/findings/ZZZZ", 404, "no such finding"),
        ("/api/v1/targets?limt=3", 422, "Unknown query parameter limt. Known here: cursor, limit."),
        (f"{TARGET}?limit=3", 422, "Unknown query parameter limit. None is known here."),
        ("/api/v1/targets?limit=0", 422, "query.limit"),
        ("/api/v1/targets?limit=201", 422, "query.limit"),
        ("/api/v1/targets?limit=ten", 422, "query.limit"),
        (f"{TARGET}/findings?cursor=%00%ff", 422, "There is a character"),
        (f"{TARGET}/findings?cursor=bm9uZQ==", 422, "take next_cursor as it came"),
        (f"{TARGET}/findings?cursor=WyJhIiwgMSwgMl0=", 422, "take next_cursor as it came"),
    ],
)
def test_a_problem_says_what_is_wrong_as_rfc_9457_asks(installed, path, status, says):
    answer = installed[0].get(path)
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    code = "unknown_target" if "no such target" in says else {404: "not_found", 422: "invalid"}[status]
    assert (problem["type"], problem["code"]) == (f"urn:smart360-monitor:problem:{code}", code)
    assert (problem["status"], problem["instance"]) == (status, path.split("?")[0])
    assert problem["title"]
    assert says in problem["detail"]
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_what_is_only_read_can_not_be_written(installed, method):
    answer = installed[0].request(method, "/api/v1/targets")
    assert (answer.status_code, answer.json()["status"], answer.headers["allow"]) == (405, 405, "GET")


def test_the_api_describes_itself(installed):
    client = installed[0]
    described = client.get("/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    assert {each.removeprefix("/api/v1") for each in described["paths"]} == {
        "/targets", "/targets/{tenant}/{environment}", "/targets/{tenant}/{environment}/findings",
        "/targets/{tenant}/{environment}/plan", "/targets/{tenant}/{environment}/as-of",
        "/targets/{tenant}/{environment}/compare", "/targets/{tenant}/{environment}/proposals",
        "/targets/{tenant}/{environment}/baselines", "/targets/{tenant}/{environment}/acts",
        "/targets/{tenant}/{environment}/rollbacks", "/targets/{tenant}/{environment}/sweeps",
        "/findings", "/findings/{number}", "/findings/{number}/acknowledge", "/findings/{number}/assign",
        "/findings/{number}/snooze", "/findings/{number}/expect", "/findings/{number}/notes",
        "/findings/{number}/reopen", "/findings/{number}/marks", "/findings/{number}/waivers",
        "/fleet-events", "/fleet-events/{event}", "/fleet-events/{event}/acknowledge",
        "/waivers", "/waivers/{waiver}", "/waivers/{waiver}/approve", "/waivers/{waiver}/refuse",
        "/waivers/{waiver}/end", "/proposals/{proposal}", "/proposals/{proposal}/decisions",
        "/proposals/{proposal}/comments", "/proposals/{proposal}/hand-over", "/proposals/{proposal}/send-back",
        "/proposals/{proposal}/approve", "/proposals/{proposal}/reject", "/people", "/people/{name}/grants",
        "/people/{name}/grants/remove", "/people/{name}/remove", "/tokens", "/tokens/{name}/revoke", "/audit",
        "/me", "/me/tokens",
    }  # fmt: skip
    for path, methods in described["paths"].items():
        assert set(methods) <= {"get", "post"}, path
        for each in methods.values():
            assert "application/problem+json" in each["responses"]["422"]["content"]
            (shape,) = each["responses"]["200"]["content"]["application/json"]["schema"].values()
            assert shape.rpartition("/")[2] in described["components"]["schemas"]


def test_a_store_that_does_not_answer_is_a_problem_too(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path / 'monitor.db'}", migrate=True)
    deps = Deps(Settings(database_url="sqlite://", state_folder=tmp_path), SetClock(NOW), open_store=lambda: store)
    store.engine.dispose()
    (tmp_path / "monitor.db").unlink()
    (tmp_path / "monitor.db").mkdir()
    address, stop = serve_in_thread(create_app(deps), 0)
    answer = httpx.get(f"{address}/api/v1/targets", trust_env=False)
    stop()
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.headers["Retry-After"] == "10"


def test_what_crashes_is_a_problem_with_a_number_and_no_traceback(installed):
    from sqlalchemy import text

    client, deps = installed[0], installed[3]
    with deps.store.engine.begin() as connection:
        kept = connection.execute(text("select id, content from findings order by id limit 1")).one()
        connection.execute(text("update findings set content = '{}' where id = :id"), {"id": kept.id})
    answer = client.get(f"{TARGET}/findings")
    with deps.store.engine.begin() as connection:
        connection.execute(text("update findings set content = :content where id = :id"), kept._asdict())
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "Error " in answer.json()["detail"]
    assert "Traceback" not in answer.text


def test_a_list_keeps_its_place_when_something_before_the_cursor_goes():
    from monitor.web.answers import page

    first, cursor = page([1, 2, 3, 4, 5], lambda each: each, int, 2, "")
    rest, end = page([2, 4, 5, 6], lambda each: each, int, 3, cursor)
    assert (first, rest, end) == ([1, 2], [4, 5, 6], None)
