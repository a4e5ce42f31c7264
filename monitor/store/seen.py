"""Whose data a transaction may find: every query over more than one target asks here."""

from typing import TypeAlias

from sqlalchemy import ColumnElement, true

from monitor.store.tables import AuditRow, TargetRow, WaiverRow

Tenants: TypeAlias = frozenset[str] | None  #: None: all of them
_TARGET_TENANT = TargetRow.__table__.c.tenant
_AUDIT_TENANT = AuditRow.__table__.c.tenant
_WAIVER_TENANT = WaiverRow.__table__.c.tenant


def of_seen(seen: Tenants) -> ColumnElement[bool]:
    """The condition on a query over targets."""
    return true() if seen is None else _TARGET_TENANT.in_(sorted(seen))


def entry_of_seen(seen: Tenants) -> ColumnElement[bool]:
    """The condition on a query over the audit log."""
    return true() if seen is None else _AUDIT_TENANT.in_(sorted(seen))


def waiver_of_seen(seen: Tenants) -> ColumnElement[bool]:
    """The condition on a query over waivers."""
    return true() if seen is None else _WAIVER_TENANT.in_(sorted(seen))
