"""Fleet events: one cause on many targets is told once, with its members (``rules/fleet.py`` says what is one)."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

from alerts.alert import AlertEvent, AlertKind, AlertLine, AlertReason, AlertStory
from alerts.plan import line_of, story_after
from baselines.severity import Severity, worst
from monitor.access import Actor, Right
from monitor.deps import Deps
from monitor.store.fleet import Event
from monitor.store.unit import Unit
from monitor.target import Target
from rules.fleet import APART, LONGEST, Cause, cause_of, clusters, sentence, stories
from rules.lifecycle import Event as Happened
from rules.lifecycle import Known, Settlement, State


@dataclass(frozen=True)
class FleetEvent:
    """A fleet event with those of its members that may be seen, in the order in which they appeared."""

    number: int
    cause: Cause
    members: tuple[tuple[str, Known], ...]  #: with the names of their targets
    moments: tuple[datetime, datetime]  #: of the first and the last sweep that saw it
    sentence: str
    channel: str

    @property
    def label(self) -> str:
        """``fleet-3``: how people name it."""
        return f"fleet-{self.number}"

    @cached_property
    def by_target(self) -> Mapping[str, Sequence[Known]]:
        """Members of each target, worst first."""
        found: dict[str, list[Known]] = defaultdict(list)
        for name, known in sorted(self.members, key=lambda each: (each[1].finding.severity.rank, each[1].id)):
            found[name].append(known)
        return found

    @property
    def open(self) -> tuple[tuple[str, Known], ...]:
        """Members that are not resolved."""
        return tuple(each for each in self.members if each[1].state is not State.RESOLVED)

    def waiting_for(self, actor: Actor) -> int:
        """Open members on which somebody may act."""
        waiting = [name for name, known in self.members if known.state is State.OPEN]
        return sum(1 for name in waiting if actor.may(Right.ACT, name.split("/")[0]))

    @property
    def state(self) -> State:
        """Open while somebody has yet to look at a member; resolved when all are."""
        states = {known.state for _, known in self.members}
        return next((each for each in (State.OPEN, State.ACKNOWLEDGED) if each in states), State.RESOLVED)

    @property
    def severity(self) -> Severity:
        """Of the worst member."""
        return worst([known.finding.severity for _, known in self.members]) or Severity.INFO


def fleet_event(unit: Unit, number: int, deps: Deps) -> FleetEvent | None:
    """An event by number; None where there is none of which a member may be seen."""
    kept = unit.fleet.numbered(number)
    return _events(unit, [kept], deps)[0] if kept is not None else None


def fleet_events(unit: Unit, deps: Deps, *, most: int = 50, before: int | None = None) -> Sequence[FleetEvent]:
    """Events of which a member may be seen, newest first; those whose number is below ``before``."""
    return _events(unit, unit.fleet.all(most=most, before=before), deps)


def _events(unit: Unit, kept: Iterable[Event], deps: Deps) -> Sequence[FleetEvent]:
    several = list(kept)
    members: dict[int, list[tuple[str, Known]]] = defaultdict(list)
    for name, known in unit.findings.in_fleet([each.number for each in several]):
        members[known.fleet or 0].append((name, known))
    moments = unit.fleet.moments([each.number for each in several])
    made = []
    for each in several:
        own, when = members[each.number], moments[each.number]
        told = _sentence(each.cause, len({name for name, _ in own}), when, [known for _, known in own], deps)
        made.append(FleetEvent(each.number, each.cause, tuple(own), when, told, each.channel))
    return made


def _sentence(cause: Cause, targets: int, when: tuple[datetime, datetime], members: Iterable[Known], deps: Deps) -> str:
    first, last = when
    title = next((known.finding.title for known in members if known.finding.rule == cause.rule), "")
    return sentence(cause, targets, _when(first, last), _when(last, first), deps.catalogue, title)


def _when(at: datetime, beside: datetime) -> str:
    """In UTC, with the day where the other moment is on another one."""
    at, beside = at.astimezone(UTC), beside.astimezone(UTC)
    return f"{at:%H:%M}" if at.date() == beside.date() else f"{at.day} {at:%b %H:%M}"


def gather(
    unit: Unit, target: Target, settlement: Settlement, after: Mapping[str, Known], now: datetime, deps: Deps
) -> tuple[Mapping[str, Known], frozenset[int]]:
    """Make what appeared at a sweep a member of the events it belongs to, in the sweep's own transaction.

    Messages in which members of other targets were told before are edited to say so.

    Args:
        settlement: of the sweep; not of a first reading, at which everything appears.
        after: every touched finding as it is now, by fingerprint.

    Returns:
        The same with their events, and the numbers of the events that have new members.
    """
    causes: dict[int, Cause] = {}
    for step in settlement.of(Happened.OPENED, Happened.REOPENED):
        known, cause = after[step.finding.fingerprint], cause_of(step.finding)
        if cause is not None and known.quiet is None:  # what was announced has its cause
            causes[known.id] = cause
    if not causes:
        return after, frozenset()
    unit.fleet.appeared(causes, now)
    wanted = set(causes.values())
    running = dict(unit.fleet.running(wanted, now - APART, now - LONGEST))
    joining: dict[int, list[int]] = defaultdict(list)
    for identity, cause in causes.items():
        if cause in running:
            joining[running[cause]].append(identity)
    found = unit.fleet.sightings(wanted - running.keys(), now - LONGEST)
    several = [
        each
        for each in clusters(found, lambda first, last: unit.fleet.swept(first, last, target))
        if (target.name, now) in each.sweeps
    ]
    for event, ids in joining.items():  # before they are written: a cluster may follow from an event it meets here
        unit.fleet.join(event, ids)
    for event in joining if several else ():
        sweeps = unit.fleet.sweeps(event)
        for each in [one for one in several if one.sweeps <= sweeps]:
            several.remove(each)
            joining[event] += [sighting.finding for sighting in each.sightings]
    for story in stories(several):
        channel = deps.settings.fleet_channel or deps.settings.default_channel
        joining[unit.fleet.make(story[0].cause, channel, now)] += [
            sighting.finding for cluster in story for sighting in cluster.sightings
        ]
    event_of = {identity: event for event, ids in joining.items() for identity in ids}
    for event, ids in joining.items():
        unit.fleet.join(event, ids)
    _retell_others(unit, target, set(event_of) - causes.keys(), set(joining), now, deps)
    told = {
        print_: replace(known, fleet=event_of.get(known.id)) if known.id in causes else known
        for print_, known in after.items()
    }
    return told, frozenset(joining)


def _retell_others(
    unit: Unit, target: Target, ids: Collection[int], events: Collection[int], now: datetime, deps: Deps
) -> None:
    """Edit the messages in which members were told before they were members."""
    if not ids:
        return
    told = {(name, known.alert_key) for name, known in unit.findings.in_fleet(events) if known.id in ids}
    watched = {each.name: each for each in unit.targets.all() if each.id != target.id}
    for name, key in sorted(each for each in told if each[0] in watched):
        other = watched[name]
        for channel in unit.alerts.channels_of(key) if key else ():
            story = unit.alerts.last_story(channel, key)
            if story is not None:
                findings = unit.findings.told_in(other, [key])
                edited = story_after(story, findings, (), deps.catalogue_of(other))
                unit.alerts.queue(other, channel, edited, AlertReason.CHANGED.value, now)


def tell_fleet(
    unit: Unit, target: Target, number: int, deps: Deps, *, reason: AlertReason = AlertReason.CHANGED,
    happened: AlertEvent | None = None,
) -> None:  # fmt: skip
    """Post or edit the message of a fleet event as it stands now, of all its targets, whoever acted.

    What it costs grows with the number of targets, not with that of their findings, as each new member edits it.

    Args:
        target: of a member to which something happened.
        happened: what becomes a line in its thread.
    """
    unit, now = unit.as_service(), deps.clock.now()
    event = unit.fleet.numbered(number)
    if event is None:
        return
    before = unit.alerts.last_story(event.channel, event.label)
    story = _story(unit, event, deps, before, now)
    if happened is not None and before is not None:
        story = replace(story, events=(happened,))
    reason = reason if before is not None else AlertReason.OPENED
    unit.alerts.queue(target, event.channel, story, reason.value, now)


def _story(unit: Unit, event: Event, deps: Deps, before: AlertStory | None, now: datetime) -> AlertStory:
    """What the message of an event says: the sentence, and a line for each target, the largest first."""
    targets = {each.name: each for each in unit.targets.all()}

    def size(name: str) -> int:
        return sum(targets[name].definition.consumers.values()) if name in targets else 0

    told = sorted(unit.findings.first_in_fleet(event.number), key=lambda each: (-size(each[0]), -each[2], each[0]))
    when = unit.fleet.moments([event.number])[event.number]
    link = deps.settings.public_url.rstrip("/")
    return AlertStory(
        key=event.label, revision=before.revision + 1 if before else 1, kind=AlertKind.FLEET,
        target=f"{len(told):,} targets", utility="", lines=tuple(_line(*each, deps) for each in told), read_at=now,
        zone="UTC", lists_read=0, lists_total=0, readiness=None, readiness_before=None, link=link, first_reading=False,
        objects=0, rules=0, headline=_sentence(event.cause, len(told), when, [known for _, known, _ in told], deps),
        page=f"fleet-events/{event.number}" if link else "",
    )  # fmt: skip


def _line(name: str, known: Known, members: int, deps: Deps) -> AlertLine:
    line = line_of(known, deps.catalogue)
    more = f" {members - 1} more there." if members > 1 else ""
    return replace(line, sentence=f"{name}: {line.sentence}{more}")
