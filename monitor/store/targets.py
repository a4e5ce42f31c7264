"""Targets: registered, paused, due."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.engine import Connection

from monitor.errors import UnknownTarget
from monitor.store.engine import insert_into
from monitor.store.seen import Tenants, of_seen
from monitor.store.tables import CoverageReportRow, SwitchRow, TargetRow
from monitor.store.values import from_json, to_json
from monitor.target import Definition, Target

_COLUMNS = TargetRow.__table__.c
ALL_PAUSED = "all_paused"


@lru_cache(maxsize=4096)
def _definition(body: str) -> Definition:
    """Every page reads all of them, and they rarely change."""
    return from_json(body, Definition)


def _target(row: Row[tuple[object, ...]]) -> Target:
    found = row._mapping
    return Target(
        found["id"], found["tenant"], found["environment"], _definition(found["definition"]), found["title"],
        found["next_run_at"], found["paused_at"], found["paused_by"], found["paused_reason"], found["removed_at"],
    )  # fmt: skip


class Targets:
    """The ``targets`` table."""

    def __init__(self, connection: Connection, seen: Tenants = None) -> None:
        self._connection, self._seen = connection, of_seen(seen)

    def put(self, tenant: str, environment: str, definition: Definition, now: datetime) -> tuple[Target, bool]:
        """Register a target or change its definition; True if it is new. Its next sweep is due at once if new."""
        found = self._connection.execute(
            select(TargetRow.__table__).where(_COLUMNS.tenant == tenant, _COLUMNS.environment == environment)
        ).first()
        body = to_json(definition)
        if found is None:
            self._connection.execute(
                insert(TargetRow).values(
                    tenant=tenant, environment=environment, definition=body, created_at=now, next_run_at=now
                )
            )
        else:
            values: dict[str, object] = {"definition": body, "removed_at": None}
            before = _target(found)
            moved = (before.definition.schedule, before.definition.time_zone) != (
                definition.schedule, definition.time_zone
            )  # fmt: skip
            if moved or before.removed_at is not None:
                values["next_run_at"] = now
            self._connection.execute(update(TargetRow).where(_COLUMNS.id == found._mapping["id"]).values(**values))
        return self.named(f"{tenant}/{environment}"), found is None

    def named(self, name: str) -> Target:
        """The target ``tenant/environment``.

        Raises:
            UnknownTarget: with the names that are registered.
        """
        tenant, _, environment = name.partition("/")
        row = self._connection.execute(
            select(TargetRow.__table__).where(
                _COLUMNS.tenant == tenant,
                _COLUMNS.environment == environment,
                _COLUMNS.removed_at.is_(None),
                self._seen,
            )
        ).first()
        if row is None:
            known = ", ".join(each.name for each in self.all()[:5])
            mend = f"Registered are: {known}." if known else "Register it: smart360-monitor tenant apply FILE."
            raise UnknownTarget("no such target.", where=name, mend=mend)
        return _target(row)

    def hold(self, target: Target) -> None:
        """Until the end of the transaction no sweep of it settles and no baseline of it is made by others."""
        self._connection.execute(select(_COLUMNS.id).where(_COLUMNS.id == target.id).with_for_update(key_share=True))

    def by_id(self, identity: int) -> Target:
        """The target with this id."""
        return _target(self._connection.execute(select(TargetRow.__table__).where(_COLUMNS.id == identity)).one())

    def all(self) -> Sequence[Target]:
        """All targets that are watched, by name."""
        rows = self._connection.execute(
            select(TargetRow.__table__)
            .where(_COLUMNS.removed_at.is_(None), self._seen)
            .order_by(_COLUMNS.tenant, _COLUMNS.environment)
        )
        return [_target(row) for row in rows]

    def groups(self) -> Mapping[str, frozenset[str]]:
        """Tenants of each group, whoever asks: rights are worked out from it."""
        rows = self._connection.execute(
            select(TargetRow.__table__).where(
                _COLUMNS.removed_at.is_(None), _COLUMNS.definition.contains('"groups":["', autoescape=True)
            )
        )
        found: dict[str, set[str]] = {}
        for each in map(_target, rows):
            for group in each.definition.groups:
                found.setdefault(group, set()).add(each.tenant)
        return {group: frozenset(tenants) for group, tenants in found.items()}

    def due(self, now: datetime, most: int) -> Sequence[Target]:
        """Targets whose slot has come, longest waiting first; none while all is paused."""
        if self.paused_all():
            return []
        rows = self._connection.execute(
            select(TargetRow.__table__)
            .where(_COLUMNS.removed_at.is_(None), _COLUMNS.paused_at.is_(None), _COLUMNS.next_run_at <= now)
            .order_by(_COLUMNS.next_run_at)
            .limit(most)
            .with_for_update(skip_locked=True, key_share=True)
        )
        return [_target(row) for row in rows]

    def set_next_run(self, target: Target, at: datetime) -> None:
        """When it is swept next."""
        self._connection.execute(update(TargetRow).where(_COLUMNS.id == target.id).values(next_run_at=at))

    def set_title(self, target: Target, title: str) -> None:
        """The utility's own name, from a reading."""
        if title and title != target.title:
            self._connection.execute(update(TargetRow).where(_COLUMNS.id == target.id).values(title=title))

    def pause(self, target: Target, by: str, reason: str, now: datetime) -> None:
        """No scheduled sweep until it is resumed."""
        values = {"paused_at": now, "paused_by": by, "paused_reason": reason}
        self._connection.execute(update(TargetRow).where(_COLUMNS.id == target.id).values(**values))

    def resume(self, target: Target, now: datetime) -> None:
        """Scheduled again, from now on."""
        values = {"paused_at": None, "paused_by": "", "paused_reason": "", "next_run_at": now}
        self._connection.execute(update(TargetRow).where(_COLUMNS.id == target.id).values(**values))

    def remove(self, target: Target, now: datetime) -> None:
        """No longer watched; what is kept of it stays."""
        self._connection.execute(update(TargetRow).where(_COLUMNS.id == target.id).values(removed_at=now))

    def keep_coverage(self, target: Target, report: Mapping[str, Any]) -> None:
        """Keep what nobody guards of a target, in the place of what was kept before."""
        made = insert_into(self._connection, CoverageReportRow).values(target_id=target.id, report=to_json(report))
        self._connection.execute(
            made.on_conflict_do_update(index_elements=["target_id"], set_={"report": made.excluded.report})
        )

    def coverage_reports(self) -> Mapping[int, Mapping[str, Any]]:
        """The reports kept of all targets, by id."""
        kept = CoverageReportRow.__table__.c
        asked = select(kept.target_id, kept.report).join(TargetRow, _COLUMNS.id == kept.target_id).where(self._seen)
        return {target: from_json(report, dict[str, Any]) for target, report in self._connection.execute(asked)}

    def pause_all(self, on: bool, by: str, now: datetime) -> None:
        """Stop, or go on with, all scheduled sweeps."""
        table = SwitchRow.__table__
        self._connection.execute(delete(SwitchRow).where(table.c.name == ALL_PAUSED))
        if on:
            self._connection.execute(insert(SwitchRow).values(name=ALL_PAUSED, value="yes", by=by, at=now))

    def paused_all(self) -> str:
        """Who paused everything; "" if nobody did."""
        table = SwitchRow.__table__
        return self._connection.execute(select(table.c.by).where(table.c.name == ALL_PAUSED)).scalar() or ""
