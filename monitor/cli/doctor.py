"""``doctor``: is this installation right?"""

import platform
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from baselines.errors import Smart360Error
from monitor.cli import tell
from monitor.cli.context import deps
from monitor.deps import Deps
from monitor.source import SourceFault
from monitor.sourcecheck import Misfit, misfits_of
from monitor.tenantcheck import Check, check_access

PACKAGES = ("baselines", "rules", "alerts", "monitor")


def doctor(
    source: Annotated[str, typer.Option(help="Also read the source of this target, and say what does not fit.")] = "",
    output: Annotated[tell.Output, typer.Option("--output", help="How to print the result.")] = tell.Output.TABLE,
) -> None:
    """Look at this installation: packages, store, catalogue, packs, Slack, scheduler.

    With --source every list of a target is read once, and what manifest and catalogue do not describe is
    told with what to write. Exit 0: all is right. 1: something is to be mended. 3: the source cannot be read.

    Example: smart360-monitor doctor --source swa/production
    """
    wired = deps()
    misfits: tuple[Misfit, ...] = ()
    is_unread = False
    checks = [_version(), *_store(wired), _rules(wired), *_waivers(wired), *_slack(wired), _audit(wired)]
    if source:
        with wired.store.read() as unit:
            target = unit.targets.named(source)
        checks += check_access(target, wired)
        try:
            misfits = misfits_of(target, wired)
        except SourceFault as fault:
            checks.append(Check("source", "✗", f"{fault.code}: {fault.what}", fault.mend))
            is_unread = True
        is_unread |= any(each.is_unread for each in misfits)
    if output is tell.Output.JSON:
        tell.document("doctor", {"checks": [asdict(each) for each in checks], "misfits": [asdict(m) for m in misfits]})
    else:
        for each in checks:
            tell.result(f" {each.mark} {each.name:<12} {tell.shown_whole(each.told)}")
            if each.mend:
                tell.result(f"   {'':<12} mend: {each.mend}")
        for misfit in misfits:
            tell.result(f" ✗ {misfit.resource_type} {misfit.path}".rstrip() + f"  {tell.shown_whole(misfit.told)}")
            tell.result(f"   {'':<12} write: {tell.shown_whole(misfit.write)}")
        wrong, warned = (sum(1 for each in checks if each.mark == mark) for mark in "✗!")
        wrong += len(misfits)
        tell.result(f"{wrong} to mend, {warned} warnings.")
    if is_unread and all(each.is_unread for each in misfits):
        raise typer.Exit(3)
    raise typer.Exit(1 if misfits or any(each.mark == "✗" for each in checks) else 0)


def _version() -> Check:
    """The four generic package names must be ours, from one place."""
    import importlib

    folders = {Path(str(importlib.import_module(name).__file__)).parent.parent for name in PACKAGES}
    owners = metadata.packages_distributions()
    foreign = {name: owners[name] for name in PACKAGES if len(set(owners.get(name, ()))) > 1}
    told = f"{metadata.version('smart360-monitor')}, Python {platform.python_version()}"
    if len(folders) > 1 or foreign:
        mend = "Install it into an environment of its own."
        return Check("version", "✗", f"{told}, but packages of others are in the way: {foreign or folders}", mend)
    return Check("version", "✓", f"{told}, packages from one place")


def _store(wired: Deps) -> list[Check]:
    from monitor.store.engine import current_revision

    try:
        with wired.store.read() as unit:
            targets = unit.targets.all()
            stuck = [each.name for each in targets if each.paused_at]
            holder = unit.leases.holder("delivery")
    except Smart360Error as error:
        return [Check("store", "✗", error.what, error.mend)]
    url = wired.store.engine.url.render_as_string(hide_password=True)
    found = [Check("store", "✓", f"{url}, schema {current_revision(wired.store.engine)}, {len(targets)} targets")]
    if stuck:
        found.append(Check("paused", "!", ", ".join(stuck), "smart360-monitor tenant resume TARGET"))
    if holder is None or holder[1] < wired.clock.now():
        found.append(Check("service", "!", "nobody delivers now", "smart360-monitor serve"))
    else:
        found.append(Check("service", "✓", f"{holder[0]} delivers"))
    return found


def _audit(wired: Deps) -> Check:
    from monitor.audit import anchor_age, verify_store
    from monitor.chain import public_half

    try:
        verdict = verify_store(wired, public_half(wired.audit_key))
        with wired.store.read() as unit:
            minutes = int(anchor_age(unit, wired).total_seconds() // 60)
    except Smart360Error as error:
        return Check("audit", "✗", error.what, error.mend)
    if verdict.broken is not None:
        return Check("audit", "✗", str(verdict.broken), "Keep the store as it is, and see: audit verify.")
    told = f"{verdict.entries:,} entries, chain whole"
    if verdict.entries and minutes > 60:
        return Check("audit", "!", f"{told}, head not told outside for {minutes} min", "smart360-monitor serve")
    return Check("audit", "✓", told)


def _rules(wired: Deps) -> Check:
    try:
        rules = len(wired.packs.rules)
    except Smart360Error as error:
        return Check("packs", "✗", error.what, error.mend)
    return Check("packs", "✓", f"{len(wired.catalogue.types)} resource types · {wired.packs.names} · {rules} rules")


def _waivers(wired: Deps) -> list[Check]:
    """Waivers in force that match nothing, and those that end soon."""
    from monitor.waivers import matches_of

    now = wired.clock.now()
    with wired.store.read() as unit:
        waivers = [each for each in unit.waivers.all() if each.is_in_force(now)]
        idle = [str(number) for number, found in matches_of(unit, waivers).items() if not found]
    soon = [str(each.number) for each in waivers if each.ends_soon(now)]
    found = [Check("waivers", "!", f"{', '.join(idle)}: nothing matches", "waiver end NUMBER")] if idle else []
    return [*found, *([Check("waivers", "!", f"{', '.join(soon)}: ends soon", "waiver list")] if soon else [])]


def _slack(wired: Deps) -> list[Check]:

    with wired.store.read() as unit:
        waiting = unit.alerts.waiting()
    told = [Check("alerts", "!", f"{n} wait for {name}", "See the log of serve.") for name, (n, _) in waiting.items()]
    try:
        channel = wired.channel(wired.settings.default_channel)
        if channel is None:
            return [*told, Check("slack", "!", "no token is set: messages wait", "Set SMART360_SLACK_TOKEN.")]
        channel.find("doctor", wired.clock.now())
    except Smart360Error as error:
        return [*told, Check("slack", "✗", error.what, error.mend)]
    return [*told, Check("slack", "✓", "a lost answer can be found again")]
