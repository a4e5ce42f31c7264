"""The pages in a real browser: light, dark, on a phone; no other host, no violation of WCAG 2.2 AA."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from axe_playwright_python.sync_playwright import Axe

from monitor.demo import running_demo
from monitor.web.app import create_app, serve_in_thread

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


@pytest.mark.parametrize("path", ["/", "/targets/swa/production", "/targets/nobody/here"])
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
def test_a_page_reads_well_everywhere_and_asks_nobody_else(page, site, path, scheme, width):
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


def test_the_fleet_leads_to_the_target_and_every_figure_equals_its_list(page, site):
    page.goto(site)
    assert page.locator("h1").inner_text() == "1 of 1 target needs someone."
    page.get_by_role("link", name="swa/production").first.click()
    assert "San Francisco Water Authority" in page.locator("h1").inner_text()
    shown = page.locator("li.finding").count() + page.locator("li.also").count()
    counted = page.locator(".figures > *").nth(2).locator("strong").inner_text()
    assert str(shown) == counted
    assert page.get_by_text("COM-VAR was switched off").count() >= 1
