"""How far a rule can be trusted: what people said of its findings. Pure; defined in docs/contracts.md §3."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

LEAST: Final = 5  #: marked findings below which a precision says too little to act on


class Mark(StrEnum):
    """What a person says of a finding; it changes nothing of its life."""

    USEFUL = "useful"
    NOT_USEFUL = "not useful"


@dataclass(frozen=True, slots=True)
class Opinion:
    """One mark of one person on one finding."""

    finding: int
    subject: str  #: the rule, or ``drift`` or ``coverage``
    mark: Mark
    by: str
    at: datetime
    reason: str


def latest(opinions: Iterable[Opinion]) -> Mapping[int, Sequence[Opinion]]:
    """By finding: the last word of each person, newest first. ``opinions`` are in the order they were given."""
    last: dict[tuple[int, str], Opinion] = {}
    for each in opinions:
        last.pop((each.finding, each.by), None)
        last[each.finding, each.by] = each
    found: dict[int, list[Opinion]] = {}
    for each in reversed(last.values()):
        found.setdefault(each.finding, []).append(each)
    return found


def mark_of(opinions: Sequence[Opinion]) -> Mark | None:
    """What a finding counts as: what more people said, the newest where they are even; None: nobody said anything."""
    not_useful = sum(each.mark is Mark.NOT_USEFUL for each in opinions)
    if not opinions or 2 * not_useful == len(opinions):
        return opinions[0].mark if opinions else None
    return Mark.NOT_USEFUL if 2 * not_useful > len(opinions) else Mark.USEFUL


@dataclass(frozen=True, slots=True)
class Precision:
    """Findings of a rule or of a pack, each counted once."""

    useful: int = 0
    not_useful: int = 0
    found: int = 0  #: marked or not
    open: int = 0
    targets: int = 0  #: at which one is open

    @property
    def marked(self) -> int:
        """Findings of which somebody said something."""
        return self.useful + self.not_useful

    @property
    def unmarked(self) -> int:
        """Findings of which nobody did; they count neither way."""
        return self.found - self.marked

    @property
    def ratio(self) -> float | None:
        """useful ÷ marked; None where nothing is marked."""
        return self.useful / self.marked if self.marked else None

    def is_doubtful(self, floor: float) -> bool:
        """True if it is proposed for review: enough is marked, and too little of it was useful."""
        return self.ratio is not None and self.marked >= LEAST and self.ratio < floor


def total(several: Iterable[Precision]) -> Precision:
    """Of several rules together; targets are not added up, since one may be in each."""
    each = tuple(several)
    return Precision(*(sum(getattr(one, name) for one in each) for name in ("useful", "not_useful", "found", "open")))
