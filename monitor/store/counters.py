"""Counters that survive a restart and that every replica tells the same of."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.engine import Connection

from monitor.store.engine import insert_into
from monitor.store.tables import CounterRow
from monitor.store.values import from_json, to_json

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)  #: seconds


class Counters:
    """The ``counters`` table."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, name: str, amounts: Mapping[tuple[str, ...], int]) -> None:
        """Add to a counter, by its label values."""
        for labels, amount in amounts.items():
            values = {"name": name, "labels": to_json(labels), "value": amount}
            statement = insert_into(self._connection, CounterRow).values(**values)
            self._connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["name", "labels"], set_={"value": CounterRow.value + statement.excluded.value}
                )
            )

    def observe(self, name: str, labels: tuple[str, ...], values: Sequence[float]) -> None:
        """Add to a histogram: buckets, sum (in microseconds) and count, kept as counters."""
        if not values:
            return
        amounts: dict[tuple[str, ...], int] = {(*labels, "count"): len(values)}
        amounts[(*labels, "sum")] = round(sum(values) * 1_000_000)
        for bound in BUCKETS:
            inside = sum(1 for value in values if value <= bound)
            if inside:
                amounts[(*labels, str(bound))] = inside
        self.add(name, amounts)

    def all(self, name: str) -> Mapping[tuple[str, ...], int]:
        """Values of a counter by its label values."""
        rows: Sequence[tuple[str, int]] = self._connection.execute(
            select(CounterRow.labels, CounterRow.value).where(CounterRow.name == name)
        ).all()
        return {tuple(from_json(labels, list[str])): value for labels, value in rows}
