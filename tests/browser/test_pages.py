"""The pages in a real browser: light, dark, on a phone; no other host, no violation of WCAG 2.2 AA."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe

from monitor.access import on_host
from monitor.approval import propose_baseline
from monitor.care import mark_finding
from monitor.clock import SetClock
from monitor.demo import running_demo
from monitor.sweep import sweep
from monitor.web.app import create_app, serve_in_thread
from rules.pack import shipped_packs
from rules.precision import Mark

DOUBTED = "billing.every-area-has-plans"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture(scope="module")
def site():
    """The pages over a store that real sweeps have filled: three incidents are open."""
    with running_demo(0, lambda _line: None, serve=False) as demo:
        with ThreadPoolExecutor(1) as thread:  # the browser keeps an event loop in this one
            for step in (demo.sweep, demo.approve_first, demo.show):
                thread.submit(step).result()
        url, stop = serve_in_thread(create_app(demo.deps), 0)
        yield url
        stop()


@pytest.fixture(scope="module")
def troubled():
    """Targets in every state of which a page has to warn: read in part, refused, never read, old, days missed."""
    clock = SetClock(datetime(2026, 11, 24, 14, 12, tzinfo=UTC))
    with running_demo(0, lambda _line: None, clock=clock, serve=False) as demo:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(_trouble, demo, clock).result()
        url, stop = serve_in_thread(create_app(demo.deps), 0)
        yield url
        stop()


def _trouble(demo, clock):
    demo.sweep()
    demo.approve_first()
    propose_baseline(demo.target, on_host("olga.brandt"), demo.deps, title="Rates of <2027>")
    with demo.deps.store.write() as unit:
        definition = replace(demo.target.definition, schedule="every 1d")
        put = {
            name: unit.targets.put(name, "production", definition, clock.at)[0]
            for name in ("new", "old", "part", "lost")
        }
        unit.targets.pause(put["old"], "Carla", "release week", clock.at)
    sweep(put["old"], clock.at, demo.deps)
    clock.at += timedelta(days=3)
    demo.show()
    demo.sandbox.client.post(
        "/sandbox/faults", json={"name": "forbidden-some", "lists": ["integration", "scheduled_job"]}
    )
    sweep(put["part"], clock.at, demo.deps)
    demo.sandbox.client.post("/sandbox/faults", json={"name": "login-refused"})
    sweep(put["lost"], clock.at, demo.deps)
    with demo.deps.store.read() as unit:
        found = [known.number for _, known in unit.findings.open() if known.finding.rule == DOUBTED]
    for number in found:
        mark_finding(number, Mark.NOT_USEFUL, "planned <b>, see RFC 7", on_host("nisha.rao"), demo.deps)


EVERYWHERE = pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390), ("light", 320)]
)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "rules",
        "findings",
        "baselines",
        "sign-in",
        "?q=nothing-is-called-so",
        "findings?q=nothing-is-called-so",
        *(f"targets/{each}/production" for each in ("swa", "new", "old", "part", "lost")),
        *(f"targets/part/production/{each}" for each in ("findings", "drift", "rules", "baselines", "reading")),
        *(f"targets/{each}/production/history" for each in ("swa", "lost")),
        *(f"targets/new/production/{each}" for each in ("findings", "drift", "rules", "baselines", "reading")),
    ],
)
@EVERYWHERE
def test_every_state_reads_well_everywhere(page, troubled, name, scheme, width):
    reads_well(page, troubled, f"/{name}", scheme, width)


def test_data_that_is_old_shows_no_green_and_says_so(page, troubled):
    page.goto(f"{troubled}/targets/old/production")
    assert "Stale: last good reading 3 days ago. What you see may have changed." in page.locator("p.read").inner_text()
    assert page.get_by_text("Paused by Carla: release week").is_visible()
    green = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ok')")
    page.evaluate("document.documentElement.style.color = 'var(--ok)'")
    shown = page.evaluate("getComputedStyle(document.documentElement).color")
    fills = page.evaluate(
        "[...document.querySelectorAll('svg *, main *')].map(e => getComputedStyle(e).fill + getComputedStyle(e).color)"
    )
    assert green
    assert not [each for each in fills if shown in each]


def test_the_chart_of_thirty_days_says_the_same_as_its_table(page, troubled):
    page.goto(f"{troubled}/targets/swa/production")
    page.get_by_text("Show as table").click()
    rows = page.locator("section[aria-labelledby=days] tbody tr")
    assert [row.split("\t")[:2] for row in rows.all_inner_texts()] == [
        ["27 Nov", "1"], ["26 Nov", "none"], ["25 Nov", "none"], ["24 Nov", "1"],
    ]  # fmt: skip
    assert page.locator("svg.lanes .b-gap").count() == 2
    assert page.locator("svg.lanes .b-read").count() == 2


def test_the_keyboard_reaches_the_content_and_every_link(page, troubled):
    page.goto(troubled)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


def test_print_is_black_on_white_without_bars_and_with_everything_open(page, site):
    page.goto(f"{site}/targets/swa/production")
    page.emulate_media(media="print")
    assert not page.locator("header.top").is_visible()
    assert page.locator("li.also").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/rules",
        "/findings",
        "/findings?severity=high",
        "/baselines",
        "/search?q=a",
        "/keyboard",
        "drift",
        "rule",
        "/targets/nobody/here",
        "/targets/swa/production",
        *(
            f"/targets/swa/production/{each}"
            for each in (
                "plan",
                "findings",
                "drift",
                "rules",
                "rules?verdict=passed",
                "baselines",
                "history",
                "reading",
            )
        ),
    ],
)
@EVERYWHERE
def test_a_page_reads_well_everywhere_and_asks_nobody_else(page, site, path, scheme, width):
    reads_well(page, site, path if path[0] == "/" else finding_of(page, site, path), scheme, width)


def finding_of(page, site, kind):
    """The page of the worst finding of a kind that has money to tell of."""
    page.goto(f"{site}/findings?kind={kind}&q=RES-VAR")
    return page.locator("table.list a.sentence").first.get_attribute("href")


def test_the_target_leads_to_its_plan_and_each_finding_of_it_back_to_the_target(page, site):
    page.goto(f"{site}/targets/swa/production")
    counted = page.locator(".figures > *").nth(2).locator("strong").inner_text()
    page.get_by_role("link", name="in the order to mend them").click()
    steps = page.locator("ol.findings > li")
    assert page.locator("h1").inner_text() == f"{steps.count()} steps for {counted} findings"
    first = steps.first.locator("li.also a").first
    number = first.inner_text()
    first.click()
    assert page.url == f"{site}/findings/{number}"
    assert page.locator("h1").inner_text()


def reads_well(page, site, path, scheme, width):
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text) if "404" not in message.text else None)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(site + path)
    assert all(url.startswith(site) for url in asked), asked
    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    violations = Axe().run(page, options={"runOnly": RULES}).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in violations] == []


def test_a_doubted_rule_leads_the_page_of_rules_and_its_marks_stand_at_the_target(page, troubled):
    page.goto(troubled)
    page.get_by_role("link", name="Rules").click()
    assert page.locator("h1").inner_text() == f"1 of {len(shipped_packs().rules)} rules is proposed for review."
    row = page.locator("section[aria-labelledby=review] tbody tr")
    assert row.count() == 1
    assert DOUBTED in row.inner_text()
    assert page.locator("section[aria-labelledby=failing] tbody tr").count() == 5
    page.goto(f"{troubled}/targets/swa/production")
    assert page.get_by_text("Marked not useful by nisha.rao: planned <b>, see RFC 7").first.is_visible()


def test_the_fleet_leads_to_the_target_and_every_figure_equals_its_list(page, site):
    page.goto(site)
    assert page.locator("h1").inner_text() == "1 of 1 target needs someone."
    page.get_by_role("link", name="swa/production").first.click()
    assert "San Francisco Water Authority" in page.locator("h1").inner_text()
    shown = page.locator("li.finding").count() + page.locator("li.also").count()
    counted = page.locator(".figures > *").nth(2).locator("strong").inner_text()
    assert str(shown) == counted
    figures = page.locator(".figures > a")
    for place, rows in ((1, "table.list tbody tr"), (2, "table.list tbody tr")):
        page.goto(f"{site}/targets/swa/production")
        figure = figures.nth(place).locator("strong").inner_text()
        figures.nth(place).click()
        page.wait_for_load_state()
        assert page.locator(rows).count() == int(figure)
        assert page.locator("#found").inner_text().startswith(f"{figure} ")
    page.goto(f"{site}/targets/swa/production")
    assert page.get_by_text("COM-VAR was switched off").count() >= 1


def test_filters_work_with_and_without_a_script_and_stand_in_the_address(page, site, browser):
    page.goto(f"{site}/findings")
    page.get_by_label("High").check()
    page.wait_for_url("**/findings?*severity=high*")
    listed = page.locator("table.list tbody tr").count()
    assert page.locator("#found").inner_text() == f"{listed} findings"
    assert page.locator("label", has_text="Critical").locator(".quiet").inner_text() == "15"
    page.go_back()
    page.locator("table.list tbody tr").nth(18).wait_for()
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(f"{site}/findings")
    plain.get_by_label("High").check()
    plain.get_by_role("button", name="Show findings").click()
    assert plain.locator("table.list tbody tr").count() == listed
    plain.context.close()


def test_keys_lead_to_places_and_along_lists_only_where_nothing_is_typed(page, site):
    page.goto(site)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "find"
    page.keyboard.type("gf?")
    assert page.evaluate("document.activeElement.value") == "gf?"
    page.locator("h1").click()
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.wait_for_url("**/findings")
    links = page.locator("table.list a.sentence")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement === document.body")
    links.first.focus()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.href") == links.nth(1).evaluate("each => each.href")
    page.keyboard.press("Enter")
    page.wait_for_url("**/findings/*")
    page.keyboard.press("?")
    page.wait_for_url("**/keyboard")


def test_d_opens_the_whole_object_of_a_finding(page, site):
    page.goto(site + finding_of(page, site, "drift"))
    page.keyboard.press("d")
    assert page.locator("details.whole[open] tbody tr").count() > 5
    page.keyboard.press("d")
    assert page.locator("details.whole[open]").count() == 0


SHIFTS = """() => new Promise(done => { let sum = 0;
  new PerformanceObserver(list => { for (const each of list.getEntries()) sum += each.value; })
    .observe({type: "layout-shift", buffered: true});
  requestAnimationFrame(() => requestAnimationFrame(() => done(sum))); })"""


@pytest.mark.parametrize("path", ["/", "/findings", "/targets/swa/production", "drift"])
def test_nothing_shifts_while_a_page_is_drawn(page, site, path):
    page.goto(site + (path if path[0] == "/" else finding_of(page, site, path)))
    assert page.evaluate(SHIFTS) == 0


def test_search_leads_to_the_only_hit_and_groups_several(page, site):
    page.goto(site)
    page.locator("#find").fill("swa/prod")
    page.keyboard.press("Enter")
    page.wait_for_url("**/targets/swa/production")
    page.goto(f"{site}/search?q=VAR")
    assert page.get_by_role("heading", name="Findings").is_visible()
