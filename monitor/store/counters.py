"""Counters that survive a restart and that every replica tells the same of."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from monitor.store.tables import CounterRow
from monitor.store.values import from_json, to_json


class Counters:
    """The ``counters`` table."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, name: str, amounts: Mapping[tuple[str, ...], int]) -> None:
        """Add to a counter, by its label values."""
        dialect = postgresql if self._connection.dialect.name == "postgresql" else sqlite
        for labels, amount in amounts.items():
            statement = dialect.insert(CounterRow).values(name=name, labels=to_json(labels), value=amount)
            self._connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["name", "labels"], set_={"value": CounterRow.value + statement.excluded.value}
                )
            )

    def all(self, name: str) -> Mapping[tuple[str, ...], int]:
        """Values of a counter by its label values."""
        rows: Sequence[tuple[str, int]] = self._connection.execute(
            select(CounterRow.labels, CounterRow.value).where(CounterRow.name == name)
        ).all()
        return {tuple(from_json(labels, list[str])): value for labels, value in rows}
