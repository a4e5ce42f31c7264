"""``snapshot list|show|export|diff``."""

import sys
from typing import Annotated

import typer

from monitor.cli import tell
from monitor.cli.context import deps
from monitor.cli.tenants import OutputOption, TargetName
from monitor.deps import Deps
from monitor.errors import NotFound
from monitor.store.snapshots import Snapshot

app = typer.Typer(help="Snapshots: what was read, and when.", no_args_is_help=True)
Number = Annotated[int, typer.Option("--snapshot", help="Number of the snapshot; 0: the newest.")]
AtOption = Annotated[str, typer.Option("--at", help="As of this moment, e.g. 2026-10-02T09:00; else now.")]


def _found(target: str, number: int, at: str, wired: Deps) -> Snapshot:
    from monitor.moments import moment_of

    with wired.store.read() as unit:
        registered = unit.targets.named(target)
        if at:
            found = unit.snapshots.at(registered, moment_of(at, registered, wired))
        else:
            found = unit.snapshots.by_id(registered, number) if number else unit.snapshots.last(registered)
    if found is None:
        raise NotFound("no such snapshot.", where=target, mend=f"smart360-monitor snapshot list {target}")
    return found


@app.command("list")
def list_snapshots(
    target: TargetName,
    most: Annotated[int, typer.Option(help="How many at most.", min=1, max=500)] = 50,
    at: AtOption = "",
    output: OutputOption = tell.Output.TABLE,
) -> None:
    """List snapshots of a target, newest first.

    Example: smart360-monitor snapshot list swa/production
    """
    from monitor.moments import moment_of

    wired = deps()
    with wired.store.read() as unit:
        registered = unit.targets.named(target)
        by = moment_of(at, registered, wired) if at else None
        found = unit.snapshots.history(registered, most, by=by)
    if output is tell.Output.JSON:
        tell.document("snapshots", {"snapshots": [
            {"id": each.id, "taken_at": each.taken_at, "digest": each.digest, "lists_read": each.lists_read,
             "lists_total": each.lists_total, "objects": each.objects} for each in found]})  # fmt: skip
        return
    tell.table(
        ["snapshot", "taken", "lists", "objects", "digest"],
        [[str(each.id), tell.moment(each.taken_at), f"{each.lists_read} of {each.lists_total}", str(each.objects),
          each.digest[:15]] for each in found],
    )  # fmt: skip


@app.command()
def show(target: TargetName, snapshot: Number = 0, at: AtOption = "", output: OutputOption = tell.Output.TABLE) -> None:
    """Show what a snapshot holds: lists, objects, and what was not read.

    Example: smart360-monitor snapshot show swa/production
    """
    wired = deps()
    found = _found(target, snapshot, at, wired)
    lists = found.configuration.lists
    if output is tell.Output.JSON:
        tell.document("snapshot", {"snapshot": {
            "id": found.id, "taken_at": found.taken_at, "digest": found.digest,
            "lists": {name: {"objects": each.count, "digest": each.digest} for name, each in lists.items()},
            "gaps": [{"resource_type": gap.resource_type, "path": gap.path, "key": gap.key, "reason": gap.reason,
                      "detail": gap.detail} for gap in found.configuration.gaps]}})  # fmt: skip
        return
    tell.result(f"snapshot {found.id} of {target}, {tell.moment(found.taken_at)}, {found.digest}")
    tell.table(["list", "objects"], [[name, str(each.count)] for name, each in lists.items()])
    for gap in found.configuration.gaps:
        tell.result(f"◪ {gap.resource_type} {gap.path or gap.key}  {gap.reason}  {tell.shown_whole(gap.detail)}")


@app.command()
def export(target: TargetName, snapshot: Number = 0, at: AtOption = "") -> None:
    """Write a snapshot as a configuration file to standard output; secrets are fingerprints.

    Example: smart360-monitor snapshot export swa/production > swa.yaml
    """
    from baselines.writer import write_configuration

    wired = deps()
    found = _found(target, snapshot, at, wired)
    with wired.store.write() as unit:
        registered = unit.targets.named(target)
        unit.audit.append(
            wired.audit_key, at=wired.clock.now(), actor=tell.actor("").name, tenant=registered.tenant,
            action="snapshot.export", object=f"{registered.name} snapshot {found.id}", content=found.digest,
        )  # fmt: skip
    catalogue = wired.catalogue_of(registered)
    sys.stdout.buffer.write(write_configuration(found.configuration, catalogue))


@app.command()
def diff(
    target: TargetName,
    old: Annotated[str, typer.Argument(help="A snapshot (12), a baseline (baseline:7), or a moment.")],
    new: Annotated[str, typer.Argument(help="The same; the newest snapshot where none is named.")] = "now",
    at: AtOption = "",
    output: OutputOption = tell.Output.TABLE,
) -> None:
    """Show what differs between two moments, snapshots or baselines; exit 1 if anything does.

    Example: smart360-monitor snapshot diff swa/production 1
    """
    from monitor.cli.changes import print_changes
    from monitor.moments import compare_moments

    wired = deps()
    with wired.store.read() as unit:
        registered = unit.targets.named(target)
        made = compare_moments(registered, old, at or new, wired, unit)
    before, after = made.old.configuration.digest, made.new.configuration.digest
    print_changes(made.comparison, before, after, output, wired.catalogue_of(registered))
    tell.note(f"{made.old.name}, {tell.moment(made.old.at)}, against {made.new.name}, {tell.moment(made.new.at)}")
    raise typer.Exit(1 if made.comparison.changes else 0)
