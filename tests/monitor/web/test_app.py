"""The endpoints over real HTTP: headers, health, metrics, errors without a traceback."""

import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from baselines.writer import write_configuration
from monitor.access import on_host
from monitor.approval import approve, propose_baseline, review_of
from monitor.clock import SetClock
from monitor.deps import Deps
from monitor.schedule import Scheduler
from monitor.settings import Settings
from monitor.store.unit import Store
from monitor.sweep import sweep
from monitor.web.app import HEADERS, PortTaken, create_app, serve_in_thread
from tests.reliability.test_process import registered
from tests.support import CATALOGUE, configuration, swa

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
PROMTOOL = Path(__file__).parents[3] / ".tools" / "deb" / "usr" / "bin" / "promtool"


@pytest.fixture
def deps(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path / 'monitor.db'}", migrate=True)
    settings = Settings(database_url="sqlite://", state_folder=tmp_path)
    yield Deps(settings, clock=SetClock(NOW), worker="w", open_store=lambda: store)
    store.close()


@pytest.fixture
def site(deps):
    scheduler = Scheduler(deps)
    url, stop = serve_in_thread(create_app(deps, scheduler), 0)
    with httpx.Client(base_url=url, trust_env=False) as client:
        yield client, scheduler
    stop()


def filled(deps, tmp_path):
    target = registered(deps.store, tmp_path)
    sweep(target, NOW, deps)
    return target


