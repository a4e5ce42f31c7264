"""Prerequisites of the guide, proven at the source: reachable, log-in, privileges, subscription."""

import asyncio
from dataclasses import dataclass

from baselines.errors import Smart360Error
from monitor.deps import Deps
from monitor.source import Source, SourceFault
from monitor.target import Target


@dataclass(frozen=True, slots=True)
class Check:
    """One prerequisite: ✓ is met, ! is a warning, ✗ is to be mended."""

    name: str
    mark: str
    told: str
    mend: str = ""


def check_access(target: Target, deps: Deps) -> list[Check]:
    """Ask the source what the monitor needs of it; reads only."""
    try:
        source = deps.source(target)
    except Smart360Error as error:
        return [Check("secrets", "✗", error.what, error.mend)]
    return asyncio.run(_checks(target, source, deps))


async def _checks(target: Target, source: Source, deps: Deps) -> list[Check]:
    where = target.definition.url or target.definition.folder
    try:
        async with source:
            privileges = await source.begin()
            found = [Check("reachable", "✓", where), Check("log-in", "✓", target.definition.user or "not needed")]
            found.append(await _lists(target, source, privileges, deps))
            found += _too_strong(privileges)
            found.append(await _subscription(source))
            return found
    except SourceFault as fault:
        is_login = fault.code in ("login_refused", "unauthorized")
        found = [Check("reachable", "✓", where)] if is_login or fault.code == "utility_unknown" else []
        name = "log-in" if is_login else "utility" if fault.code == "utility_unknown" else "reachable"
        return [*found, Check(name, "✗", f"{fault.code}: {fault.what}", fault.mend)]


async def _lists(target: Target, source: Source, privileges: tuple[str, ...] | None, deps: Deps) -> Check:
    scope = target.scope(deps.catalogue_of(target))
    without = [name for name in scope if not source.has(name)]
    lacking: dict[str, list[str]] = {}
    for name in scope:
        if not source.has(name):
            continue
        needed = source.privilege(name)
        if privileges is not None and needed:
            held = {each.split(":")[0].split(" ")[0] for each in privileges}
            if needed not in held:
                lacking.setdefault(needed, []).append(name)
            continue
        try:
            await source.read(name, 1)
        except SourceFault as fault:
            lacking.setdefault(needed or fault.code, []).append(name)
    missing = sum(len(names) for names in lacking.values())
    read = len(scope) - missing - len(without)
    if not lacking:
        besides = f"; no route for {', '.join(without)}" if without else ""
        return Check("privileges", "✓" if not without else "!", f"{read} of {len(scope)} lists can be read{besides}")
    told = "; ".join(f"VIEW missing on {name} ({', '.join(types)})" for name, types in lacking.items())
    mend = f"Give the monitor's role VIEW on {', '.join(lacking)} under Users › Roles."
    return Check("privileges", "✗", f"{read} of {len(scope)} lists: {told}", mend)


def _too_strong(privileges: tuple[str, ...] | None) -> list[Check]:
    edits = [each for each in privileges or () if "EDIT" in each.upper()]
    if not edits:
        return []
    told = f"the monitor may edit {', '.join(edits[:5])}; reading is enough"
    return [Check("too strong", "!", told, "Give its role VIEW only.")]


async def _subscription(source: Source) -> Check:
    try:
        rows = (await source.read("subscription")).load_rows()
    except SourceFault as fault:
        return Check("subscription", "!", f"not readable: {fault.code}", fault.mend)
    for row in rows:
        if str(row.get("status", "")).lower() == "active":
            until = f" to {row['end_date']}" if row.get("end_date") else ""
            return Check("subscription", "✓", f"{row.get('plan', '')}, active{until}")
    return Check("subscription", "✗", "no active subscription", "Settle it with Bynry's onboarding team.")
