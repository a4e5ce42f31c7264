"""``waiver list|approve|refuse|end``; ``findings waive`` asks for one."""

from typing import Annotated

import typer

from monitor.cli import tell
from monitor.cli.context import deps
from monitor.cli.tenants import AsOption, OutputOption
from monitor.reports.items import waiver_item
from rules.waivers import Waiver

app = typer.Typer(help="Waivers: what may stay wrong, why, until when.", no_args_is_help=True)
Number = Annotated[int, typer.Argument(metavar="WAIVER", help="Its number, as in waiver list.")]
Reason = Annotated[str, typer.Option(help="Why.")]


@app.command("list")
def list_waivers(
    every: Annotated[bool, typer.Option("--all", help="Also those refused or over.")] = False,
    output: OutputOption = tell.Output.TABLE,
) -> None:
    """List what is waived or asked for, those that end last first; those that end soon or match nothing say so.

    Example: smart360-monitor waiver list
    """
    from monitor.waivers import matches_of

    wired = deps()
    now = wired.clock.now()
    with wired.store.read() as unit:
        waivers = [each for each in unit.waivers.all() if every or each.word(now) in ("asked", "in force")]
        matches = {number: len(found) for number, found in matches_of(unit, waivers).items()}
    if output is tell.Output.JSON:
        tell.document("waivers", {"waivers": [waiver_item(each, matches[each.number], now) for each in waivers]})
        return

    def remark(waiver: Waiver) -> str:
        count = matches[waiver.number]
        told = f"matches {count}" if count else "matches nothing"
        return f"{told}, ends in {tell.span(waiver.ends - now)}" if waiver.ends_soon(now) else told

    tell.table(
        ["number", "state", "what", "targets", "until", "reason", "asked by", "decided by", ""],
        [[str(each.number), each.word(now), each.subject, ", ".join(each.targets), tell.moment(each.ends),
          f"{each.reason} {each.ticket}".strip(), each.asked_by, each.decided_by or "–", remark(each)]
         for each in waivers],
    )  # fmt: skip


@app.command()
def approve(number: Number, note: Reason = "", by: AsOption = "") -> None:
    """Agree to a waiver that somebody else asked for.

    Example: smart360-monitor waiver approve 3 --as nisha
    """
    from monitor.waivers import approve_waiver, matches_of

    wired = deps()
    waiver = approve_waiver(number, note, tell.actor(by), wired)
    with wired.store.read() as unit:
        count = len(matches_of(unit, [waiver])[number])
    tell.result(f"Waiver {number} is in force until {tell.moment(waiver.ends)}; it covers {count} open findings.")


@app.command()
def refuse(number: Number, reason: Reason = "", by: AsOption = "") -> None:
    """Say no to a waiver that is asked for, or take back one's own.

    Example: smart360-monitor waiver refuse 3 --reason "mend it this week" --as nisha
    """
    from monitor.waivers import refuse_waiver

    waiver = refuse_waiver(number, reason, tell.actor(by), deps())
    tell.result(f"Waiver {number} is refused by {waiver.decided_by}.")


@app.command()
def end(number: Number, reason: Reason = "", by: AsOption = "") -> None:
    """End a waiver early; the next sweep tells again what is still wrong.

    Example: smart360-monitor waiver end 3 --reason "the council has decided" --as olga
    """
    from monitor.waivers import end_waiver

    waiver = end_waiver(number, reason, tell.actor(by), deps())
    tell.result(f"Waiver {number} is ended by {waiver.ended_by}.")
