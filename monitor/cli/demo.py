"""``demo``."""

import threading
from typing import Annotated

import typer

from monitor.cli import tell


def demo(
    once: Annotated[bool, typer.Option("--once", help="Do it, print the summary, end.")] = False,
    port: Annotated[int, typer.Option(help="Port of the pages; another is taken where it is in use.")] = 8360,
) -> None:
    """See it work: a sandbox, one week of incidents at SWA, what was found, the messages and pages.

    Nothing to set up. With --once: exit 0 only if every incident was found as it should be and
    nothing else was.

    Example: smart360-monitor demo --once
    """
    from monitor.demo import APPROVER, PROPOSER, TARGET, incidents, running_demo

    with running_demo(port, tell.result) as running:
        tell.result("")
        report = running.sweep()
        first = running.open_findings()
        lists = f"{report.lists_read} of {report.lists_total} lists, {report.objects} objects"
        tell.result(f" {'✗' if first else '✓'} swept {TARGET:<27} {lists:<36} {report.seconds:.1f} s")
        digest = running.approve_first()
        tell.result(f" ✓ baseline 1 approved             by {APPROVER}, proposed by {PROPOSER}   {digest[:15]}")
        tell.result("")
        tell.result(f" {'incident':<36} {'found as':<66} after")
        seen = []
        for incident in incidents():
            each = running.play(incident)
            seen.append(each)
            mark = "✓" if each.is_right else "✗"
            tell.result(f" {mark} {incident.name:<34} {_cut(each.headline):<66} {each.seconds:.1f} s")
            for difference in each.differences() if not each.is_right else ():
                tell.result(f"     {difference}")
        metrics = _metrics(running.pages)
        posted, edited = running.messages()
        real = [each for each in seen if not each.incident.is_neutral]
        right = sum(each.is_right for each in real)
        false = sum(len(each.rules - each.incident.rules) + len(each.drift - each.incident.drift) for each in seen)
        tell.result("")
        tell.result(
            f"{right} of {len(real)} incidents found, {false} false findings. {posted} Slack messages, {edited} edits. "
            f"{metrics} series at /metrics."
        )
        is_good = not first and all(each.is_right for each in seen) and posted >= len(real) and edited and metrics
        if once:
            raise typer.Exit(0 if is_good else 1)
        running.show()
        tell.result(f"Now open {running.pages} · messages at {running.slack.url} · Ctrl-C ends the demo.")
        _wait()


def _cut(text: str) -> str:
    return text if len(text) <= 66 else text[:65] + "…"


def _metrics(pages: str) -> int:
    """How many series a scrape of the service gives; 0 where a figure that must be there is not."""
    import httpx

    text = httpx.get(f"{pages}/metrics", timeout=10, trust_env=False).raise_for_status().text
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    needed = ("smart360_readiness_ratio", "smart360_baseline_info", "smart360_sweeps_total", "smart360_alerts_total")
    return len(lines) if all(any(line.startswith(name) for line in lines) for name in needed) else 0


def _wait() -> None:
    ended = threading.Event()
    try:
        ended.wait()
    except KeyboardInterrupt:
        tell.note("The demo ends; its store is removed.")
