"""One transaction: every part of the store bound to one connection, all or nothing.

Who looks is given to the transaction, so that no query can forget it: of tenants that are not ``seen`` nothing is
found, neither by name nor by number nor in a count (P9). None is the service itself, which sees all.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from threading import Lock
from typing import Final, ParamSpec, TypeVar

import structlog
from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from monitor.errors import Moved, StoreError
from monitor.store.alerts import Alerts
from monitor.store.audit import Audit
from monitor.store.baselines import Baselines
from monitor.store.counters import Counters
from monitor.store.engine import open_engine, refuse_other_schema, told_as_store_errors, upgrade
from monitor.store.findings import Findings
from monitor.store.findings_list import FindingList
from monitor.store.fleet import Fleet
from monitor.store.idempotency import Idempotency
from monitor.store.leases import Leases
from monitor.store.people import People
from monitor.store.seen import Tenants
from monitor.store.shares import Shares
from monitor.store.snapshots import Snapshots
from monitor.store.sweeps import Sweeps
from monitor.store.targets import Targets
from monitor.store.waivers import WaiverStore

TRIES: Final = 5  #: of a whole transaction that somebody else came between (F66)
P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger(__name__)


def tried_again(story: Callable[P, T]) -> Callable[P, T]:
    """Do a whole transaction anew where another moved what it rests on, or the database undid it, meanwhile."""

    @wraps(story)
    def tried(*given: P.args, **named: P.kwargs) -> T:
        for _ in range(TRIES):
            try:
                return story(*given, **named)
            except Moved as moved:
                log.info("tried_again", story=story.__name__, moved=str(moved))
            except StoreError as error:
                if error.kind != "retry":
                    raise
        mend = "Try again; a sweep comes again by itself."
        raise StoreError("retry", "others were quicker, again and again.", where=story.__name__.strip("_"), mend=mend)

    return tried


class Unit:
    """The parts of the store inside one transaction."""

    def __init__(self, connection: Connection, seen: Tenants = None) -> None:
        self.connection = connection
        self.counters = Counters(connection)
        self.targets = Targets(connection, seen)
        self.sweeps = Sweeps(connection, self.counters)
        self.snapshots = Snapshots(connection)
        self.baselines = Baselines(connection, self.snapshots, seen)
        self.findings = Findings(connection, seen)
        self.waivers = WaiverStore(connection, seen)
        self.fleet = Fleet(connection, seen)
        self.finding_list = FindingList(connection, seen)
        self.alerts = Alerts(connection)
        self.audit = Audit(connection, seen)
        self.leases = Leases(connection)
        self.idempotency = Idempotency(connection)
        self.people = People(connection)
        self.shares = Shares(connection)
        self._connection = connection

    def as_service(self) -> "Unit":
        """The same transaction for what the service itself must find: a message tells of all, whoever acted."""
        return Unit(self._connection)


class Store:
    """A database and the transactions on it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # SQLite reads of one moment by itself.
        moment = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        self._reading = engine.execution_options(readonly=True, **moment)
        self._errors: Counter[str] = Counter()
        self._errors_held = Lock()
        self._joined: ContextVar[Connection | None] = ContextVar("joined", default=None)

    @classmethod
    def open(cls, url: str, *, migrate: bool = False) -> "Store":
        """Open a store.

        Args:
            url: of SQLAlchemy; ``sqlite:////path/monitor.db`` or ``postgresql+psycopg://…``.
            migrate: bring the schema to this program's revision first.

        Raises:
            StoreError: it cannot be opened.
            SchemaMismatch: its schema is another one and ``migrate`` is off.
        """
        engine = open_engine(url)
        if migrate:
            upgrade(engine)
        else:
            refuse_other_schema(engine)
        return cls(engine)

    @contextmanager
    def write(self, seen: Tenants = None) -> Iterator[Unit]:
        """A transaction that writes; committed at the end, undone by any error.

        Inside ``joined`` it is part of the transaction there, and is committed or undone with it.
        """
        if (joined := self._joined.get()) is not None:
            with joined.begin_nested():  # a story that is tried again leaves nothing of its first try
                yield Unit(joined, seen)
            return
        told: Counter[str] = Counter()
        try:
            with told_as_store_errors(self.engine), self.engine.begin() as connection:
                unit = Unit(connection, seen)
                yield unit
                told = self._errors_taken()
                unit.counters.add("store_errors", {(kind,): count for kind, count in told.items()})
        except BaseException as error:
            self._note_errors(told + Counter([error.kind] if isinstance(error, StoreError) else []))
            raise

    @contextmanager
    def joined(self, seen: Tenants = None) -> Iterator[Unit]:
        """A transaction that every story called inside takes part in: what it does and what is kept of it are one."""
        with self.write(seen) as unit:
            before = self._joined.set(unit.connection)
            try:
                yield unit
            finally:
                self._joined.reset(before)

    @contextmanager
    def read(self, seen: Tenants = None) -> Iterator[Unit]:
        """A transaction that only reads, of one moment; inside ``joined``, of that transaction."""
        if (joined := self._joined.get()) is not None:
            yield Unit(joined, seen)
            return
        try:
            with told_as_store_errors(self.engine), self._reading.begin() as connection:
                yield Unit(connection, seen)
        except StoreError as error:
            self._note_errors(Counter([error.kind]))
            raise

    def _note_errors(self, kinds: Counter[str]) -> None:
        """A database that fails cannot be told of it: the next transaction that commits does."""
        with self._errors_held:
            self._errors += kinds

    def _errors_taken(self) -> Counter[str]:
        with self._errors_held:
            taken, self._errors = self._errors, Counter()
        return taken

    def close(self) -> None:
        """Close its connections."""
        self.engine.dispose()
