"""``findings list|show|plan|ack|mark``."""

from datetime import datetime
from typing import Annotated

import typer

from baselines.severity import Severity
from monitor.cli import BadUsage, tell
from monitor.cli.context import deps
from monitor.cli.tenants import AsOption, OutputOption, TargetName
from monitor.errors import NotFound
from monitor.reports.items import finding_in_full, finding_item, plan_head, step_item
from rules.lifecycle import Known
from rules.precision import Mark, latest

app = typer.Typer(help="Findings: what is wrong now, and its life.", no_args_is_help=True)
Number = Annotated[str, typer.Argument(metavar="FINDING", help="Its number, e.g. 7F3K.")]


def _state(known: Known, now: datetime) -> str:
    """Where it stands, and why nobody was alerted of it."""
    return f"{known.state}, {known.quiet.words(tell.moment, now)}" if known.quiet is not None else known.state


@app.command("list")
def list_findings(
    target: Annotated[str, typer.Argument(help="tenant/environment; all where none is named.")] = "",
    severity: Annotated[str, typer.Option(help="Only these, e.g. critical,high.")] = "",
    output: OutputOption = tell.Output.TABLE,
) -> None:
    """List what is open, worst first; exit 1 if anything is.

    Example: smart360-monitor findings list swa/production --severity critical,high
    """
    wired = deps()
    wanted = {Severity(each.strip()) for each in severity.split(",") if each.strip()} or set(Severity)
    with wired.store.read() as unit:
        found = unit.findings.open(unit.targets.named(target) if target else None)
    shown = [(name, known) for name, known in found if known.finding.severity in wanted]
    if output is tell.Output.JSON:
        tell.document("findings", {"findings": [finding_item(name, known) for name, known in shown]})
    else:
        tell.table(
            ["", "number", "severity", "target", "kind", "what is wrong", "state", "by"],
            [[known.finding.severity.mark, known.number, known.finding.severity, name,
              "sequence" if known.finding.rule_kind == "sequence" else known.finding.kind,
              known.finding.message, _state(known, wired.clock.now()), known.by or "–"] for name, known in shown],
        )  # fmt: skip
        tell.note(f"{len(shown)} of {len(found)}")
    raise typer.Exit(1 if shown else 0)


@app.command()
def show(number: Number, output: OutputOption = tell.Output.TABLE) -> None:
    """Show a finding: what, evidence, why, how to mend it, its history.

    Example: smart360-monitor findings show 7F3K
    """
    wired = deps()
    with wired.store.read() as unit:
        found = unit.findings.numbered(number)
        if found is None:
            raise NotFound("no such finding.", where=number, mend="See: smart360-monitor findings list.")
        target, known = found
        history = unit.findings.history(known)
        said = latest(unit.findings.opinions(known=known)).get(known.id, ())
        item = finding_in_full(unit, target, known)
    if output is tell.Output.JSON:
        tell.document("finding", {"finding": item})
        return
    finding = known.finding
    tell.result(f"{finding.severity.mark} {finding.severity}  {tell.shown_whole(finding.message)}")
    place = " ".join(part for part in (finding.resource_type, finding.key, finding.path) if part)
    tell.result(f"{known.number}  {target}  {tell.shown_whole(place)}  {finding.rule or finding.kind}")
    told = _state(known, wired.clock.now())
    tell.result(f"state   {told} {known.resolution}{f' by {known.by}' if known.by else ''}")
    if known.quiet is not None:
        tell.result(f"quiet   {tell.shown_whole(known.quiet.reason)} ({tell.shown_whole(known.quiet.by)})")
    for opinion in said:
        tell.result(f"marked  {opinion.mark} by {opinion.by} {tell.shown_whole(opinion.reason)}".rstrip())
    for each in finding.evidence:
        where = f"{each.resource_type} {each.key} {each.path}"
        tell.result(f"        {tell.shown_whole(where)} = {tell.shown_whole(str(each.value))}")
    if finding.op is not None:
        tell.result(f"      - {tell.shown_whole(str(finding.old))}")
        tell.result(f"      + {tell.shown_whole(str(finding.new))}")
    if finding.money is not None:
        tell.result(f"cost    {tell.shown_whole(str(finding.money))}")
        for line in finding.money.working:
            tell.result(f"        {tell.shown_whole(line)}")
    tell.result(f"why     {finding.why}")
    if finding.basis:
        tell.result(f"basis   {finding.basis}")
    tell.result(f"mend    {tell.shown_whole(finding.fix)}")
    for event in history:
        tell.result(
            f"        {tell.moment(event.at)}  {event.event} {event.by} {tell.shown_whole(event.note)}".rstrip()
        )


@app.command()
def plan(target: TargetName, output: OutputOption = tell.Output.TABLE) -> None:
    """Say what to do first: the open findings as steps in the order of configuration; exit 1 if there are any.

    Example: smart360-monitor findings plan swa/production
    """
    from monitor.plan import plan_of
    from monitor.reports.table import plan_lines

    found = plan_of(target, deps())
    if output is tell.Output.JSON:
        tell.document("plan", {**plan_head(found), "steps": [step_item(each) for each in found.steps]})
    else:
        for line in plan_lines(found):
            tell.result(line)
    raise typer.Exit(1 if found.steps else 0)


@app.command()
def ack(
    number: Number, note: Annotated[str, typer.Option(help="What you do about it.")] = "", by: AsOption = ""
) -> None:
    """Say that you have seen a finding and work on it; its message says so too.

    Example: smart360-monitor findings ack 7F3K --note "calling Mei at nine" --as carla
    """
    from monitor.care import acknowledge

    known = acknowledge(number, note, tell.actor(by), deps())
    tell.result(f"{known.number} is acknowledged by {known.by}.")


@app.command()
def mark(
    number: Number,
    is_useful: Annotated[bool | None, typer.Option("--useful/--not-useful", help="Was it worth being told?")] = None,
    reason: Annotated[str, typer.Option(help="Why; needed where it was not useful.")] = "",
    by: AsOption = "",
) -> None:
    """Say whether a finding was useful; your last word on it counts for the precision of its rule.

    It closes nothing: the finding stays open until SMART360 is right again.

    Example: smart360-monitor findings mark 7F3K --not-useful --reason "the plan is a draft" --as nisha
    """
    from monitor.care import mark_finding

    if is_useful is None:
        raise BadUsage("was it useful or not?", where="findings mark", mend="Say --useful or --not-useful.")
    chosen = Mark.USEFUL if is_useful else Mark.NOT_USEFUL
    who = tell.actor(by)
    _, known = mark_finding(number, chosen, reason, who, deps())
    tell.result(f"{known.number} is marked {chosen} by {who.name}. "
                f"A mark closes nothing: it is {known.state}, as before.")  # fmt: skip
