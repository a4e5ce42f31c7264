"""Runs migrations on the connection it is handed; one runs at a time."""

from typing import Any, Literal

import sqlalchemy as sa
from alembic import context

from monitor.store.tables import Base, UtcDateTime

_LOCK = 360_360  #: PostgreSQL advisory lock: several replicas start at once (F70)


def render_item(kind: str, item: Any, _autogen: Any) -> str | Literal[False]:
    """Own types are written as plain ones, so that a migration never imports today's models."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


def run(connection: sa.Connection) -> None:
    """One transaction for each migration."""
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite:
        # Else rebuilding a table that others refer to fails, or deletes them by cascade.
        _watch_foreign_keys(connection, "off")
    else:
        connection.exec_driver_sql(f"select pg_advisory_lock({_LOCK})")
    try:
        context.configure(
            connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True,
            compare_server_default=False, transaction_per_migration=True, render_item=render_item,
        )  # fmt: skip
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()
    finally:
        connection.rollback()
        if is_sqlite:
            _watch_foreign_keys(connection, "on")
        else:
            connection.exec_driver_sql(f"select pg_advisory_unlock({_LOCK})")
            connection.commit()


def _watch_foreign_keys(connection: sa.Connection, how: Literal["on", "off"]) -> None:
    """On the driver itself: SQLite ignores it inside a transaction, and SQLAlchemy begins one with each statement."""
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute(f"pragma foreign_keys={how}")


run(context.config.attributes["connection"])
