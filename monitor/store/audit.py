"""The audit log: each entry chained to the one before and signed, so that no change goes unnoticed (P8)."""

from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from blake3 import blake3
from nacl.encoding import HexEncoder
from nacl.signing import SigningKey
from sqlalchemy import insert, select
from sqlalchemy.engine import Connection

from monitor.store.seen import Tenants, entry_of_seen
from monitor.store.tables import AuditRow

_COLUMNS = AuditRow.__table__.c


@dataclass(frozen=True, slots=True)
class Entry:
    """One act, chained and signed."""

    seq: int
    at: datetime
    actor: str
    tenant: str
    action: str
    object: str
    content: str
    reason: str
    prev: str
    hash: str
    signature: str
    public_key: str

    def expected_hash(self) -> str:
        """BLAKE3 of the canonical bytes of everything but hash and signature."""
        fields = {
            name: getattr(self, name)
            for name in ("seq", "actor", "tenant", "action", "object", "content", "reason", "prev", "public_key")
        }
        fields["at"] = self.at.astimezone(UTC).isoformat()
        return blake3(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()


class Audit:
    """The ``audit`` table; insert only."""

    def __init__(self, connection: Connection, seen: Tenants = None) -> None:
        self._connection, self._seen = connection, entry_of_seen(seen)

    def append(
        self, key: SigningKey, *, at: datetime, actor: str, tenant: str, action: str, object: str,
        content: str = "", reason: str = "",
    ) -> Entry:  # fmt: skip
        """Write an act down in the transaction of the act itself.

        Args:
            key: the installation's; its public half stands in each entry.
            at: now, in UTC.
            actor: who did it.
            tenant: of what was acted upon.
            action: e.g. ``baseline.approve``.
            object: e.g. ``swa/production baseline 8``.
            content: digest of what was acted upon.
            reason: in the actor's words.
        """
        if self._connection.dialect.name == "postgresql":
            self._connection.exec_driver_sql("lock table audit in exclusive mode")  # numbers without a gap
        last = self._connection.execute(
            select(_COLUMNS.seq, _COLUMNS.hash).order_by(_COLUMNS.seq.desc()).limit(1)
        ).first()
        seq, prev = (last.seq + 1, last.hash) if last is not None else (1, "")
        public = key.verify_key.encode(HexEncoder).decode()
        bare = Entry(seq, at, actor, tenant, action, object, content, reason, prev, "", "", public)
        hashed = bare.expected_hash()
        signature = key.sign(hashed.encode(), encoder=HexEncoder).signature.decode()
        entry = Entry(seq, at, actor, tenant, action, object, content, reason, prev, hashed, signature, public)
        values = {name: getattr(entry, name) for name in Entry.__slots__}
        self._connection.execute(insert(AuditRow).values(**values))
        return entry

    def entries(self) -> list[Entry]:
        """All entries, oldest first."""
        rows = self._connection.execute(select(AuditRow.__table__).where(self._seen).order_by(_COLUMNS.seq))
        return [Entry(*row) for row in rows]
