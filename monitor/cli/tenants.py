"""``tenant apply|list|show|check|pause|resume|remove``."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli import BadUsage, tell
from monitor.cli.context import deps
from monitor.deps import Deps
from monitor.errors import InvalidTenantFile
from monitor.reports.items import target_in_full, target_item
from monitor.store.unit import Unit, tried_again
from monitor.store.values import content_of
from monitor.target import Definition, Target
from monitor.tenantcheck import check_access
from rules.lifecycle import Resolution

app = typer.Typer(help="Targets: register, look at, pause, remove.", no_args_is_help=True)
TargetName = Annotated[str, typer.Argument(metavar="TARGET", help="tenant/environment, e.g. swa/production")]
OutputOption = Annotated[tell.Output, typer.Option("--output", help="How to print the result.")]
AsOption = Annotated[str, typer.Option("--as", help="Who acts; the machine's user where none is named.")]


@app.command()
def apply(file: Annotated[Path, typer.Argument(help="Tenant file, or - for standard input.")]) -> None:
    """Register or change the targets of a tenant file; all of it or nothing.

    Example: smart360-monitor tenant apply swa.yaml
    """
    from baselines import document
    from baselines.reader import read_file
    from monitor.tenantfile import read_tenant_file

    wired = deps()
    data, name = read_file(file, document.SETTINGS_LIMITS)
    found = read_tenant_file(
        data, name, wired.catalogue, allowed_hosts=frozenset(wired.settings.allowed_hosts), packs=lambda: wired.packs
    )
    now = wired.clock.now()
    with wired.store.write() as unit:
        _refuse_shared_utility(name, found, list(unit.targets.all()))
        for tenant, environment, definition in found:
            target, is_new = unit.targets.put(tenant, environment, definition, now)
            reason = ", ".join(each for each, _ in definition.overlays)
            _note(unit, wired, "apply", tenant, target.name, "", reason, content=content_of(definition))
            tell.result(f"{target.name}  {'registered' if is_new else 'changed'}")


def _refuse_shared_utility(name: str, found: Sequence[tuple[str, str, Definition]], known: list[Target]) -> None:
    from baselines.errors import Mistake

    taken = {(each.definition.url, each.definition.utility): each.name for each in known if each.definition.utility}
    mistakes = []
    for tenant, environment, definition in found:
        place = (definition.url, definition.utility)
        target = f"{tenant}/{environment}"
        if definition.utility and taken.get(place, target) != target:
            what = f"The utility is watched as {taken[place]} already."
            mistakes.append(Mistake(name, 0, 0, target, "duplicate_key", what, "Remove one of the two."))
        taken[place] = target
    if mistakes:
        raise InvalidTenantFile(mistakes)


def _note(
    unit: Unit, wired: Deps, act: str, tenant: str, target: str, by: str, reason: str = "", content: str = ""
) -> None:
    unit.audit.append(
        wired.audit_key, at=wired.clock.now(), actor=tell.actor(by).name, tenant=tenant, action=f"tenant.{act}",
        object=target, content=content, reason=reason,
    )  # fmt: skip


@app.command("list")
def list_targets(output: OutputOption = tell.Output.TABLE) -> None:
    """List what is watched.

    Example: smart360-monitor tenant list
    """
    wired = deps()
    with wired.store.read() as unit:
        items = [target_item(unit, each) for each in unit.targets.all()]
    if output is tell.Output.JSON:
        tell.document("tenants", {"tenants": items})
        return
    tell.table(
        ["target", "utility", "stage", "open", "last sweep", "next"],
        [
            [each["target"], each["title"] or "–", each["stage"], str(each["open"]), each["last_sweep"] or "–",
             f"paused by {each['paused_by']}" if each["paused_by"] else each["next_run_at"] or "–"]
            for each in items
        ],
    )  # fmt: skip
    if not items:
        tell.note("No target yet. Register one: smart360-monitor tenant apply FILE")


@app.command()
def show(
    target: TargetName,
    explain: Annotated[bool, typer.Option("--explain", help="Also what its overlays say, and where.")] = False,
    output: OutputOption = tell.Output.TABLE,
) -> None:
    """Show the state of a target; exit 1 if something is wrong there.

    Example: smart360-monitor tenant show swa/production --explain
    """
    wired = deps()
    with wired.store.read() as unit:
        found = unit.targets.named(target)
        runs = unit.sweeps.last(found, states=("complete", "partial"))
        latest = unit.sweeps.last(found)
        open_findings = [known for _, known in unit.findings.open(found)]
        baseline = unit.baselines.current(found)
        proposals = unit.baselines.open_proposals(found)
        snapshot = unit.snapshots.last(found)
        item = target_in_full(unit, found)
    report = runs[0].report if runs else {}
    origins = wired.overlay_of(found).origins if explain else ()
    if output is tell.Output.JSON:
        told = {"origins": [asdict(each) for each in origins]} if explain else {}
        tell.document("tenant", {"tenant": {**item, **told}})
    else:
        tell.result(f"{found.name}   {found.title or '(not read yet)'}   {found.definition.stage}")
        if snapshot is not None:
            lists = f"{snapshot.lists_read} of {snapshot.lists_total} lists, {snapshot.objects} objects"
            tell.result(
                f"read        {tell.moment(snapshot.taken_at)}   {lists}   next {tell.moment(found.next_run_at)}"
            )
        else:
            tell.result("read        never; see: smart360-monitor sweep TARGET --wait")
        if latest and latest[0].state in ("failed", "poisoned"):
            tell.result(f"last sweep  {latest[0].state}: {latest[0].fault}   mend: {latest[0].cure}")
        if report:
            rules = report["rules"]
            tell.result(
                f"readiness   {report['readiness']}   {rules['passed']} rules passed, {rules['failed']} failed, "
                f"{rules['undecided']} undecided, {rules['not_applicable']} not applicable"
            )
            tell.result(f"drift       {report['drift']} unexpected")
        if baseline is not None:
            at = tell.moment(baseline.approved_at)
            tell.result(
                f"baseline    {baseline.version}   approved {at} by {baseline.approver}   {baseline.digest[:15]}"
            )
        else:
            tell.result("baseline    none; the first one is what people agree is right today")
        for proposal in proposals:
            tell.result(f"proposal    {proposal.id} waits, by {proposal.proposer}")
        for known in open_findings:
            finding = known.finding
            who = f"  {known.by}" if known.by else ""
            tell.result(f"{finding.severity.mark} {known.number}  {tell.shown_whole(finding.message)}{who}")
        for each in origins:
            over = f"   over {tell.shown_whole(each.over)}" if each.over else ""
            tell.result(f"{each.place}   {tell.shown_whole(each.name)}: {tell.shown_whole(each.value)}{over}")
        if explain and not origins:
            tell.result("overlays    none; everything is as shipped")
    raise typer.Exit(1 if open_findings else 0)


@app.command()
def check(target: TargetName, output: OutputOption = tell.Output.TABLE) -> None:
    """Prove access, privileges and subscription of a target.

    Example: smart360-monitor tenant check swa/production
    """
    wired = deps()
    with wired.store.read() as unit:
        found = unit.targets.named(target)
    checks = check_access(found, wired)
    if output is tell.Output.JSON:
        tell.document("tenant-check", {"checks": [asdict(each) for each in checks]})
    else:
        for each in checks:
            tell.result(f" {each.mark} {each.name:<15} {tell.shown_whole(each.told)}")
            if each.mend:
                tell.result(f"   {'':<15} mend: {each.mend}")
        wrong = sum(1 for each in checks if each.mark == "✗")
        warnings = sum(1 for each in checks if each.mark == "!")
        tell.result(f"{wrong} to mend, {warnings} warnings.")
    unreachable = any(each.mark == "✗" and each.name in ("reachable", "log-in") for each in checks)
    raise typer.Exit(3 if unreachable else 1 if any(each.mark == "✗" for each in checks) else 0)


@app.command()
def pause(
    target: Annotated[str, typer.Argument(help="tenant/environment, or all.")],
    reason: Annotated[str, typer.Option(help="Why; shown on the page.")] = "",
    by: AsOption = "",
) -> None:
    """Stop the scheduled sweeps of a target, or of all.

    Example: smart360-monitor tenant pause swa/production --reason "moved to new servers"
    """
    wired = deps()
    now = wired.clock.now()
    with wired.store.write() as unit:
        if target == "all":
            unit.targets.pause_all(True, tell.actor(by).name, now)
            _note(unit, wired, "pause", "", "all targets", by, reason)
        else:
            found = unit.targets.named(target)
            unit.targets.pause(found, tell.actor(by).name, reason, now)
            _note(unit, wired, "pause", found.tenant, found.name, by, reason)
    tell.result(f"{target} is paused; smart360-monitor tenant resume {target} goes on.")


@app.command()
def resume(target: Annotated[str, typer.Argument(help="tenant/environment, or all.")], by: AsOption = "") -> None:
    """Go on with the scheduled sweeps of a target, or of all.

    Example: smart360-monitor tenant resume swa/production
    """
    wired = deps()
    now = wired.clock.now()
    with wired.store.write() as unit:
        if target == "all":
            unit.targets.pause_all(False, tell.actor(by).name, now)
            _note(unit, wired, "resume", "", "all targets", by)
        else:
            found = unit.targets.named(target)
            unit.targets.resume(found, now)
            _note(unit, wired, "resume", found.tenant, found.name, by)
    tell.result(f"{target} is watched again.")


@app.command()
def remove(
    target: TargetName,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needed where there is no terminal.")] = False,
    by: AsOption = "",
) -> None:
    """No longer watch a target; its findings end as "target removed", its history stays.

    Example: smart360-monitor tenant remove swa/sandbox --yes
    """
    import sys

    wired = deps()
    if not yes:
        if not sys.stdin.isatty():
            raise BadUsage("nobody can be asked here.", where=target, mend="Say --yes to remove it.")
        if typer.prompt(f"Type {target} to remove it") != target:
            raise BadUsage("that is not its name; nothing was removed.", where=target, mend="Type it as shown.")
    tell.result(f"{target} is removed; {_removed(target, by, wired)} findings ended with it.")


@tried_again
def _removed(target: str, by: str, wired: Deps) -> int:
    now = wired.clock.now()
    with wired.store.write() as unit:
        found = unit.targets.named(target)
        unit.targets.hold(found)
        several = [known for _, known in unit.findings.open(found)]
        unit.findings.resolve(several, Resolution.TARGET_REMOVED, "target removed", tell.actor(by).name, now)
        unit.targets.remove(found, now)
        _note(unit, wired, "remove", found.tenant, found.name, by)
    return len(several)
