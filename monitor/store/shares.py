"""Links that show a target's gap list to whoever has them, until they end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.engine import Connection

from monitor.store.tables import ShareRow

_COLUMNS = ShareRow.__table__.c
_TOLD = (_COLUMNS.id, _COLUMNS.target, _COLUMNS.created_by, _COLUMNS.created_at, _COLUMNS.ends_at)


@dataclass(frozen=True, slots=True)
class Share:
    """One link; the link itself is known to who made it and who got it."""

    number: int
    target: str  #: ``tenant/environment``
    created_by: str
    created_at: datetime
    ends_at: datetime  #: not included


class Shares:
    """The table ``shares``. Every query names the one target or the one link that it is about."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, target: str, hashed: str, by: str, now: datetime, ends: datetime) -> int:
        """Keep a link, by its hash; its number."""
        made: int = self._connection.execute(
            insert(ShareRow)
            .values(hash=hashed, target=target, created_by=by, created_at=now, ends_at=ends, revoked_by="")
            .returning(_COLUMNS.id)
        ).scalar_one()
        return made

    def opened(self, hashed: str, now: datetime) -> Share | None:
        """The link of this hash, if it holds."""
        query = select(*_TOLD).where(_COLUMNS.hash == hashed, _COLUMNS.revoked_by == "", _COLUMNS.ends_at > now)
        row = self._connection.execute(query).first()
        return Share(*row) if row is not None else None

    def of(self, target: str, now: datetime) -> Sequence[Share]:
        """Links to a target that hold, those that end last first."""
        query = select(*_TOLD).where(_COLUMNS.target == target, _COLUMNS.revoked_by == "", _COLUMNS.ends_at > now)
        return [Share(*row) for row in self._connection.execute(query.order_by(_COLUMNS.ends_at.desc(), _COLUMNS.id))]

    def revoke(self, target: str, number: int, by: str) -> bool:
        """End a link of a target early, also one that is over; False if there never was one."""
        which = (_COLUMNS.id == number, _COLUMNS.target == target)
        return self._connection.execute(update(ShareRow).where(*which).values(revoked_by=by)).rowcount == 1
