"""Named rights that one process holds at a time: to deliver, to schedule (F45)."""

from datetime import datetime, timedelta

from sqlalchemy import case, or_, select, update
from sqlalchemy.engine import Connection

from monitor.store.engine import insert_into
from monitor.store.tables import LeaseRow

_COLUMNS = LeaseRow.__table__.c


class Leases:
    """The ``leases`` table."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def take(self, name: str, owner: str, now: datetime, lasts: timedelta) -> bool:
        """Take a right, or keep it; False while another holds it."""
        # One statement, so that of two that find nobody there one wins.
        taken = self._connection.execute(
            insert_into(self._connection, LeaseRow)
            .values(name=name, owner=owner, fence=1, until=now + lasts)
            .on_conflict_do_update(
                index_elements=["name"],
                set_={
                    "owner": owner, "until": now + lasts,
                    "fence": _COLUMNS.fence + case((_COLUMNS.owner == owner, 0), else_=1),
                },
                where=or_(_COLUMNS.owner == owner, _COLUMNS.until <= now),
            )
            .returning(_COLUMNS.fence)
        )  # fmt: skip
        return taken.first() is not None

    def give_back(self, owner: str, now: datetime) -> None:
        """End all leases of a process that stops."""
        self._connection.execute(update(LeaseRow).where(_COLUMNS.owner == owner).values(until=now))

    def holder(self, name: str) -> tuple[str, datetime] | None:
        """Who holds a right and until when."""
        row = self._connection.execute(select(_COLUMNS.owner, _COLUMNS.until).where(_COLUMNS.name == name)).first()
        return (row.owner, row.until) if row is not None else None
