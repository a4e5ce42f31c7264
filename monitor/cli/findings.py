"""``findings list|show|plan|ack|assign|snooze|expect|note|waive|reopen|mark``."""

from collections import Counter
from collections.abc import Sequence
from datetime import tzinfo
from enum import StrEnum
from typing import Annotated, TypeVar

import typer

from baselines.errors import shown
from baselines.severity import Severity
from monitor.cli import BadUsage, tell
from monitor.cli.context import deps
from monitor.cli.tenants import AsOption, OutputOption, TargetName
from monitor.deps import Deps
from monitor.errors import NotFound
from monitor.reports.items import finding_in_full, finding_item, fleet_item, plan_head, step_item
from monitor.store.unit import Unit
from rules.lifecycle import Known, State, state_words
from rules.precision import Mark, latest
from rules.quiet import Standing
from rules.selector import Selector
from rules.waivers import as_of

E = TypeVar("E", bound=StrEnum)

app = typer.Typer(help="Findings: what is wrong now, and its life.", no_args_is_help=True)
Number = Annotated[str, typer.Argument(metavar="FINDING", help="Its number, e.g. 7F3K.")]
By = Annotated[str, typer.Option(help="A time such as 7d, 12h, 2026-12-15 or 2026-12-15T08:00, in the target's zone.")]
Note = Annotated[str, typer.Option(help="What others are to know of it.")]
Ticket = Annotated[str, typer.Option(help="Of the change, e.g. CHG-123.")]


def _some(words: str, kind: type[E], option: str) -> set[E]:
    """``critical,high`` as what they name; all where nothing is said."""
    try:
        return {kind(each.strip()) for each in words.split(",") if each.strip()} or set(kind)
    except ValueError:
        mend = f"Some of: {', '.join(each.value for each in kind)}."
        raise BadUsage(f"{shown(words)} names none.", where=option, mend=mend) from None


def _known(number: str) -> tuple[Deps, str, Known, tzinfo]:
    """A finding as of now, with its target's name and zone."""
    wired = deps()
    with wired.store.read() as unit:
        found = unit.findings.numbered(number)
        if found is None:
            raise NotFound("no such finding.", where=number, mend="See: smart360-monitor findings list.")
        ((name, known),) = as_of([found], unit.waivers.in_force(wired.clock.now()), wired.clock.now())
        return wired, name, known, unit.targets.named(name).zone


def _as_of(target: str, at: str, unit: Unit, wired: Deps) -> Sequence[tuple[str, Known]]:
    from monitor.moments import as_of as target_as_of
    from monitor.moments import moment_of

    registered = unit.targets.named(target)
    made = target_as_of(registered, moment_of(at, registered, wired), unit)
    tell.note(f"as of {tell.moment(made.at)}, read-only; sentences as they were last seen")
    return [(target, each) for each in made.findings]


@app.command("list")
def list_findings(
    target: Annotated[str, typer.Argument(help="tenant/environment; all where none is named.")] = "",
    severity: Annotated[str, typer.Option(help="Only these, e.g. critical,high.")] = "",
    state: Annotated[str, typer.Option(help="Only these: open,acknowledged,resolved.")] = "open,acknowledged",
    standing: Annotated[str, typer.Option(help="Only these, e.g. waived,snoozed.")] = "plain,expected,snoozed",
    at: Annotated[str, typer.Option(help="As of this moment, e.g. 2026-10-02T09:00; of one target.")] = "",
    output: OutputOption = tell.Output.TABLE,
) -> None:
    """List what is open, worst first; exit 1 if anything is. What is waived is hidden, and counted.

    Example: smart360-monitor findings list swa/production --severity critical,high --standing waived
    """
    wired = deps()
    severities, standings = _some(severity, Severity, "--severity"), _some(standing, Standing, "--standing")
    states, now = _some(state, State, "--state"), wired.clock.now()
    if at and not target:
        raise BadUsage("whose?", where="--at", mend="Name a target: findings list swa/production --at …")
    with wired.store.read() as unit:
        if at:
            found = _as_of(target, at, unit, wired)
        else:
            listed = unit.findings.open(unit.targets.named(target) if target else None, states)
            found = as_of(listed, unit.waivers.in_force(now), now)
    asked = [(name, known) for name, known in found if known.finding.severity in severities]
    chosen = [(name, known) for name, known in asked if known.standing in standings]
    hidden = Counter(known.standing.value for _, known in asked if known.standing not in standings)
    if output is tell.Output.JSON:
        told = {
            "findings": [finding_item(name, known, now) for name, known in chosen],
            "hidden": dict(sorted(hidden.items())),
        }
        tell.document("findings", told)
    else:
        tell.table(
            ["", "number", "severity", "target", "kind", "what is wrong", "state", "by"],
            [[known.finding.severity.mark, known.number, known.finding.severity, name,
              "sequence" if known.finding.rule_kind == "sequence" else known.finding.kind,
              known.finding.message, state_words(known, tell.moment, now), known.assignee or known.by or "–"]
             for name, known in chosen],
        )  # fmt: skip
        more = "".join(f" · {count} {word} hidden: --standing {word}" for word, count in sorted(hidden.items()))
        tell.note(f"{len(chosen)} of {len(found)}{more}")
    raise typer.Exit(1 if any(known.state is not State.RESOLVED for _, known in chosen) else 0)


