"""Lists of findings: one query for pages, API and command line, in pages by key, each served by an index."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Select, func, literal, literal_column, or_, select, tuple_
from sqlalchemy.engine import Connection

from baselines.severity import Severity
from monitor.store.findings import known_of
from monitor.store.seen import Tenants, of_seen
from monitor.store.tables import FindingRow, TargetRow
from rules.findings import Kind
from rules.lifecycle import Known, State

_COLUMNS = FindingRow.__table__.c
_TARGETS = TargetRow.__table__.c
_EACH_TARGET = literal_column("+findings.target_id", BigInteger())
_NAME = _TARGETS.tenant + "/" + _TARGETS.environment
OPEN: Final = frozenset({State.OPEN, State.ACKNOWLEDGED})


class Sort(StrEnum):
    """Which comes first."""

    SEVERITY = "severity"  #: the worst, of these the oldest
    OPENED = "opened"  #: the newest
    CHANGED = "changed"  #: the one to which something happened last


#: Columns that order a list, and whether the greatest comes first; the last one is unique.
_ORDER: Final[dict[Sort, tuple[tuple[ColumnElement[Any], ...], bool]]] = {
    Sort.SEVERITY: ((_COLUMNS.rank, _COLUMNS.opened_at, _COLUMNS.id), False),
    Sort.OPENED: ((_COLUMNS.opened_at, _COLUMNS.id), True),
    Sort.CHANGED: ((_COLUMNS.changed_at, _COLUMNS.id), True),
}


@dataclass(frozen=True, slots=True)
class FindingQuery:
    """Which findings; what is left empty limits nothing."""

    target: str = ""  #: ``swa/production``, or with stars: ``swa/*``
    severities: frozenset[Severity] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    modules: frozenset[str] = frozenset()
    states: frozenset[State] = field(default=OPEN)
    since: datetime | None = None  #: aware; something happened to it then or later
    words: str = ""  #: in its sentence, key or rule; or its number
    sort: Sort = Sort.SEVERITY


def place_of(known: Known, sort: Sort) -> tuple[Any, ...]:
    """Where a finding stands in a list: what the next page begins after."""
    if sort is Sort.SEVERITY:
        return (known.finding.severity.rank, known.opened_at, known.id)
    return (known.opened_at if sort is Sort.OPENED else known.changed_at, known.id)


class FindingList:
    """The table ``findings`` as lists."""

    def __init__(self, connection: Connection, seen: Tenants = None) -> None:
        self._connection, self._seen = connection, of_seen(seen)

    def listed(
        self, query: FindingQuery, limit: int | None = None, after: Sequence[Any] = ()
    ) -> Sequence[tuple[str, Known]]:
        """Findings with their target's name, in the order of the query.

        Args:
            limit: how many at most.
            after: ``place_of`` the last one of the page before.
        """
        statement = self.statement(query, after)
        rows = self._connection.execute(statement if limit is None else statement.limit(limit))
        return [(row.target, known_of(row)) for row in rows]

    def count(self, query: FindingQuery) -> int:
        """How many there are."""
        counted = select(func.count()).select_from(FindingRow).where(*self._where(query))
        return self._connection.execute(counted).scalar_one()

    def statement(self, query: FindingQuery, after: Sequence[Any] = ()) -> Select[Any]:
        """The query in SQL."""
        columns, is_falling = _ORDER[query.sort]
        name = select(_NAME).where(_TARGETS.id == _COLUMNS.target_id).scalar_subquery().label("target")
        chosen = (
            select(FindingRow.__table__, name)
            .where(*self._where(query))
            .order_by(*(each.desc() if is_falling else each for each in columns))
        )
        if after:
            last = tuple_(*(literal(value, each.type) for value, each in zip(after, columns, strict=True)))
            here = tuple_(*columns)
            chosen = chosen.where(here < last if is_falling else here > last)
        return chosen

    def _where(self, query: FindingQuery) -> list[ColumnElement[bool]]:
        watched = select(_TARGETS.id).where(_TARGETS.removed_at.is_(None), self._seen)
        if query.target:
            watched = watched.where(_named(query.target))
        is_one = query.target and "*" not in query.target
        # The plus keeps the planner from going target by target: a list is read in its own order.
        where = [_COLUMNS.target_id == watched.scalar_subquery() if is_one else _EACH_TARGET.in_(watched)]
        if query.states <= OPEN:
            where.append(_COLUMNS.state != literal_column("'resolved'"))  # as the partial indexes say it, not bound
        if query.states != OPEN:
            where.append(_COLUMNS.state.in_(sorted(query.states)))
        ranks = [each.rank for each in query.severities]
        for column, values in ((_COLUMNS.rank, ranks), (_COLUMNS.kind, query.kinds), (_COLUMNS.module, query.modules)):
            if values:
                where.append(column.in_(sorted(values)))
        if query.since is not None:
            where.append(_COLUMNS.changed_at >= query.since)
        if query.words:
            among = (_COLUMNS.message, _COLUMNS.key, _COLUMNS.rule)
            has_words = [each.icontains(query.words, autoescape=True) for each in among]
            where.append(or_(_COLUMNS.number == query.words.upper(), *has_words))
        return where


def _named(pattern: str) -> ColumnElement[bool]:
    if "*" not in pattern:
        tenant, _, environment = pattern.partition("/")
        return (_TARGETS.tenant == tenant) & (_TARGETS.environment == environment)
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")
    return _NAME.like(escaped, escape="\\")
