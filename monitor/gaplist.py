"""The gap list of a target for the utility's own administrators, and links that show it to them for a time.

It says what is wrong, why it matters and how to mend it; it names nobody, neither ours nor theirs. A link opens one
target's list and nothing else; it is known here by its keyed hash only, so that a copy of the store opens nothing.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from baselines.errors import ApprovalRefused
from baselines.severity import Severity
from monitor.access import Actor, Right
from monitor.deps import Deps
from monitor.errors import NotFound, UnknownTarget
from monitor.explain import people_in
from monitor.people import keyed
from monitor.store.seen import Tenants
from monitor.target import Target
from rules.explain import without_names
from rules.findings import Kind
from rules.lifecycle import Known
from rules.quiet import Standing
from rules.waivers import as_of

LONGEST: Final = timedelta(days=90)  #: that a link holds


@dataclass(frozen=True, slots=True)
class Gap:
    """One thing that is wrong, in words for the utility."""

    number: str
    severity: Severity
    is_unread: bool
    message: str
    where: str
    why: str
    fix: str
    cost: str
    since: datetime
    agreed_to: datetime | None  #: until when it may stay so, by a waiver


@dataclass(frozen=True, slots=True)
class GapList:
    """What is wrong at a target, by module in the order of the guide."""

    target: Target
    read_at: datetime | None  #: of the newest reading
    modules: Sequence[tuple[str, Sequence[Gap]]]  #: with their titles, worst first

    @property
    def count(self) -> int:
        """How many gaps there are."""
        return sum(len(gaps) for _, gaps in self.modules)


def gap_list(name: str, deps: Deps, seen: Tenants = None) -> GapList:
    """The gap list of a target as of now.

    Raises:
        UnknownTarget: it is not watched.
    """
    now = deps.clock.now()
    with deps.store.read(seen) as unit:
        target = unit.targets.named(name)
        newest = unit.snapshots.last(target)
        found = [known for _, known in as_of(unit.findings.open(target), unit.waivers.in_force(now), now)]
    personal = people_in(newest.configuration if newest is not None else None)
    catalogue = deps.catalogue_of(target)

    def gap(known: Known) -> Gap:
        finding, quiet = known.finding, known.quiet
        is_waived = quiet is not None and quiet.standing is Standing.WAIVED
        where = " ".join(filter(None, (finding.resource_type, finding.key, finding.path)))

        def told(text: str) -> str:
            return without_names(text, personal)

        return Gap(
            known.number, finding.severity, finding.kind is Kind.COVERAGE, told(finding.message), told(where),
            told(finding.why), told(finding.fix), told(str(finding.money or "")), known.opened_at,
            quiet.until if quiet is not None and is_waived else None,
        )  # fmt: skip

    titles = {each.name: each.title for each in catalogue.modules}
    titles |= {known.finding.module: known.finding.module for known in found if known.finding.module not in titles}
    worst = sorted(found, key=lambda known: (known.finding.severity.rank, known.opened_at, known.id))
    modules = [(title, [gap(each) for each in worst if each.finding.module == name]) for name, title in titles.items()]
    return GapList(target, newest.taken_at if newest is not None else None, [each for each in modules if each[1]])


def share(name: str, lasts: timedelta, actor: Actor, deps: Deps) -> str:
    """Make a link to a target's gap list; its secret is returned once.

    Raises:
        UnknownTarget: it is not watched.
        ApprovalRefused: ``end_too_far``: longer than 90 days.
    """
    tenant, now, secret = name.split("/")[0], deps.clock.now(), secrets.token_urlsafe(32)
    actor.needs(Right.PROPOSE, tenant)
    if not timedelta() < lasts <= LONGEST:
        mend = "Name fewer days; another link can be made then."
        raise ApprovalRefused("end_too_far", f"a link lasts 1 to {LONGEST.days} days.", where=name, mend=mend)
    with deps.store.write(actor.tenants()) as unit:
        target = unit.targets.named(name)
        number = unit.shares.add(target.name, keyed(secret, "share", deps), actor.name, now, now + lasts)
        unit.audit.append(
            deps.audit_key, at=now, actor=actor.name, tenant=tenant, action="gaplist.share",
            object=f"{target.name} link {number} until {(now + lasts).astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        )  # fmt: skip
    return secret


def end_share(name: str, number: int, actor: Actor, deps: Deps) -> None:
    """End a link with the next request.

    Raises:
        NotFound: there is no such link to this target.
    """
    tenant = name.split("/")[0]
    actor.needs(Right.PROPOSE, tenant)
    with deps.store.write(actor.tenants()) as unit:
        if not unit.shares.revoke(name, number, actor.name):
            raise NotFound("no such link.", where=name, mend="See the gap list of the target.")
        unit.audit.append(
            deps.audit_key, at=deps.clock.now(), actor=actor.name, tenant=tenant, action="gaplist.end",
            object=f"{name} link {number}",
        )  # fmt: skip


def opened(secret: str, deps: Deps) -> GapList:
    """The gap list that a link shows; of other targets it sees nothing.

    Raises:
        NotFound: it never was one, has ended, or its target is watched no more: all the same to who asks.
    """
    with deps.store.read() as unit:
        found = unit.shares.opened(keyed(secret, "share", deps), deps.clock.now())
    try:
        if found is not None:
            return gap_list(found.target, deps, frozenset({found.target.split("/")[0]}))
    except UnknownTarget:
        pass
    raise NotFound("no such link.", where="shared", mend="Ask who gave it to you for another.")
