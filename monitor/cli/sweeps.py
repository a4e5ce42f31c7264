"""``sweep``."""

from typing import Annotated

import typer

from monitor.cli import BadUsage, tell
from monitor.cli.context import deps
from monitor.sweep import SweepReport


def sweep(
    targets: Annotated[list[str] | None, typer.Argument(metavar="[TARGET]...", help="tenant/environment")] = None,
    all_targets: Annotated[bool, typer.Option("--all", help="Every target that is watched.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Sweep here and now; exit 1 if something is wrong.")] = False,
    output: Annotated[tell.Output, typer.Option("--output", help="How to print the result.")] = tell.Output.TABLE,
) -> None:
    """Sweep targets now: read, compare, judge, queue what people must hear.

    Without --wait the running service does it at its next turn. With --wait: exit 1 if drift or rule
    findings are open, else 3 if a list is unread, else 0.

    Example: smart360-monitor sweep swa/production --wait
    """
    from dataclasses import asdict

    from monitor.schedule import sweep_or_fail

    wired = deps()
    now = wired.clock.now()
    with wired.store.write() as unit:
        chosen = unit.targets.all() if all_targets else [unit.targets.named(name) for name in targets or ()]
        if not wait:
            for target in chosen:
                unit.targets.set_next_run(target, now)
    if not chosen:
        what = "no target is watched." if all_targets else "no target is named."
        raise BadUsage(what, where="sweep", mend="Name one, or say --all; tenant list shows them.")
    if not wait:
        for target in chosen:
            tell.result(f"{target.name}  is swept by the service at its next turn")
        return
    reports: list[SweepReport] = []
    for target in chosen:
        tell.note(f"{target.name}  reading …")
        report = sweep_or_fail(target, wired.clock.now(), wired)
        reports.append(report)
        if output is tell.Output.TABLE:
            tell.result(_line(report))
    if output is tell.Output.JSON:
        tell.document("sweeps", {"sweeps": [asdict(each) for each in reports]})
    codes = [each.exit_code for each in reports]
    raise typer.Exit(1 if 1 in codes else 3 if 3 in codes else 0)


def _line(report: SweepReport) -> str:
    if report.state == "skipped":
        return f"{report.target}  – skipped, a sweep of it runs"
    if report.state in ("failed", "poisoned"):
        mend = f"\n{' ' * len(report.target)}  mend: {report.cure}" if report.cure else ""
        return f"{report.target}  ◪ not read   {report.fault}{mend}"
    mark = "✓" if report.state == "complete" else "◪"
    found = f"{report.drift} drift, {report.findings} findings ({report.opened or 'none'} new)"
    found += f", {report.announced} announced" if report.announced else ""
    lists = f"{report.lists_read} of {report.lists_total} lists"
    found += f", {report.unconfirmed} not seen again" if report.unconfirmed else ""
    return f"{report.target}  {mark} {lists}   {found}   {report.alerts} alerts   {report.seconds:.1f} s"
