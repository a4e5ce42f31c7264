"""Engines that keep what they answered: SQLite in WAL with full sync, PostgreSQL with synchronous commit (P5)."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from monitor.errors import SchemaMismatch, StoreError

BUSY_MS: Final = 10_000  #: how long a locked SQLite is waited for (F58)
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


def open_engine(url: str, *, busy_ms: int = BUSY_MS) -> Engine:
    """An engine with the settings that the promises rest on.

    Raises:
        StoreError: it is no address of one of the two databases, or the folder of the SQLite file cannot be made.
    """
    parsed = _address(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database and parsed.database != ":memory:":
            _make_folder(Path(parsed.database))
        engine = create_engine(parsed, connect_args={"timeout": busy_ms / 1000, "check_same_thread": False})
        _prepare_sqlite(engine, busy_ms)
        return engine
    return create_engine(
        parsed, pool_pre_ping=True, pool_size=10, max_overflow=10,
        connect_args={"connect_timeout": 5, "options": "-c synchronous_commit=on -c timezone=UTC"},
    )  # fmt: skip


def _address(url: str) -> URL:
    try:
        parsed = make_url(url)
        if (parsed.get_backend_name(), parsed.get_driver_name()) in (("sqlite", "pysqlite"), ("postgresql", "psycopg")):
            return parsed
    except SQLAlchemyError:
        pass
    what = "this is no address of a database."  # it may hold a password: it is not shown
    mend = "Write sqlite:////path/monitor.db or postgresql+psycopg://user@host/name."
    raise StoreError("address", what, where="SMART360_DATABASE_URL", mend=mend)


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        what = f"the folder cannot be made: {error.strerror}."
        mend = "Set SMART360_DATABASE_URL, or make the folder writable."
        raise StoreError("read_only", what, where=str(path.parent), mend=mend) from None


def _prepare_sqlite(engine: Engine, busy_ms: int) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy begins; sqlite3 must not
        for pragma in ("journal_mode=wal", "synchronous=full", "foreign_keys=on", f"busy_timeout={busy_ms}"):
            connection.execute(f"pragma {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes later would fail at once on a busy file.
        read_only = connection.get_execution_options().get("readonly")
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def insert_into(connection: Connection, table: Any) -> Any:
    """An insert that can say what happens where its row is there; each engine has its own."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


@contextmanager
def told_as_store_errors(engine: Engine) -> Iterator[None]:
    """What the driver raises, as ``StoreError`` with a kind and a cure; programming errors stay themselves."""
    try:
        yield
    except DBAPIError as error:
        raise _store_error(engine, error) from error


def _store_error(engine: Engine, error: DBAPIError) -> Exception:
    words = str(error.orig or error)
    where = engine.url.render_as_string(hide_password=True)
    kinds = (
        ("database is locked", "locked", "the database is locked by another process.", "Try again."),
        ("disk is full", "disk_full", "the disk is full.", "Make room; it goes on by itself."),
        ("No space left", "disk_full", "the disk is full.", "Make room; it goes on by itself."),
        ("readonly database", "read_only", "the database may not be written.", "Give the service's user the right."),
        ("unable to open", "read_only", "the database cannot be opened.", "Check path and rights."),
        ("malformed", "corrupt", "the database file is damaged.", "Restore a backup."),
        ("not a database", "corrupt", "this is not a database file.", "Check SMART360_DATABASE_URL."),
        ("could not serialize", "retry", "another transaction was quicker.", "Try again."),
        ("deadlock detected", "retry", "another transaction was quicker.", "Try again."),
    )
    for sign, kind, what, mend in kinds:
        if sign in words:
            return StoreError(kind, what, where=where, mend=mend)
    if isinstance(error, OperationalError) or error.connection_invalidated:
        return StoreError("unavailable", "the database is not answering.", where=where, mend="Try again in 10 s.")
    return error


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def newest_revision() -> str:
    """The revision this program needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def current_revision(engine: Engine) -> str:
    """The revision of the database, "" where it is empty."""
    with told_as_store_errors(engine), engine.connect().execution_options(readonly=True) as connection:
        return MigrationContext.configure(connection).get_current_revision() or ""


def upgrade(engine: Engine) -> tuple[str, str]:
    """Bring the schema to this program's revision; safe to start twice and to kill. Returns (before, after)."""
    before = current_revision(engine)
    wanted = newest_revision()
    if before != wanted:
        with told_as_store_errors(engine), engine.connect() as connection:
            command.upgrade(_config(connection), "head")
    return before, wanted


def refuse_other_schema(engine: Engine) -> None:
    """Raise SchemaMismatch unless the database has the revision this program needs."""
    found, wanted = current_revision(engine), newest_revision()
    if found != wanted:
        raise SchemaMismatch(found, wanted)
