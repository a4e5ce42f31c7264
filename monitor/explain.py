"""What helps to decide about a finding, gathered from readings, baseline and outbox (``rules/explain.py``)."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from baselines.canonical import renewed
from baselines.compare import compare
from baselines.configuration import Configuration
from baselines.references import ReferenceGraph
from monitor.access import Actor, Right
from monitor.deps import Deps
from monitor.errors import NotFound, UnknownTarget
from monitor.plan import plan_of
from monitor.source.manifest import smart360_manifest
from monitor.store.snapshots import Snapshot
from monitor.store.unit import Unit
from monitor.target import Target
from rules.drift import PERSONAL
from rules.explain import (
    Actors,
    Changed,
    Explanation,
    Mend,
    Radius,
    Told,
    Window,
    possible_actors,
    radius_of,
)
from rules.findings import Kind
from rules.judge import judge, zone_of
from rules.lifecycle import Event, Known, Resolution, State, settle
from rules.pack import ANY, CONFIGURATION, Packs
from rules.waivers import as_of

MOST: Final = 60  #: readings looked at, from the one that opened the finding backwards


def explain(number: str, actor: Actor, deps: Deps, *, with_plan: bool = True) -> Explanation | None:
    """Everything about a finding that helps to decide; None where its target is not watched any more.

    Args:
        actor: who asks; people are named only to who may see them (U6).
        with_plan: tell its step of the fix plan, which may have to be proven first.

    Raises:
        NotFound: there is no such finding that the actor may see.
    """
    seen = actor.tenants()
    with deps.store.read(seen) as unit:
        found = unit.findings.numbered(number)
        if found is None:
            raise NotFound("no such finding.", where=number, mend="See: smart360-monitor findings list.")
        now = deps.clock.now()
        ((name, known),) = as_of([found], unit.waivers.in_force(now), now)
        try:
            target = unit.targets.named(name)
        except UnknownTarget:
            return None
        form = deps.form_of(target)
        approved = unit.baselines.approved(target)
        base = renewed(approved, form) if approved is not None else None
        window, right, wrong, day = _window(unit, target, known, base, deps)
        newest = unit.snapshots.last(target)
        told = _told(unit, target, known, deps)
    finding = known.finding
    reading = renewed(newest.configuration, form) if newest is not None else wrong
    actors = None
    if actor.may(Right.SEE_PEOPLE, target.tenant):
        actors = _actors(known, wrong or reading, window, day or now.date(), target)
    plan = plan_of(name, deps, seen) if with_plan and known.state is not State.RESOLVED else None
    step = next((s for s in (plan.steps if plan else ()) if known.id in {each.id for each in s.findings}), None)
    kind = deps.catalogue_of(target).types.get(finding.resource_type)
    is_drift = finding.kind is Kind.DRIFT
    return Explanation(
        target=name, known=known, values=tuple(_values(known, right, deps, target)), window=window, actors=actors,
        radius=_radius(known, reading, base, target, deps), money=finding.money,
        mend=Mend(
            finding.fix, kind.screen if kind is not None else "", finding.old if is_drift else None, is_drift,
            step.number if step else None, step.title if step else "", step.blocked_by if step else (),
        ),
        told=told, zone=target.definition.time_zone, catalogue=deps.catalogue_of(target), personal=people_in(reading),
    )  # fmt: skip


def _window(
    unit: Unit, target: Target, known: Known, base: Configuration | None, deps: Deps
) -> tuple[Window, Configuration | None, Configuration | None, date | None]:
    """When it went wrong; the readings before and after; the day of the latter.

    Each reading is judged again, as it was then, against what is approved now.
    """
    opened = [
        each.sweep
        for each in unit.findings.history(known)
        if each.event in (Event.OPENED, Event.REOPENED) and each.sweep is not None
    ]
    first: tuple[Snapshot, date] | None = None
    unread: list[datetime] = []
    for snapshot, day in unit.snapshots.judged_until(target, opened[-1], MOST) if opened else ():
        stood = _was_right(known, snapshot, day, base, target, deps) if first is not None else False
        if stood is None:
            unread.append(snapshot.taken_at)
        elif stood:
            assert first is not None
            between = tuple(sorted(unread))
            form = deps.form_of(target)
            right, wrong = (renewed(each.configuration, form) for each in (snapshot, first[0]))
            return Window(snapshot.taken_at, first[0].taken_at, between), right, wrong, first[1]
        else:
            first, unread = (snapshot, day), []
    if first is None:
        return Window(None, None), None, None, None
    wrong = renewed(first[0].configuration, deps.form_of(target))
    return Window(None, first[0].taken_at, tuple(sorted(unread))), None, wrong, first[1]


def _was_right(
    known: Known, snapshot: Snapshot, day: date, base: Configuration | None, target: Target, deps: Deps
) -> bool | None:
    """Whether the finding would have been none at a reading; None: that could not be decided."""
    finding, overlay = known.finding, deps.overlay_of(target)
    rule = overlay.packs.by_id.get(finding.rule) if finding.kind is Kind.RULE else None
    if finding.kind is Kind.RULE and rule is None:
        return None
    configuration, packs = snapshot.configuration, Packs(())
    if rule is not None:
        packs = Packs(tuple(replace(each, rules=tuple(r for r in each.rules if r.id == rule.id))
                            for each in overlay.packs.packs))  # fmt: skip
        if rule.subject != ANY:
            configuration = _only(configuration, rule.types)
    elif finding.kind is Kind.DRIFT:
        configuration, base = _only(configuration, (finding.resource_type,)), _only(base, (finding.resource_type,))
    configuration = renewed(configuration, deps.form_of(target))
    against = base if finding.kind is Kind.DRIFT else None
    comparison = compare(against, configuration, overlay.catalogue, tolerate_new_fields=True)
    at = datetime.combine(day, time(12), zone_of(configuration, target.zone))
    judgement = judge(
        configuration, comparison, packs, overlay.catalogue, at=at, secrets=deps.secrets_of(target.tenant),
        zone=target.zone, stage=target.definition.stage,
    )  # fmt: skip
    settlement = settle([replace(known, state=State.OPEN)], judgement, comparison, configuration)
    for step in settlement.steps:
        if step.finding.fingerprint == finding.fingerprint:
            return step.resolution == Resolution.HEALED if step.event is Event.RESOLVED else False
    return None


def _only(configuration: Configuration | None, types: Collection[str]) -> Any:
    """The same with these lists alone; a utility is kept, for the zone of its day."""
    if configuration is None:
        return None
    kept = {name: each for name, each in configuration.lists.items() if name in types or name == "utility"}
    return replace(configuration, lists=kept)


def _values(known: Known, right: Configuration | None, deps: Deps, target: Target) -> Iterator[Changed]:
    """What was judged, before and after."""
    finding = known.finding
    if finding.kind is Kind.DRIFT:
        yield Changed(finding.resource_type, finding.key, finding.path, finding.old, finding.new, True)
    for each in finding.evidence:
        kind = deps.catalogue_of(target).types.get(each.resource_type)
        field = kind.fields.get(each.path) if kind is not None else None
        was = right.named(each.resource_type, each.key) if right is not None else None
        is_known = was is not None and field is not None
        before = was.values.get(each.path) if was is not None else None
        before = PERSONAL if field is not None and field.is_personal and before is not None else before
        yield Changed(each.resource_type, each.key, each.path, before if is_known else None, each.value, is_known)


@lru_cache(1)
def _privileges() -> Mapping[str, str]:
    return {name: route.privilege for name, route in smart360_manifest().routes.items()}


def _actors(known: Known, reading: Configuration | None, window: Window, day: date, target: Target) -> Actors:
    finding = known.finding
    privilege = _privileges().get(finding.resource_type, "")
    if reading is None:
        return Actors(privilege, (), None, (), "No reading is kept that could tell.")
    if finding.kind is Kind.COVERAGE:
        return Actors("", (), None, (), "Nobody: what could not be read was changed by no one that is known of.")

    def moment(text: str) -> datetime | None:
        try:
            at = datetime.fromisoformat(text.strip())
        except ValueError:
            return None
        return at if at.tzinfo is not None else at.replace(tzinfo=target.zone)

    return possible_actors(reading, finding.resource_type, finding.key, privilege, window, day, moment, finding.seen_by)


def _radius(known: Known, now: Configuration | None, base: Configuration | None, target: Target, deps: Deps) -> Radius:
    finding, consumers = known.finding, target.definition.consumers
    node = (finding.resource_type, finding.key)
    if now is None or not finding.key or finding.resource_type == CONFIGURATION:
        return Radius({}, (), {}, ())
    graph = ReferenceGraph(now, deps.catalogue_of(target))
    if node in graph.forward or base is None:
        return radius_of(node, graph, consumers)
    # It is gone: what rested on it is what rested on the approved one.
    approved = radius_of(node, ReferenceGraph(base, deps.catalogue_of(target)), consumers)
    return replace(approved, dangling=tuple(f"{name} {key}" for name, key in graph.referred_by(node)))


def people_in(configuration: Configuration | None) -> frozenset[str]:
    """Log-ins and names of the utility's people, as a reading tells them."""
    found = set()
    for each in configuration.objects("user") if configuration is not None else ():
        names = " ".join(str(each.values.get(part) or "") for part in ("first_name", "last_name")).strip()
        found |= {each.key, names}
    return frozenset(found - {""})


