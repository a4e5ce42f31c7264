"""Waivers as they were asked for, decided and ended; whether one is in force is judged where it is read."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.engine import Connection

from monitor.errors import NotFound
from monitor.store.seen import Tenants, waiver_of_seen
from monitor.store.tables import WaiverRow
from monitor.store.values import from_json, to_json
from rules.selector import Selector
from rules.waivers import Waiver, Waivers, WaiverState, in_force

_COLUMNS = WaiverRow.__table__.c


class WaiverStore:
    """The table ``waivers``."""

    def __init__(self, connection: Connection, seen: Tenants = None) -> None:
        self._connection, self._seen = connection, waiver_of_seen(seen)

    def ask(self, asked: Waiver) -> Waiver:
        """Keep what somebody asks for; it gets its number."""
        number = self._connection.execute(
            insert(WaiverRow)
            .values(
                tenant=asked.targets[0].split("/")[0], targets=to_json(asked.targets), fingerprint=asked.fingerprint,
                match=to_json(asked.match), subject=asked.subject, reason=asked.reason, ticket=asked.ticket,
                ends=asked.ends, asked_by=asked.asked_by, asked_at=asked.asked_at, state=WaiverState.ASKED.value,
            )
            .returning(_COLUMNS.id)
        ).scalar_one()  # fmt: skip
        return self.numbered(number)

    def numbered(self, number: int) -> Waiver:
        """One waiver.

        Raises:
            NotFound: there is none of that number.
        """
        row = self._connection.execute(
            select(WaiverRow.__table__).where(_COLUMNS.id == number, self._seen)
        ).first()  # fmt: skip
        if row is None:
            raise NotFound("no such waiver.", where=f"waiver {number}", mend="See: smart360-monitor waiver list.")
        return _waiver(row)

    def all(self) -> Sequence[Waiver]:
        """Every waiver, those that end last first."""
        query = select(WaiverRow.__table__).where(self._seen).order_by(_COLUMNS.ends.desc(), _COLUMNS.id)
        return [_waiver(row) for row in self._connection.execute(query)]

    def in_force(self, now: datetime) -> Waivers:
        """What is waived at a moment, by target."""
        query = select(WaiverRow.__table__).where(
            _COLUMNS.state == WaiverState.APPROVED.value, _COLUMNS.ends > now, self._seen
        )
        return in_force([_waiver(row) for row in self._connection.execute(query)], now)

    def in_force_at(self, moment: datetime) -> Waivers:
        """What was waived at a moment, by target, whatever became of it since."""
        query = select(WaiverRow.__table__).where(
            _COLUMNS.state.in_((WaiverState.APPROVED.value, WaiverState.ENDED.value)), _COLUMNS.decided_at <= moment,
            _COLUMNS.ended_at.is_(None) | (_COLUMNS.ended_at > moment), _COLUMNS.ends > moment, self._seen,
        )  # fmt: skip
        then = [replace(_waiver(row), state=WaiverState.APPROVED) for row in self._connection.execute(query)]
        return in_force(then, moment)

    def decide(self, waiver: Waiver, state: WaiverState, by: str, note: str, now: datetime) -> bool:
        """Approve or refuse what is asked, once; False if somebody was quicker."""
        values = {"state": state.value, "decided_by": by, "decided_at": now, "note": note}
        return self._moved(waiver, WaiverState.ASKED, values)

    def end(self, waiver: Waiver, by: str, note: str, now: datetime) -> bool:
        """End an approved one early, once; False if somebody was quicker."""
        values = {"state": WaiverState.ENDED.value, "ended_by": by, "ended_at": now, "note": note}
        return self._moved(waiver, WaiverState.APPROVED, values)

    def _moved(self, waiver: Waiver, before: WaiverState, values: dict[str, Any]) -> bool:
        done = self._connection.execute(
            update(WaiverRow)
            .where(_COLUMNS.id == waiver.number, _COLUMNS.state == before.value, self._seen)
            .values(**values)
        )
        return done.rowcount == 1


def _waiver(row: Row[Any]) -> Waiver:
    return Waiver(
        row.id, tuple(from_json(row.targets, list[str])), row.fingerprint, from_json(row.match, Selector), row.subject,
        row.reason, row.ticket, row.ends, row.asked_by, row.asked_at, WaiverState(row.state), row.decided_by,
        row.decided_at, row.ended_by, row.ended_at, row.note,
    )  # fmt: skip
