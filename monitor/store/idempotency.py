"""What writes were answered, kept in the transaction of the act itself (F92, B59)."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.engine import Connection

from monitor.store.engine import insert_into
from monitor.store.tables import IdempotencyRow

_COLUMNS = IdempotencyRow.__table__.c
KEPT: Final = timedelta(days=7)


class Idempotency:
    """The ``idempotency`` table."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def begin(self, actor: str, route: str, key: str, digest: str, now: datetime) -> tuple[str, bytes] | None:
        """Take a key; None: the act is to be done. Else digest of the body and reply of the first time.

        Of two that come at once the second waits for the first.
        """
        self._connection.execute(delete(IdempotencyRow).where(_COLUMNS.at < now - KEPT))
        taken = self._connection.execute(
            insert_into(self._connection, IdempotencyRow)
            .values(actor=actor, route=route, key=key, digest=digest, reply=b"", at=now)
            .on_conflict_do_nothing()
        )
        if taken.rowcount == 1:
            return None
        row = self._connection.execute(
            select(_COLUMNS.digest, _COLUMNS.reply).where(*_this(actor, route, key))
        ).one()  # fmt: skip
        return row.digest, row.reply

    def end(self, actor: str, route: str, key: str, reply: bytes) -> None:
        """Keep what the act was answered."""
        self._connection.execute(update(IdempotencyRow).where(*_this(actor, route, key)).values(reply=reply))


def _this(actor: str, route: str, key: str) -> tuple[ColumnElement[bool], ...]:
    return _COLUMNS.actor == actor, _COLUMNS.route == route, _COLUMNS.key == key