def _told(unit: Unit, target: Target, known: Known, deps: Deps) -> tuple[Told, ...]:
    """Who was told where and when, and who was not and why."""
    now = deps.clock.now()

    def when(at: datetime) -> str:
        return _clock(at, target.definition.time_zone, known.opened_at)

    told = [*_channels(unit.alerts.states_of(known.alert_key), when)] if known.alert_key else []
    if known.fleet is not None:
        told += _channels(unit.alerts.states_of(f"fleet-{known.fleet}"), when, f" (fleet event {known.fleet})")
    if known.quiet is not None:
        until = "nobody" if not told else "nobody any more"
        told.append(Told("", "quiet", f"{until}: {known.quiet.words(when, now)}"))
    if not told:
        told.append(Told("", "nobody", "nobody: no message was made for it"))
    return tuple(told)


def _channels(rows: Iterable[Mapping[str, Any]], when: Any, of: str = "") -> Iterator[Told]:
    by_channel: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_channel.setdefault(row["channel"], []).append(row)
    for channel, revisions in by_channel.items():
        yield _channel(channel, revisions, when, of)


def _channel(channel: str, revisions: Sequence[Mapping[str, Any]], when: Any, of: str) -> Told:
    place, last = f"Slack #{channel}", revisions[-1]
    sent = [each["sent_at"] for each in revisions if each["sent_at"] is not None]
    first, latest = (sent[0], sent[-1] if len(sent) > 1 else None) if sent else (None, None)
    words = f"{place}, {when(first)}{f', edited {when(latest)}' if latest else ''}{of}" if first else ""
    if last["state"] == "waiting":
        why = last["error"].rstrip(".") or "not sent yet"
        waits = f"waiting: {place}: {why}, next try {when(last['next_try_at'])}{of}"
        return Told(channel, "waiting", f"{words}; {waits}" if words else waits, first, latest)
    if not words:
        return Told(channel, "fleet", f"{place}: told in the message of its fleet event, not by one of its own")
    return Told(channel, "sent", words, first, latest)


def _clock(at: datetime, zone: str, opened: datetime) -> str:
    """``06:13`` on the day on which the finding was opened; else with the day."""
    local, first = (each.astimezone(ZoneInfo(zone)) for each in (at, opened))
    return f"{local:%H:%M}" if local.date() == first.date() else f"{local.day} {local:%b %H:%M}"