@pytest.mark.parametrize("path", ["/", "/targets/nobody/here", "/metrics", "/healthz", "/static/monitor.css"])
def test_every_answer_carries_the_strict_headers(site, path):
    answer = site[0].get(path)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_what_does_not_exist_is_the_same_page_whoever_asks(site, deps, tmp_path):
    filled(deps, tmp_path)
    pages = [site[0].get(path) for path in ("/targets/swa/nothing", "/targets/other/production", "/nothing")]
    assert [page.status_code for page in pages] == [404, 404, 404]
    assert len({page.content for page in pages}) == 1


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8360", "localhost@evil.example", "::1", "a:1:2"]
)
def test_a_request_under_another_name_is_refused(site, host):
    assert site[0].get("/", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8360", "[::1]", "[::1]:8360"])
def test_loopback_may_be_called_by_each_of_its_names(site, host):
    assert site[0].get("/", headers={"Host": host}).status_code == 200


def test_a_page_that_cannot_be_made_gives_a_number_and_no_traceback(site, deps, tmp_path):
    filled(deps, tmp_path)
    with deps.store.engine.begin() as connection:
        connection.execute(text("update sweeps set report = '{}'"))
    answer = site[0].get("/targets/swa/production")
    assert answer.status_code == 500
    assert re.search(r"Error [0-9a-f]{8}\. Nothing was changed\.", answer.text)
    assert "Traceback" not in answer.text
    assert "KeyError" not in answer.text
    with deps.store.read() as unit:
        assert unit.counters.all("pages_crashed") == {(): 1}
    assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


def test_every_link_and_file_that_a_page_names_is_there_and_of_this_host(site, deps, tmp_path):
    filled(deps, tmp_path)
    at = "/targets/swa/production"
    tabs = [f"{at}/{each}" for each in ("findings", "drift", "rules", "baselines", "history", "reading", "plan")]
    for path in ("/", at, *tabs, "/findings", "/baselines", "/rules", "/search?q=area", "/keyboard", "/nothing"):
        page = site[0].get(path).text
        named = set(re.findall(r'(?:href|src|action)="([^"]*)"', page))
        assert all(each.startswith(("/", "#")) for each in named), named
        assert {site[0].get(each).status_code for each in named if each.startswith("/")} == {200}
        assert {each for each in named if each.startswith("#") and f'id="{each[1:]}"' not in page} == set()
        assert "style=" not in page
        assert "<script>" not in page
        assert 'method="post"' not in page  # nobody is signed in


def test_a_port_that_is_taken_is_said_with_what_to_do(site, deps):
    taken = site[0].base_url.port
    with pytest.raises(PortTaken, match=f"port {taken}: nothing can listen there: .* Mend: Put another one: --port"):
        serve_in_thread(create_app(deps), taken)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_written_here(site, method):
    assert site[0].request(method, "/").status_code == 405


def test_an_empty_installation_says_what_to_do(site):
    page = site[0].get("/").text
    assert "No target yet." in page
    assert "smart360-monitor tenant apply" in page


def test_nothing_wrong_says_what_was_looked_at(site, deps, tmp_path):
    filled(deps, tmp_path)
    assert "No open findings on swa/production." in site[0].get("/targets/swa/production").text
    assert "Nothing needs you." in site[0].get("/").text


def test_old_data_is_shown_as_old(site, deps, tmp_path):
    filled(deps, tmp_path)
    deps.clock.at = NOW + timedelta(hours=13)
    page = site[0].get("/targets/swa/production").text
    assert "Stale: last good reading 13 h 0 min ago." in page
    assert "1 of 1 target needs someone." in site[0].get("/").text


def test_values_of_a_configuration_are_never_markup(site, deps, tmp_path):
    target = filled(deps, tmp_path)
    with deps.store.write() as unit:
        unit.targets.set_title(target, "<script>alert(1)</script>{{7*7}}\x1b[2J")
        unit.targets.pause(target, "<b>me</b>", '"><img onerror=x>', NOW)
    page = site[0].get("/targets/swa/production").text
    assert "<script>" not in page
    assert "<b>me" not in page
    assert "<img onerror" not in page
    assert "{{7*7}}" in page
    assert "\x1b" not in page


def test_a_value_that_drifted_into_markup_is_shown_as_text(site, deps, tmp_path):
    target = filled(deps, tmp_path)
    proposal = propose_baseline(target, on_host("olga"), deps)
    with deps.store.read() as unit:
        digest = review_of(proposal, deps, unit).digest
    approve(proposal, digest, on_host("nisha"), deps)
    evil = "<img src=x onerror=alert(1)>"
    changed = swa()
    changed["utility"][0]["name"] = evil
    (tmp_path / "exports" / "swa.yaml").write_bytes(write_configuration(configuration(changed), CATALOGUE))
    sweep(target, NOW + timedelta(hours=6), deps)
    for path in ("/", "/targets/swa/production"):
        page = site[0].get(path).text
        assert "&lt;img src=x onerror=alert(1)&gt;" in page
        assert "<img src=x" not in page


def test_a_store_that_does_not_answer_is_said_with_503(site, deps, tmp_path):
    deps.store.engine.dispose()
    (tmp_path / "monitor.db").unlink()
    (tmp_path / "monitor.db").mkdir()
    answer = site[0].get("/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert "Traceback" not in answer.text
    assert site[0].get("/readyz").status_code == 503


def test_a_loop_that_missed_three_turns_fails_the_health_check(site, deps):
    client, scheduler = site
    scheduler.last_turn["schedule"] = NOW
    assert client.get("/healthz").json() == {"alive": True, "stuck": []}
    deps.clock.at = NOW + timedelta(minutes=1)
    assert client.get("/healthz").status_code == 503
    assert client.get("/readyz").json()["stuck"] == ["schedule"]


def test_metrics_are_valid_read_from_the_store_and_the_same_from_every_replica(site, deps, tmp_path):
    filled(deps, tmp_path)
    told = site[0].get("/metrics")
    assert told.headers["content-type"].startswith("text/plain")
    checked = subprocess.run([PROMTOOL, "check", "metrics"], input=told.content, capture_output=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
    url, stop = serve_in_thread(create_app(Deps(deps.settings, deps.clock, "other", open_store=lambda: deps.store)), 0)
    other = httpx.get(f"{url}/metrics", trust_env=False).text
    stop()
    assert set(other.splitlines()) <= set(told.text.splitlines())
    lines = [line for line in told.text.splitlines() if 'tenant="swa"' in line]
    assert 'smart360_readiness_ratio{environment="production",tenant="swa"} 1.0' in lines
    assert 'smart360_coverage_ratio{environment="production",tenant="swa"} 1.0' in lines
    assert 'smart360_sweeps_total{environment="production",outcome="complete",tenant="swa"} 1.0' in lines
    assert not [line for line in lines if line.startswith("smart360_findings_open")]
    assert len(lines) <= 40


def test_openmetrics_is_spoken_to_who_asks_for_it(site):
    answer = site[0].get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_a_real_prometheus_scrapes_it(site, deps, tmp_path):
    filled(deps, tmp_path)
    prometheus = PROMTOOL.with_name("prometheus")
    address = str(site[0].base_url.netloc, "ascii")
    config = tmp_path / "prometheus.yml"
    config.write_text(
        f"global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: monitor\n  static_configs:\n"
        f"  - targets: ['{address}']\n"
    )
    import socket
    import time

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = subprocess.Popen(
        [prometheus, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'tsdb'}", "--log.level=error",
         f"--web.listen-address=127.0.0.1:{port}"],
    )  # fmt: skip
    try:
        found = []
        for _ in range(150):
            time.sleep(0.1)
            try:
                answer = httpx.get(
                    f"http://127.0.0.1:{port}/api/v1/query",
                    params={"query": "smart360_readiness_ratio"},
                    trust_env=False,
                )
                found = answer.json()["data"]["result"]
            except (httpx.HTTPError, ValueError):
                continue
            if found:
                break
        assert [(each["metric"]["tenant"], each["value"][1]) for each in found] == [("swa", "1")]
    finally:
        running.kill()
        running.wait()
        shutil.rmtree(tmp_path / "tsdb", ignore_errors=True)
