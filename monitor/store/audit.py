"""The audit log as a table; what makes it whole is judged in ``monitor/chain.py`` (P8)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

import structlog
from nacl.signing import SigningKey
from sqlalchemy import delete, insert, or_, select, text, true
from sqlalchemy.engine import Connection

from monitor.chain import BATCH, CHECKPOINT, KEY_CHANGE, Entry, Head, link, public_half
from monitor.errors import ForeignAuditKey, NotFound
from monitor.store.engine import insert_into
from monitor.store.seen import Tenants, entry_of_seen
from monitor.store.tables import AuditRow, SwitchRow

_COLUMNS = AuditRow.__table__.c
_ANCHOR: Final = "audit anchor: "  #: of the names of switches


class Audit:
    """The ``audit`` table; insert only, but for the removal of a whole prefix."""

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

        Raises:
            ForeignAuditKey: the log is signed with another key, and no entry of it names this one.
        """
        if self._connection.dialect.name == "postgresql":
            self._connection.exec_driver_sql("lock table audit in exclusive mode")  # numbers without a gap
        last = self._connection.execute(
            select(_COLUMNS.seq, _COLUMNS.hash, _COLUMNS.signature, _COLUMNS.public_key)
            .order_by(_COLUMNS.seq.desc())
            .limit(1)
        ).first()
        if last is not None and last.public_key != public_half(key):
            self._refuse_unnamed(public_half(key), last.public_key)
        seq, prev = (last.seq + 1, link(last.hash, last.signature)) if last is not None else (1, "")
        request = structlog.contextvars.get_contextvars().get("request", "")
        entry = Entry(seq, at, actor, tenant, action, object, content, reason, request, prev, "", "", "").signed(key)
        self._connection.execute(insert(AuditRow).values(**{name: getattr(entry, name) for name in Entry.__slots__}))
        return entry

    def _refuse_unnamed(self, ours: str, last: str) -> None:
        """Another key may sign once an entry of the last one names it; anything else would break the chain."""
        named = select(_COLUMNS.seq).where(
            _COLUMNS.action == KEY_CHANGE, _COLUMNS.content == ours, _COLUMNS.public_key == last
        )
        if self._connection.execute(named.limit(1)).first() is None:
            raise ForeignAuditKey(ours, last)

    def entries(self) -> list[Entry]:
        """All entries, oldest first."""
        return list(self.after(0))

    def after(self, seq: int, most: int | None = None) -> Iterator[Entry]:
        """Entries after a number, oldest first, read in batches."""
        while most is None or most > 0:
            size = BATCH if most is None else min(BATCH, most)
            rows = self._connection.execute(
                select(AuditRow.__table__).where(_COLUMNS.seq > seq, self._seen).order_by(_COLUMNS.seq).limit(size)
            ).all()
            yield from (Entry(*row) for row in rows)
            if len(rows) < size:
                return
            seq, most = rows[-1].seq, None if most is None else most - size

    def newest(self, tenants: Tenants, actor: str, most: int, before: int | None = None) -> list[Entry]:
        """Entries of tenants and those of one actor, newest first; those whose number is below ``before``."""
        where = [true() if tenants is None else or_(_COLUMNS.tenant.in_(sorted(tenants)), _COLUMNS.actor == actor)]
        where += [_COLUMNS.seq < before] if before is not None else []
        query = select(AuditRow.__table__).where(*where, self._seen).order_by(_COLUMNS.seq.desc()).limit(most)
        return [Entry(*row) for row in self._connection.execute(query)]

    def number_of(self, action: str, object: str) -> int:
        """Number of the newest entry of this act on this object; 0 where there is none."""
        query = select(_COLUMNS.seq).where(_COLUMNS.action == action, _COLUMNS.object == object, self._seen)
        return self._connection.execute(query.order_by(_COLUMNS.seq.desc()).limit(1)).scalar() or 0

    def head(self) -> Entry | None:
        """The newest entry."""
        row = self._connection.execute(select(AuditRow.__table__).order_by(_COLUMNS.seq.desc()).limit(1)).first()
        return Entry(*row) if row is not None else None

    def begun(self) -> datetime | None:
        """When the oldest entry was written."""
        return self._connection.execute(select(_COLUMNS.at).order_by(_COLUMNS.seq).limit(1)).scalar()

    def approved_after(self, seq: int) -> bool:
        """True if somebody approved something after an entry, or changed the log's key or length."""
        approvals = or_(_COLUMNS.action.like("%.approve"), _COLUMNS.action.in_((KEY_CHANGE, CHECKPOINT)))
        found = select(_COLUMNS.seq).where(_COLUMNS.seq > seq, approvals).limit(1)
        return self._connection.execute(found).first() is not None

    def anchors(self) -> Mapping[str, tuple[Head, datetime]]:
        """The head that was last told at each place outside, and when."""
        table = SwitchRow.__table__.c
        rows = self._connection.execute(
            select(table.name, table.value, table.at).where(table.name.startswith(_ANCHOR, autoescape=True))
        )
        return {row.name.removeprefix(_ANCHOR): (Head.parse(row.value), row.at) for row in rows}

    def anchored(self, place: str, head: Head, by: str, now: datetime) -> None:
        """Keep that a head was told at a place outside."""
        told = {"value": str(head), "by": by, "at": now}
        self._connection.execute(
            insert_into(self._connection, SwitchRow)
            .values(name=_ANCHOR + place, **told)
            .on_conflict_do_update(index_elements=["name"], set_=told)
        )

    def remove_before(self, seq: int, key: SigningKey, *, at: datetime, actor: str, reason: str) -> Entry:
        """Remove all entries before one, and leave a signed checkpoint that names the last of them.

        Returns:
            The checkpoint.

        Raises:
            NotFound: there is no such entry, or none before it.
        """
        last = self._connection.execute(
            select(_COLUMNS.seq, _COLUMNS.hash, _COLUMNS.signature)
            .where(_COLUMNS.seq < seq)
            .order_by(_COLUMNS.seq.desc())
            .limit(1)
        ).first()
        head = self.head()
        if last is None or head is None or seq > head.seq:
            raise NotFound("no such entry, or none before it.", where=f"entry {seq}", mend="See: audit verify.")
        checkpoint = self.append(
            key, at=at, actor=actor, tenant="", action=CHECKPOINT, object=f"entries up to {last.seq}",
            content=str(Head(last.seq, link(last.hash, last.signature))), reason=reason,
        )  # fmt: skip
        allow, forbid = _TRIGGER_OFF_AND_ON[self._connection.dialect.name]
        self._connection.execute(text(allow))
        self._connection.execute(delete(AuditRow).where(_COLUMNS.seq < seq))
        self._connection.execute(text(forbid))
        return checkpoint


#: Removing asks for more than the service's own role may have: on PostgreSQL the table's owner does it.
_TRIGGER_OFF_AND_ON: Final = {
    "sqlite": (
        "drop trigger audit_no_delete",
        "create trigger audit_no_delete before delete on audit "
        "begin select raise(abort, 'audit entries are never changed'); end",
    ),
    "postgresql": (
        "alter table audit disable trigger audit_no_change", "alter table audit enable trigger audit_no_change"
    ),
}  # fmt: skip