@app.command()
def show(
    number: Number,
    for_utility: Annotated[
        bool, typer.Option("--for-utility", help="As plain text for the utility: no secrets, no names of people.")
    ] = False,
    output: OutputOption = tell.Output.TABLE,
) -> None:
    """Show a finding: what, evidence, since when, who may have done it, what depends on it, how to mend it, who knows.

    Example: smart360-monitor findings show 7F3K
    """
    from monitor.explain import explain
    from monitor.reports.items import clock
    from monitor.reports.table import explanation_lines
    from rules.explain import note_for_utility

    wired, target, known, _ = _known(number)
    explained = explain(number, tell.actor(""), wired, with_plan=not for_utility)
    if for_utility and explained is not None:
        tell.result(note_for_utility(explained, lambda at: clock(at, explained.zone)).rstrip())
        return
    with wired.store.read() as unit:
        history = unit.findings.history(known)
        said = latest(unit.findings.opinions(known=known)).get(known.id, ())
        item = finding_in_full(unit, target, known, wired.clock.now(), explained)
    if output is tell.Output.JSON:
        tell.document("finding", {"finding": item})
        return
    finding = known.finding
    tell.result(f"{finding.severity.mark} {finding.severity}  {tell.shown_whole(finding.message)}")
    place = " ".join(part for part in (finding.resource_type, finding.key, finding.path) if part)
    tell.result(f"{known.number}  {target}  {tell.shown_whole(place)}  {finding.rule or finding.kind}")
    told = state_words(known, tell.moment, wired.clock.now())
    tell.result(f"state   {tell.shown_whole(told)}")
    if known.quiet is not None and known.quiet.reason:
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
    for line in explanation_lines(explained, tell.moment) if explained is not None else ():
        tell.result(tell.shown_whole(line))
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
def fleet(output: OutputOption = tell.Output.TABLE) -> None:
    """List what came on many targets at once and is probably one cause, newest first; exit 1 if any of it is open.

    Example: smart360-monitor findings fleet
    """
    from monitor.fleet import fleet_events

    wired = deps()
    with wired.store.read() as unit:
        found = fleet_events(unit, wired)
    if output is tell.Output.JSON:
        tell.document("fleet-events", {"fleet_events": [fleet_item(each) for each in found]})
    else:
        tell.table(
            ["", "event", "severity", "state", "open", "what happened"],
            [[each.severity.mark, each.label, each.severity, each.state,
              f"{len(each.open)} of {len(each.members)}", each.sentence] for each in found],
        )  # fmt: skip
    raise typer.Exit(1 if any(each.open for each in found) else 0)


@app.command()
def ack(
    number: Number, note: Annotated[str, typer.Option(help="What you do about it.")] = "", by: AsOption = ""
) -> None:
    """Say that you have seen a finding, or all of a fleet event (fleet-3), and work on it; its messages say so too.

    Example: smart360-monitor findings ack 7F3K --note "calling Mei at nine" --as carla
    """
    from monitor.care import acknowledge, acknowledge_fleet

    if number.startswith("fleet-") and number[6:].isdecimal():
        done = acknowledge_fleet(int(number[6:]), note, tell.actor(by), deps())
        tell.result(f"{len(done)} findings of {number} are acknowledged by {done[0].by}.")
        return
    known = acknowledge(number, note, tell.actor(by), deps())
    tell.result(f"{known.number} is acknowledged by {known.by}.")


@app.command()
def assign(
    number: Number, to: Annotated[str, typer.Option(help="Who is to look after it; nobody where it is empty.")],
    note: Note = "", by: AsOption = "",
) -> None:  # fmt: skip
    """Say who is to look after a finding.

    Example: smart360-monitor findings assign 7F3K --to mei --note "knows the tariffs" --as carla
    """
    from monitor.care import assign as assigned

    known = assigned(number, to, note, tell.actor(by), deps())
    tell.result(f"{known.number} is assigned to {known.assignee or 'nobody'}.")


