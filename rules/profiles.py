"""Typical consumption: profiles by category and kind of service, shipped as data; a tenant's own come first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from baselines import document
from rules.bills import Usage

SIZES: Final = ("small", "typical", "large")
_REQUIRED: Final = ("category", "service", "sizes", "source")


@dataclass(frozen=True, slots=True)
class Profile:
    """What consumers use in a month; numbers stay text, as they were written."""

    category: tuple[str, ...]  #: words, one of which is in the category's name
    service: str  #: kind of the metered service
    sizes: Mapping[str, tuple[str, ...]]  #: unit → small, typical, large
    source: str  #: where the figures are from
    months: tuple[int, ...] = ()  #: in which it holds; () all year
    time_of_use: Mapping[str, str] = field(default_factory=dict)  #: share of each time of use, of 1

    def fits(self, category: str, service: str, unit: str, month: int) -> bool:
        """True if it tells of this category, kind of service, unit and month."""
        named = any(word.casefold() in category.casefold() for word in self.category)
        return named and service == self.service and unit in self.sizes and (not self.months or month in self.months)

    def usages(self, unit: str) -> tuple[Usage, ...]:
        """Small, typical and large, in this unit."""
        shares = {name: Decimal(share) for name, share in self.time_of_use.items()}
        return tuple(Usage(Decimal(n), shares, size) for n, size in zip(self.sizes[unit], SIZES, strict=True))


def usages_of(profiles: Iterable[Profile], category: str, service: str, unit: str, month: int) -> tuple[Usage, ...]:
    """What consumers of a category typically use; () where no profile tells."""
    found = (each for each in profiles if each.fits(category, service, unit, month))
    return next((each.usages(unit) for each in found), ())


def profiles_of(rows: Any) -> tuple[Profile, ...]:
    """Profiles as written in YAML.

    Raises:
        ValueError: the row (from 1), what is wrong with it and how to mend it.
    """
    if not isinstance(rows, list):
        raise ValueError("a list of profiles is needed: - {category: Residential, service: water, …}")
    return tuple(_profile(place, row) for place, row in enumerate(rows, 1))


def _profile(place: int, row: Any) -> Profile:
    known = set(Profile.__dataclass_fields__)
    if not isinstance(row, dict) or any(not row.get(key) for key in _REQUIRED) or row.keys() - known:
        raise ValueError(f"row {place}: {', '.join(_REQUIRED)} are needed; months and time_of_use may be given")
    words = row["category"] if isinstance(row["category"], list) else [row["category"]]
    shares, sizes, months = row.get("time_of_use") or {}, row["sizes"], row.get("months") or []
    if not isinstance(sizes, dict) or not all(_are_numbers(each, len(SIZES)) for each in sizes.values()):
        raise ValueError(f"row {place}: sizes are small, typical and large for a unit: kgal: ['3', '7', '12']")
    if not isinstance(months, list) or not set(months) <= set(range(1, 13)):
        raise ValueError(f"row {place}: months are 1 to 12")
    is_whole = isinstance(shares, dict) and _are_numbers([*shares.values()], len(shares))
    if not is_whole or (shares and sum(Decimal(str(each)) for each in shares.values()) != 1):
        raise ValueError(f"row {place}: the shares of time_of_use make 1 together")
    return Profile(
        tuple(map(str, words)), str(row["service"]), {str(unit): tuple(map(str, each)) for unit, each in sizes.items()},
        str(row["source"]), tuple(months), {str(name): str(share) for name, share in shares.items()},
    )  # fmt: skip


def _are_numbers(values: Sequence[Any], count: int) -> bool:
    try:
        return isinstance(values, list) and len(values) == count and all(Decimal(str(each)) >= 0 for each in values)
    except InvalidOperation:
        return False


@lru_cache(1)
def shipped_profiles() -> tuple[Profile, ...]:
    """Those that come with the product."""
    name = "profiles.yaml"
    data = (resources.files("rules") / name).read_bytes()
    return profiles_of(document.plain_value(document.read_document(data, name)))
