"""Sweeps: a slot is claimed once, one runs per target, a late writer is fenced off (F45–F48)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Row, ScalarSelect, func, insert, literal_column, or_, select, update
from sqlalchemy.engine import Connection

from monitor.errors import Fenced
from monitor.store.counters import Counters
from monitor.store.tables import SweepRow, TargetRow
from monitor.store.values import from_json, to_json
from monitor.target import Target

_COLUMNS = SweepRow.__table__.c
DEATHS: Final = 3  #: in a row; then the target is set aside until a person looks (F49)
DIED: Final = "died"  #: fault of a sweep whose worker went silent
AGAIN: Final = "It is run again by itself."


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to sweep one target for one slot; ``fence`` stands in the WHERE of every write."""

    target: Target
    slot: datetime
    fence: int
    owner: str


@dataclass(frozen=True, slots=True)
class Run:
    """A sweep as it is kept."""

    id: int
    slot: datetime
    state: str
    claimed_at: datetime
    finished_at: datetime | None
    fault: str = ""
    cure: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)


class Sweeps:
    """The ``sweeps`` table."""

    def __init__(self, connection: Connection, counters: Counters) -> None:
        self._connection, self._counters = connection, counters

    def _ended(self, tenant: str, environment: str, outcome: str) -> None:
        """Count it where it ends, so that no way to end is forgotten."""
        self._counters.add("sweeps", {(tenant, environment, outcome): 1})

    def _fail(self, which: ColumnElement[bool], now: datetime, fault: str, cure: str) -> Sequence[tuple[int, int]]:
        """(sweep, target) of running sweeps that become ``failed`` without their worker."""
        gone = self._connection.execute(
            update(SweepRow)
            .where(_COLUMNS.state == "running", which)
            .values(state="failed", finished_at=now, fault=fault, cure=cure)
            .returning(_COLUMNS.id, _COLUMNS.target_id)
        ).all()
        for row in gone:
            tenant, environment = self._connection.execute(
                select(TargetRow.tenant, TargetRow.environment).where(TargetRow.id == row.target_id)
            ).one()
            self._ended(tenant, environment, "failed")
        return [(row.id, row.target_id) for row in gone]

    def claim(self, target: Target, slot: datetime, owner: str, now: datetime, lease: timedelta) -> Claim | None:
        """Take a slot; None where it was taken before or another sweep of the target runs.

        A running sweep whose lease is over died: it becomes ``failed``, and this one goes on. A slot
        that comes while one runs is ``skipped`` and said (F47).
        """
        # One claim of a target at a time; rows that only refer to it are not held up.
        self._connection.execute(select(TargetRow.id).where(TargetRow.id == target.id).with_for_update(key_share=True))
        running = self._connection.execute(
            select(_COLUMNS.id, _COLUMNS.lease_until, _COLUMNS.slot)
            .where(_COLUMNS.target_id == target.id, _COLUMNS.state == "running")
            .with_for_update()
        ).first()
        if running is not None and running.lease_until <= now:
            self._fail(_COLUMNS.id == running.id, now, DIED, AGAIN)
            running = None
        state = "running" if running is None else "skipped"
        values = {
            "target_id": target.id, "slot": slot, "state": state, "owner": owner, "claimed_at": now,
            "lease_until": now + lease, "finished_at": None if running is None else now,
        }  # fmt: skip
        taken = self._connection.execute(
            select(_COLUMNS.id).where(_COLUMNS.target_id == target.id, _COLUMNS.slot == slot)
        ).first()
        if taken is not None:
            return None
        made = self._connection.execute(insert(SweepRow).values(**values).returning(_COLUMNS.id)).scalar_one()
        if state == "running":
            return Claim(target, slot, made, owner)
        self._ended(target.tenant, target.environment, state)
        return None

    def claimed_since(self, target: Target, since: datetime) -> int:
        """How many sweeps of a target began then or later."""
        begun = select(func.count(_COLUMNS.id)).where(
            _COLUMNS.target_id == target.id, _COLUMNS.claimed_at >= since, _COLUMNS.state != "skipped"
        )
        return self._connection.execute(begun).scalar_one()

    def renew(self, claim: Claim, now: datetime, lease: timedelta) -> bool:
        """Say that the worker lives; False if the sweep was taken over, not if it has ended meanwhile."""
        self._connection.execute(
            update(SweepRow)
            .where(_COLUMNS.id == claim.fence, _COLUMNS.state == "running")
            .values(lease_until=now + lease)
        )
        ended_as = self._connection.execute(select(_COLUMNS.fault).where(_COLUMNS.id == claim.fence)).scalar()
        return ended_as != DIED

    def check(self, claim: Claim) -> None:
        """Raise Fenced if the sweep was taken over by another worker."""
        there = self._connection.execute(
            select(_COLUMNS.id).where(_COLUMNS.id == claim.fence, _COLUMNS.state == "running").with_for_update()
        ).first()
        if there is None:
            raise Fenced(claim.target.name)

    def finish(
        self, claim: Claim, state: str, now: datetime, *, fault: str = "", cure: str = "", report: Mapping[str, Any]
    ) -> None:
        """End a sweep under its fencing number.

        Raises:
            Fenced: it was taken over; the whole transaction is undone.
        """
        done = self._connection.execute(
            update(SweepRow)
            .where(_COLUMNS.id == claim.fence, _COLUMNS.state == "running", _COLUMNS.owner == claim.owner)
            .values(state=state, finished_at=now, fault=fault, cure=cure, report=to_json(report))
        )
        if done.rowcount != 1:
            raise Fenced(claim.target.name)
        self._ended(claim.target.tenant, claim.target.environment, state)

    def abandon(self, target: Target, owner: str, now: datetime) -> None:
        """End this worker's own running sweep of a target after an error nobody foresaw."""
        its_own = (_COLUMNS.target_id == target.id) & (_COLUMNS.owner == owner)
        self._fail(its_own, now, "error", "See the log; report it.")

    def expired(self, now: datetime) -> Sequence[tuple[int, int]]:
        """(sweep, target) of sweeps whose worker is gone; they become ``failed``."""
        return self._fail(_COLUMNS.lease_until <= now, now, DIED, AGAIN)

    def deaths(self, target: Target) -> int:
        """How many of its last sweeps in a row died with their worker."""
        rows = self._connection.execute(
            select(_COLUMNS.state, _COLUMNS.fault)
            .where(_COLUMNS.target_id == target.id, _COLUMNS.state.not_in(("skipped", "running")))
            .order_by(_COLUMNS.id.desc())
            .limit(DEATHS)
        ).all()
        count = 0
        for state, fault in rows:
            if state != "failed" or fault != DIED:
                break
            count += 1
        return count

    def poison(self, target: Target, slot: datetime, owner: str, now: datetime) -> None:
        """Set a target's slot aside after it killed its worker too often."""
        self._connection.execute(
            insert(SweepRow).values(
                target_id=target.id, slot=slot, state="poisoned", owner=owner, claimed_at=now, lease_until=now,
                finished_at=now, fault="poisoned", cure="Look at the log, then: smart360-monitor tenant resume.",
            )
        )  # fmt: skip
        self._ended(target.tenant, target.environment, "poisoned")

    def last(self, target: Target, *, most: int = 1, states: Sequence[str] = ()) -> Sequence[Run]:
        """The newest sweeps of a target, newest first."""
        query = select(SweepRow.__table__).where(_COLUMNS.target_id == target.id)
        if states:
            query = query.where(_COLUMNS.state.in_(states))
        rows = self._connection.execute(query.order_by(_COLUMNS.id.desc()).limit(most))
        return [_run(row) for row in rows]

    def newest(
        self, states: Sequence[str], among: Collection[int] | None = None, *, in_brief: bool = False
    ) -> Mapping[int, Run]:
        """The newest sweep in one of these states, by id of each target that is watched; one query.

        Args:
            among: only of these targets.
            in_brief: of the reports only ``taken_at`` and ``readiness``.
        """
        targets = select(_newest(states)).select_from(TargetRow).where(TargetRow.removed_at.is_(None))
        if among is not None:
            targets = targets.where(TargetRow.id.in_(list(among)))
        rows = self._connection.execute(select(SweepRow.__table__).where(_COLUMNS.id.in_(targets)))
        return {row.target_id: _run(row, _Brief if in_brief else dict) for row in rows}

    def lately(self, targets: Collection[int], states: Sequence[str], since: datetime) -> Mapping[int, Sequence[Run]]:
        """The first sweep since then and the last of each day, newest first, by id of each target.

        Of their reports only what lines show.
        """
        mine = (_COLUMNS.target_id.in_(list(targets)), _COLUMNS.claimed_at > since, _COLUMNS.state.in_(states))
        days = select(func.max(_COLUMNS.id)).where(*mine).group_by(_COLUMNS.target_id, func.date(_COLUMNS.claimed_at))
        first = select(func.min(_COLUMNS.id)).where(*mine).group_by(_COLUMNS.target_id)
        rows = self._connection.execute(
            select(_COLUMNS.id, _COLUMNS.target_id, _COLUMNS.state, _COLUMNS.claimed_at, _COLUMNS.report)
            .where(or_(_COLUMNS.id.in_(days), _COLUMNS.id.in_(first)))
            .order_by(_COLUMNS.target_id, _COLUMNS.claimed_at.desc(), _COLUMNS.id.desc())
        )
        found: dict[int, list[Run]] = {}
        for row in rows:
            report = {"readiness": from_json(row.report, _Brief).readiness}
            run = Run(row.id, row.claimed_at, row.state, row.claimed_at, None, report=report)
            found.setdefault(row.target_id, []).append(run)
        return found

    def read_at(self, states: Sequence[str]) -> Mapping[int, datetime]:
        """From when the newest data of each watched target is; the same sweeps as ``newest``, hardly read."""
        newest = _newest(states)
        rows = self._connection.execute(
            select(_COLUMNS.target_id, _COLUMNS.report).where(
                _COLUMNS.id.in_(select(newest).select_from(TargetRow).where(TargetRow.removed_at.is_(None)))
            )
        )
        told = {row.target_id: from_json(row.report, _Brief).taken_at for row in rows}
        return {target: datetime.fromisoformat(at) for target, at in told.items() if at}

    def tell(self, claim: Claim, progress: str) -> None:
        """How far a running sweep has come, for people who watch."""
        self._connection.execute(
            update(SweepRow).where(_COLUMNS.id == claim.fence, _COLUMNS.state == "running").values(progress=progress)
        )

    def progress(self) -> Mapping[int, str]:
        """How far each running sweep has come, in words, by id of its target; "" before its first list."""
        rows = self._connection.execute(
            select(_COLUMNS.target_id, _COLUMNS.progress).where(_COLUMNS.state == literal_column("'running'"))
        )
        return {row.target_id: row.progress for row in rows}

    def running(self, target: Target) -> tuple[datetime, str] | None:
        """Since when, and by whom, the target is being swept; None if it is not."""
        row = self._connection.execute(
            select(_COLUMNS.claimed_at, _COLUMNS.owner).where(
                _COLUMNS.target_id == target.id, _COLUMNS.state == "running"
            )
        ).first()
        return (row.claimed_at, row.owner) if row is not None else None


def _newest(states: Sequence[str]) -> ScalarSelect[int]:
    """The newest sweep of the target of the query around it."""
    return (
        select(_COLUMNS.id)
        .where(_COLUMNS.target_id == TargetRow.id, _COLUMNS.state.in_(states))
        .order_by(_COLUMNS.claimed_at.desc(), _COLUMNS.id.desc())  # as the index has them
        .limit(1)
        .correlate(TargetRow)
        .scalar_subquery()
    )


class _Brief(msgspec.Struct):
    """Of a sweep's report, what ages and lines need; one that failed has nothing of it."""

    readiness: float | None = None
    taken_at: str = ""


def _run(row: Row[Any], kind: type[Any] = dict) -> Run:
    report = from_json(row.report, kind)
    return Run(
        row.id, row.slot, row.state, row.claimed_at, row.finished_at, row.fault, row.cure,
        report if kind is dict else msgspec.structs.asdict(report),
    )  # fmt: skip
