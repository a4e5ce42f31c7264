"""W8 in a real browser: 39 changes are reviewed by keyboard alone, handed over, and approved by another person."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from monitor.access import on_host
from monitor.approval import propose_baseline
from monitor.demo import running_demo
from monitor.web.app import create_app, serve_in_thread
from tests.browser.test_pages import EVERYWHERE, reads_well
from tests.monitor.annexed import WRONG, annex

REASON = "Nobody asked for it"


@pytest.fixture(scope="module")
def annexed():
    """A demo in which the 39 changes have happened and are proposed, its people, and its pages."""
    with running_demo(0, lambda _line: None, serve=False) as demo:

        def prepare():
            annex(demo)
            demo.add_people()
            return propose_baseline(demo.target, on_host("olga.brandt"), demo.deps, title="Happy Valley annexed").id

        with ThreadPoolExecutor(1) as thread:
            number = thread.submit(prepare).result()
        url, stop = serve_in_thread(create_app(demo.deps), 0)
        yield demo, url, number
        stop()


def signed_in(browser, demo, url, name, **more):
    page = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce", **more).new_page()
    page.goto(f"{url}/sign-in")
    for words in (name, demo.password):
        page.keyboard.press("Tab")
        while page.evaluate("document.activeElement.tagName") != "INPUT" or page.evaluate(
            "document.activeElement.type"
        ) not in ("text", "password", "email"):
            page.keyboard.press("Tab")
        page.keyboard.type(words)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}/")
    return page


def tab_to(page, words):
    """Tab until what has the focus says this."""
    for _ in range(400):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText").strip().startswith(words):
            return
    raise AssertionError(f"{words!r} is reached by no Tab")


def pressed(page, key):
    """A key that sends a form; the page that comes."""
    with page.expect_navigation():
        page.keyboard.press(key)


def tally(page):
    return page.locator(".tally").inner_text()


@EVERYWHERE
def test_a_review_reads_well_for_who_only_looks(page, annexed, scheme, width):
    _, url, number = annexed
    reads_well(page, url, f"/proposals/{number}", scheme, width)
    assert page.get_by_text('Ask an admin for the role "onboarding lead".').is_visible()
    assert page.locator("main form").count() == 0


def test_w8_a_review_by_keyboard_alone(page, browser, annexed):
    """39 changes: 37 accepted, most by group, two rejected with a reason, handed over, approved by another."""
    demo, url, number = annexed
    olga = signed_in(browser, demo, url, "olga.brandt")
    olga.goto(f"{url}/proposals/{number}")
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390), ("light", 320)):
        reads_well(olga, url, f"/proposals/{number}", scheme, width)
    olga.set_viewport_size({"width": 1280, "height": 800})
    olga.goto(f"{url}/proposals/{number}")
    tab_to(olga, "Show these")
    groups = olga.locator(".group").count()
    for at in range(groups):
        olga.goto(f"{url}/proposals/{number}")
        tab_to(olga, "Show these")
        for _ in range(at + 1):
            olga.keyboard.press("]")
        group = "document.activeElement.closest('.group')"
        if olga.evaluate(f"!!{group}.querySelector('.group-actions [data-do=Y]')"):
            olga.keyboard.press("Y")
            assert "wants its own decision" in olga.evaluate("document.activeElement.closest('.sheet').innerText")
            pressed(olga, "Enter")
    assert tally(olga) == "29 accepted, 0 rejected of 39"
    assert {each.get_attribute("class") for each in olga.locator(".review-change:has(.mark.critical)").all()} == {
        "review-change"
    }
    olga.goto(f"{url}/proposals/{number}?show=undecided")
    tab_to(olga, "Territory")
    olga.keyboard.press("]")
    while "left to decide" in olga.locator("aside").inner_text():
        key = olga.evaluate("document.activeElement.closest('.review-change').getAttribute('aria-label')")
        if key in {" ".join(part for part in each if part) for each in WRONG}:
            olga.keyboard.press("n")
            olga.keyboard.type(REASON)
            olga.keyboard.press("Tab")
            pressed(olga, "Enter")
        else:
            pressed(olga, "y")
    assert tally(olga) == "37 accepted, 2 rejected of 39"
    olga.goto(f"{url}/proposals/{number}")
    assert olga.get_by_text("Another person than olga.brandt approves.").is_visible()
    tab_to(olga, "Hand over for approval")
    olga.keyboard.press("Enter")
    tab_to(olga, "Hand over for approval")
    pressed(olga, "Enter")
    assert "waits for approval" in olga.locator(".kind").inner_text()

    nisha = signed_in(browser, demo, url, "nisha.rao")
    nisha.goto(f"{url}/baselines")
    assert "another than olga.brandt, to approve" in nisha.locator("main").inner_text()
    tab_to(nisha, str(number))
    pressed(nisha, "Enter")
    for scheme, width in (("light", 1280), ("dark", 390)):
        reads_well(nisha, url, f"/proposals/{number}", scheme, width)
    tab_to(nisha, "Approve 37 of 39")
    digest = nisha.locator("aside .digest").first.inner_text()
    nisha.keyboard.press("Enter")
    asked = nisha.locator("aside details[open] .sheet").inner_text()
    assert digest in asked
    assert "This makes baseline 2. It can't be undone" in asked
    assert "37 drift findings close. 2 stay drift" in asked
    tab_to(nisha, "Approve 37 of 39")
    pressed(nisha, "Enter")
    receipt = nisha.locator("#receipt").inner_text()
    assert "Approved: baseline 2 of swa/production, by nisha.rao" in receipt
    assert digest in receipt
    assert "Audit entry " in receipt
    reads_well(nisha, url, f"/proposals/{number}", "dark", 390)
    nisha.goto(f"{url}/targets/swa/production/drift")
    assert nisha.locator("table.list tbody tr").count() == 2
    with demo.deps.store.read() as unit:
        approved = unit.baselines.approved(demo.target)
    plan = approved.named("service_plan", "RES-VAR").values
    assert next(each["rate"] for each in plan["rates"]) == "4.1"
    assert approved.named("role_privilege", "CASHIER/BX.refunds") is None
    olga.context.close()
    nisha.context.close()
