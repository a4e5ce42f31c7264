"""Fleet events: findings remember what they have in common with others; an event is what several of them name."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.engine import Connection

from monitor.store.seen import Tenants, of_seen
from monitor.store.tables import FindingRow, FleetEventRow, SweepRow, TargetRow
from monitor.store.values import from_json, to_json
from monitor.target import Target
from rules.fleet import Cause, Sighting

_FINDINGS = FindingRow.__table__.c
_EVENTS = FleetEventRow.__table__.c
_TARGETS = TargetRow.__table__.c
_SWEEPS = SweepRow.__table__.c
_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Event:
    """A fleet event as it is kept; who its members are, the findings say."""

    number: int
    cause: Cause  #: the leading one
    made_at: datetime
    channel: str

    @property
    def label(self) -> str:
        """``fleet-3``: how people name it."""
        return f"fleet-{self.number}"


class Fleet:
    """The table ``fleet_events``, and what findings keep of their cause."""

    def __init__(self, connection: Connection, seen: Tenants = None) -> None:
        self._connection, self._seen = connection, of_seen(seen)

    def one_at_a_time(self) -> None:
        """Until the end of the transaction nobody else makes events; two that each see half of one would make two.

        It comes before any finding is written: who waits here must hold nothing that the other needs.
        """
        if self._connection.dialect.name == "postgresql":
            self._connection.exec_driver_sql("lock table fleet_events in exclusive mode")

    def appeared(self, causes: Mapping[int, Cause], now: datetime) -> None:
        """Keep of findings (by id) what they have in common with others; they are members of nothing yet."""
        by_cause: dict[Cause, list[int]] = defaultdict(list)
        for identity, cause in causes.items():
            by_cause[cause].append(identity)
        for cause, ids in by_cause.items():
            self._set(ids, cause=to_json(cause), appeared_at=now, fleet=None)

    def join(self, event: int, findings: Sequence[int]) -> None:
        """Make findings (by id) members of an event."""
        self._set(findings, fleet=event)

    def _set(self, ids: Sequence[int], **values: object) -> None:
        for start in range(0, len(ids), _AT_ONCE):
            chosen = _FINDINGS.id.in_(ids[start : start + _AT_ONCE])
            self._connection.execute(update(FindingRow).where(chosen).values(**values))

    def running(self, causes: Collection[Cause], since: datetime, made_since: datetime) -> Mapping[Cause, int]:
        """Events that each cause was seen in since, if they were not made too long ago."""
        rows = self._connection.execute(
            select(_FINDINGS.cause, func.max(_FINDINGS.fleet))
            .join(FleetEventRow, _EVENTS.id == _FINDINGS.fleet)
            .where(_FINDINGS.cause.in_([to_json(each) for each in causes]), _FINDINGS.appeared_at >= since,
                   _EVENTS.made_at >= made_since)
            .group_by(_FINDINGS.cause)
        )  # fmt: skip
        return {from_json(cause, Cause): event for cause, event in rows}

    def sightings(self, causes: Collection[Cause], since: datetime) -> Mapping[Cause, Sequence[Sighting]]:
        """Where each cause appeared since, of findings that are members of nothing."""
        return self._sightings(
            _FINDINGS.cause.in_([to_json(each) for each in causes]), _FINDINGS.appeared_at >= since,
            _FINDINGS.fleet.is_(None),
        )  # fmt: skip

    def sweeps(self, event: int) -> frozenset[tuple[str, datetime]]:
        """The sweeps that saw an event: target and moment."""
        found = self._sightings(_FINDINGS.fleet == event)
        return frozenset((each.target, each.at) for several in found.values() for each in several)

    def moments(self, events: Collection[int]) -> Mapping[int, tuple[datetime, datetime]]:
        """When the first and the last member of each event appeared, of those that may be seen."""
        rows = self._connection.execute(
            select(_FINDINGS.fleet, func.min(_FINDINGS.appeared_at), func.max(_FINDINGS.appeared_at))
            .join(TargetRow, _TARGETS.id == _FINDINGS.target_id)
            .where(_FINDINGS.fleet.in_(list(events)), self._seen)
            .group_by(_FINDINGS.fleet)
        )
        return {event: (first, last) for event, first, last in rows}

    def _sightings(self, *where: ColumnElement[bool]) -> Mapping[Cause, Sequence[Sighting]]:
        found: dict[Cause, list[Sighting]] = defaultdict(list)
        rows = self._connection.execute(
            select(_FINDINGS.id, _FINDINGS.cause, _FINDINGS.appeared_at, _TARGETS.tenant, _TARGETS.environment)
            .join(TargetRow, _TARGETS.id == _FINDINGS.target_id)
            .where(*where)
        )
        for row in rows:
            sighting = Sighting(row.appeared_at, f"{row.tenant}/{row.environment}", row.id)
            found[from_json(row.cause, Cause)].append(sighting)
        return found

    def swept(self, first: datetime, last: datetime, beside: Target) -> int:
        """How many targets a sweep of which ended between two moments, both included, and this one."""
        others = self._connection.execute(
            select(func.count(_SWEEPS.target_id.distinct())).where(
                _SWEEPS.finished_at >= first, _SWEEPS.finished_at <= last, _SWEEPS.target_id != beside.id,
                _SWEEPS.state.in_(("complete", "partial", "failed")),
            )
        ).scalar_one()  # fmt: skip
        return int(others) + 1

    def make(self, cause: Cause, channel: str, now: datetime) -> int:
        """A new event; its number."""
        made: int = self._connection.execute(
            insert(FleetEventRow).values(cause=to_json(cause), channel=channel, made_at=now).returning(_EVENTS.id)
        ).scalar_one()
        return made

    def numbered(self, number: int) -> Event | None:
        """An event, if one of its members may be seen."""
        return next(iter(self._select(_EVENTS.id == number)), None)

    def all(self, *, most: int, before: int | None = None) -> Sequence[Event]:
        """Events of which a member may be seen, newest first."""
        return self._select(*([_EVENTS.id < before] if before is not None else []), most=most)

    def _select(self, *where: ColumnElement[bool], most: int = 1) -> Sequence[Event]:
        has_members = (
            select(_FINDINGS.id)
            .join(TargetRow, _TARGETS.id == _FINDINGS.target_id)
            .where(_FINDINGS.fleet == _EVENTS.id, self._seen)
            .correlate(FleetEventRow)
            .exists()
        )
        rows = self._connection.execute(
            select(FleetEventRow.__table__).where(has_members, *where).order_by(_EVENTS.id.desc()).limit(most)
        )
        return [Event(row.id, from_json(row.cause, Cause), row.made_at, row.channel) for row in rows]