@app.command()
def snooze(number: Number, until: By, note: Note = "", by: AsOption = "") -> None:
    """Be alerted of a finding no more until a time; it stays open, and is told again if it is still wrong then.

    At most 7 days; 31 for who may ask for waivers.

    Example: smart360-monitor findings snooze 7F3K --until 2026-11-27T08:00 --note "mended on Thursday" --as carla
    """
    from monitor.care import snooze as snoozed

    wired, _, _, zone = _known(number)
    known = snoozed(number, tell.until(until, wired.clock.now(), zone), note, tell.actor(by), wired)
    _say(known, wired)


@app.command()
def expect(number: Number, ticket: Ticket, until: By, note: Note = "", by: AsOption = "") -> None:
    """Say that what a finding tells is an announced change, under a ticket, until a time; nobody is alerted before.

    Example: smart360-monitor findings expect 7F3K --ticket CHG-123 --until 3d --note "rates of 2027" --as carla
    """
    from monitor.care import expect as expected

    wired, _, _, zone = _known(number)
    known = expected(number, ticket, tell.until(until, wired.clock.now(), zone), note, tell.actor(by), wired)
    _say(known, wired)


@app.command()
def note(
    number: Number, text: Annotated[str, typer.Argument(help="What is to be kept.")], by: AsOption = ""
) -> None:  # fmt: skip
    """Add a comment to a finding's history.

    Example: smart360-monitor findings note 7F3K "the utility knows, Mei mends it" --as carla
    """
    from monitor.care import note as noted

    known = noted(number, text, tell.actor(by), deps())
    tell.result(f"Kept with {known.number}.")


@app.command()
def reopen(
    number: Number, reason: Annotated[str, typer.Option(help="Why.")] = "", by: AsOption = ""
) -> None:  # fmt: skip
    """Open a resolved finding again, or take back that it is acknowledged, snoozed or expected.

    Example: smart360-monitor findings reopen 7F3K --reason "it was not mended" --as carla
    """
    from monitor.care import reopen as reopened

    wired = deps()
    _say(reopened(number, reason, tell.actor(by), wired), wired)


@app.command()
def waive(
    number: Annotated[str, typer.Argument(metavar="[FINDING]", help="Its number; or say --rule and --on.")] = "",
    reason: Annotated[str, typer.Option(help="Why it may stay so, in at least 20 characters.")] = "",
    until: Annotated[str, typer.Option(help="Its end, as in snooze; within a year, 90 days where it is wider.")] = "",
    rule: Annotated[str, typer.Option(help="Instead of a number: rules, * stands for any text.")] = "",
    resource_type: Annotated[str, typer.Option("--type", help="Resource types, in the same way.")] = "",
    key: Annotated[str, typer.Option(help="Keys of objects, in the same way.")] = "",
    on: Annotated[list[str], typer.Option(metavar="TARGET", help="A target of the wider one; several times.")] = [],  # noqa: B006
    ticket: Ticket = "", by: AsOption = "",
) -> None:  # fmt: skip
    """Ask that a finding, or all of a rule, may stay as they are until a time; another person approves.

    Example: smart360-monitor findings waive 7F3K --until 2027-02-01 --reason "the council decides in January" --as olga
    """
    from monitor.waivers import ask_waiver, ask_wide_waiver

    if not until:
        raise BadUsage("no end is named.", where="findings waive", mend="Say --until 2027-02-01.")
    if bool(number) == bool(on):
        mend = "Say FINDING, or --rule (or --type) and --on TARGET."
        raise BadUsage("one finding or a pattern?", where="findings waive", mend=mend)
    who = tell.actor(by)
    if number:
        wired, _, _, zone = _known(number)
        waiver = ask_waiver(number, reason, tell.until(until, wired.clock.now(), zone), who, wired, ticket=ticket)
    else:
        wired = deps()
        with wired.store.read() as unit:
            zone = unit.targets.named(on[0]).zone
        ends = tell.until(until, wired.clock.now(), zone)
        match = Selector(rule=rule, resource_type=resource_type, key=key)
        waiver = ask_wide_waiver(on, match, reason, ends, who, wired, ticket=ticket)
    tell.result(f"Waiver {waiver.number} of {tell.shown_whole(waiver.subject)} is asked for, "
                f"until {tell.moment(waiver.ends)}.")  # fmt: skip
    tell.note(f"Another person: smart360-monitor waiver approve {waiver.number}")


def _say(known: Known, wired: Deps) -> None:
    told = state_words(known, tell.moment, wired.clock.now())
    tell.result(f"{known.number} is {tell.shown_whole(told)}.")


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
