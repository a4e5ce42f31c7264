"""Lists of findings: one query for pages, API and command line, in pages by key, each served by an index."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
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
from rules.quiet import Standing
from rules.waivers import Waivers, as_of

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
    rule: str = ""
    key: str = ""  #: of the object
    sort: Sort = Sort.SEVERITY
    standings: frozenset[Standing] = frozenset()  #: judged when it is read: only ``standing`` heeds it


#: What can be chosen among, by the field of the query, and the column that holds it.
FACETS: Final = {"states": "state", "severities": "rank", "kinds": "kind", "modules": "module"}


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
        # All at once: a row that cannot be read must not leave an open cursor behind on SQLite.
        rows = self._connection.execute(statement if limit is None else statement.limit(limit)).all()
        return [(row.target, known_of(row)) for row in rows]

    def standing(
        self, query: FindingQuery, waivers: Waivers, now: datetime, limit: int, after: Sequence[Any] = ()
    ) -> Sequence[tuple[str, Known]]:
        """As ``listed``, each as it stands at a moment; where standings are asked for, only these.

        What a waiver, a snooze or an announcement means is decided when it is read: pages are read and judged until
        one is full.
        """
        found: list[tuple[str, Known]] = []
        while True:
            rows = self.listed(query, limit, after)
            stand = as_of(rows, waivers, now)
            found += [each for each in stand if not query.standings or each[1].standing in query.standings]
            if len(rows) < limit or len(found) >= limit:
                return found[:limit]
            after = place_of(rows[-1][1], query.sort)

    def count(self, query: FindingQuery) -> int:
        """How many there are."""
        counted = select(func.count()).select_from(FindingRow).where(*self._where(query))
        return self._connection.execute(counted).scalar_one()

    def page(self, query: FindingQuery, cursor: str = "", most: int = 50) -> tuple[Sequence[tuple[str, Known]], str]:
        """One page, and the cursor of the next, "" at the end; rows that come and go meanwhile move no other.

        Args:
            cursor: of the page before; one that cannot be read begins the list.
        """
        found = self.listed(query, most + 1, _after(cursor, query.sort))
        following = "_".join(map(_digits, place_of(found[most - 1][1], query.sort))) if len(found) > most else ""
        return found[:most], following

    def tally(self, query: FindingQuery) -> Mapping[str, Mapping[Any, int]]:
        """For each facet how many there are of each value, the other filters as they are; under "" how many in all."""
        every: frozenset[Any] = frozenset()
        wide = replace(query, states=query.states | OPEN, severities=every, kinds=every, modules=every)
        columns = [_COLUMNS[name] for name in FACETS.values()]
        # The grouping is that of ix_findings_list, so no row is opened where no words are looked for.
        counted = select(*columns, func.count()).where(*self._where(wide, is_listed=False)).group_by(*columns)
        severities = tuple(Severity)
        found: dict[str, dict[Any, int]] = {name: {} for name in ("", *FACETS)}
        rows: Sequence[Any] = self._connection.execute(counted).all()
        for state, rank, kind, module, count in rows:
            values = {"states": state, "severities": severities[rank], "kinds": kind, "modules": module}
            wanted = {name: getattr(query, name) for name in FACETS}
            misses = [name for name, value in values.items() if wanted[name] and value not in wanted[name]]
            for name, value in values.items():
                if not misses or misses == [name]:
                    found[name][value] = found[name].get(value, 0) + count
            if not misses:
                found[""][""] = found[""].get("", 0) + count
        return found

    def by_rule(self, query: FindingQuery) -> Mapping[str, int]:
        """How many there are of each rule."""
        counted = select(_COLUMNS.rule, func.count()).where(*self._where(query)).group_by(_COLUMNS.rule)
        return {row[0]: row[1] for row in self._connection.execute(counted)}

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

    def _where(self, query: FindingQuery, *, is_listed: bool = True) -> list[ColumnElement[bool]]:
        watched = select(_TARGETS.id).where(_TARGETS.removed_at.is_(None), self._seen)
        if query.target:
            watched = watched.where(_named(query.target))
        is_one = query.target and "*" not in query.target
        # The plus keeps the planner from going target by target: a list is read in its own order.
        where = [_COLUMNS.target_id == watched.scalar_subquery() if is_one else _EACH_TARGET.in_(watched)]
        if query.states <= OPEN and is_listed:
            where.append(_COLUMNS.state != literal_column("'resolved'"))  # as the partial indexes say it, not bound
        if query.states != OPEN or not is_listed:
            where.append(_COLUMNS.state.in_(sorted(query.states)))
        ranks = [each.rank for each in query.severities]
        for column, values in ((_COLUMNS.rank, ranks), (_COLUMNS.kind, query.kinds), (_COLUMNS.module, query.modules)):
            if values:
                where.append(column.in_(sorted(values)))
        for column, value in ((_COLUMNS.rule, query.rule), (_COLUMNS.key, query.key)):
            if value:
                where.append(column == value)
        if query.since is not None:
            where.append(_COLUMNS.changed_at >= query.since)
        if query.standings and Standing.PLAIN not in query.standings and Standing.WAIVED not in query.standings:
            where.append(or_(_COLUMNS.quiet != "", _COLUMNS.hush != ""))  # only these may be so
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


def _digits(value: Any) -> str:
    return str(int(value.timestamp()) * 1_000_000 + value.microsecond if isinstance(value, datetime) else value)


def _after(cursor: str, sort: Sort) -> tuple[Any, ...]:
    """The place a cursor was made of; () where it is none of this order."""
    parts = cursor.split("_")
    if len(parts) != len(_ORDER[sort][0]) or not all(each.isascii() and each.isdecimal() for each in parts):
        return ()
    if any(len(each) > 17 for each in parts):
        return ()
    *rank, micros, identity = map(int, parts)
    seconds, rest = divmod(micros, 1_000_000)
    return (*rank, datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest), identity)
