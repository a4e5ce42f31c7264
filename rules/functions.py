"""The functions of rule expressions (contracts §4), on canonical values. No clock, no floats."""

import itertools
import operator
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from cronsim import CronSim, CronSimError

from baselines.values import DURATION, decimal_text

_UNIT_SECONDS: Final = (365 * 86400, 30 * 86400, 7 * 86400, 86400, 3600, 60, 1)
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NEXT_RUN_DAYS: Final = 400
MOST_DIGITS: Final = 400  #: before or after the point; written out, more would fill the memory


@lru_cache(1 << 14)
def quantity(value: str | int) -> Decimal:
    """A decimal, or a duration in seconds (a year counts 365 days, a month 30).

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, bool):
        raise ValueError("a boolean is no quantity")
    if isinstance(value, int):
        return Decimal(value)
    match = DURATION.fullmatch(value)
    if match:
        return sum((Decimal(n or 0) * unit for n, unit in zip(match.groups(), _UNIT_SECONDS, strict=True)), Decimal(0))
    try:
        found = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"{value!r} is neither a decimal nor a duration") from None
    if not found.is_finite() or abs(found.adjusted()) > MOST_DIGITS:
        raise ValueError("a number out of all bounds")
    return found


def _compared(test: Callable[[Decimal, Decimal], bool]) -> Callable[[Any, Any], bool]:
    return lambda a, b: test(quantity(a), quantity(b))


COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "above": _compared(operator.gt),
    "below": _compared(operator.lt),
    "at_least": _compared(operator.ge),
    "at_most": _compared(operator.le),
    "equals": _compared(operator.eq),
}


def _computed(operation: Callable[[Decimal, Decimal], Decimal]) -> Callable[[Any, Any], str]:
    return lambda a, b: decimal_text(operation(quantity(a), quantity(b)))


ARITHMETIC: Final[Mapping[str, Callable[[Any, Any], str]]] = {
    "plus": _computed(lambda a, b: a + b),
    "minus": _computed(lambda a, b: a - b),
    "times": _computed(lambda a, b: a * b),
}


def decimal(value: str | int) -> str:
    """A decimal of an integer or text."""
    return decimal_text(quantity(value))


def total(values: Iterable[str | int]) -> str:
    """The sum of decimals or integers, as a decimal."""
    return decimal_text(sum((quantity(value) for value in values), Decimal(0)))


def days(day: str, count: int) -> str:
    """The day so many days later (negative: earlier)."""
    return (date.fromisoformat(day) + timedelta(days=count)).isoformat()


def weekday(day: str) -> str:
    """``monday`` … ``sunday``."""
    return _WEEKDAYS[date.fromisoformat(day).weekday()]


def in_force(thing: Mapping[str, Any], day: str) -> bool:
    """True if effective_from ≤ day ≤ effective_to; an absent end is open."""
    start, end = thing.get("effective_from"), thing.get("effective_to")
    return (start is None or start <= day) and (end is None or day <= end)


@lru_cache(1 << 10)
def next_run(cron: str, day: str) -> str:
    """The day on which a cron expression fires next, from ``day`` on; "" if not within 400 days.

    A cron expression that cannot be read never fires.
    """
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(seconds=1)
    if len(cron.split()) != 5:
        return ""
    try:
        found = next(CronSim(cron, start))
    except (CronSimError, StopIteration):
        return ""
    return found.date().isoformat() if found - start <= timedelta(days=NEXT_RUN_DAYS) else ""


def pairs(items: list[Any]) -> list[dict[str, Any]]:
    """Neighbours of a list, each with ``before`` and ``after``."""
    return [{"before": one, "after": other} for one, other in itertools.pairwise(items)]


def _identity(item: Any) -> Any:
    if isinstance(item, Mapping):
        if "key" not in item:
            raise ValueError("a reference that does not resolve")
        return item.get("resource_type"), item["key"]
    return item


def distinct(items: list[Any]) -> list[Any]:
    """Each item once, in the order of the list; objects by key."""
    return list({_identity(item): item for item in items}.values())


def subset(some: list[Any], more: list[Any]) -> bool:
    """True if each of ``some`` is in ``more``; objects by key."""
    return {_identity(item) for item in some} <= {_identity(item) for item in more}


def same(some: list[Any], other: list[Any]) -> bool:
    """True if both hold the same, as sets; objects by key."""
    return {_identity(item) for item in some} == {_identity(item) for item in other}


def host(url: str) -> str:
    """The host of a URL in lower case, "" if there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
