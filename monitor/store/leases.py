"""Named rights that one process holds at a time: to deliver, to schedule (F45)."""

from datetime import datetime, timedelta

from sqlalchemy import insert, select, update
from sqlalchemy.engine import Connection

from monitor.store.tables import LeaseRow

_COLUMNS = LeaseRow.__table__.c


class Leases:
    """The ``leases`` table."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def take(self, name: str, owner: str, now: datetime, lasts: timedelta) -> bool:
        """Take a right, or keep it; False while another holds it."""
        row = self._connection.execute(
            select(_COLUMNS.owner, _COLUMNS.fence, _COLUMNS.until).where(_COLUMNS.name == name).with_for_update()
        ).first()
        if row is None:
            self._connection.execute(insert(LeaseRow).values(name=name, owner=owner, fence=1, until=now + lasts))
            return True
        if row.owner != owner and row.until > now:
            return False
        fence = row.fence if row.owner == owner else row.fence + 1
        self._connection.execute(
            update(LeaseRow)
            .where(_COLUMNS.name == name, _COLUMNS.fence == row.fence)
            .values(owner=owner, fence=fence, until=now + lasts)
        )
        return True

    def give_back(self, owner: str, now: datetime) -> None:
        """End all leases of a process that stops."""
        self._connection.execute(update(LeaseRow).where(_COLUMNS.owner == owner).values(until=now))

    def holder(self, name: str) -> tuple[str, datetime] | None:
        """Who holds a right and until when."""
        row = self._connection.execute(select(_COLUMNS.owner, _COLUMNS.until).where(_COLUMNS.name == name)).first()
        return (row.owner, row.until) if row is not None else None
