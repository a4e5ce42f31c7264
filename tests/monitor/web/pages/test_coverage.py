"""What nobody guards, on its page: what a command kept, and from when."""

import httpx

from monitor.unguarded import keep, unguarded
from monitor.web.app import create_app, serve_in_thread
from monitor.web.pages.coverage import coverage_view


def worked_out(watched) -> dict:
    return unguarded(
        "swa/production", watched.deps, lambda: b"", types=["tax", "bill_cycle"], most=150,
        progress=lambda sights, _: iter(sights),
    )  # fmt: skip


def page_of(watched) -> str:
    url, stop = serve_in_thread(create_app(watched.deps), 0)
    try:
        return httpx.get(f"{url}/rules/coverage", trust_env=False).text
    finally:
        stop()


def test_the_page_names_the_command_until_a_report_is_kept(watched):
    (shown,) = coverage_view(watched.deps).targets
    assert shown.report is None
    assert "smart360-monitor rules coverage swa/production --keep" in page_of(watched)


def test_the_page_shows_what_was_kept_and_says_when_the_baseline_is_another_since(watched):
    watched.sweep()
    keep(worked_out(watched), watched.deps)
    (shown,) = coverage_view(watched.deps).targets
    assert (shown.report["baseline"], shown.outdated) == (None, "")
    assert shown.missed
    assert all(f"{each['resource_type']} › {each['field']}" in page_of(watched) for each in shown.missed)
    watched.approve()
    (shown,) = coverage_view(watched.deps).targets
    assert shown.outdated == "another baseline is approved since"
    assert shown.outdated in page_of(watched)
    keep(worked_out(watched), watched.deps)
    (shown,) = coverage_view(watched.deps).targets
    assert (shown.report["baseline"], shown.outdated) == (1, "")
