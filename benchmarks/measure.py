"""How things are measured: CPU of this process, pairs in turn, the median of their ratios."""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ratio:
    """A figure: what, on what, how many times the floor or peer."""

    name: str
    workload: str
    value: float
    low: float
    high: float
    goal: str
    is_met: bool

    def __str__(self) -> str:
        met = ("met" if self.is_met else "MISSED") if self.goal != "–" else ""
        spread = f"({self.low:.3g}–{self.high:.3g})"
        return f"{self.name:<44} {self.workload:<28} {self.value:>8.3g} {spread:<16} goal {self.goal:<10} {met}"


def ratio(
    name: str,
    workload: str,
    ours: Callable[[], Any],
    other: Callable[[], Any],
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    inverse: bool = False,
    pairs: int = 5,
) -> Ratio:
    """CPU of ``ours`` ÷ CPU of ``other`` (inverse: the reverse), the first pair thrown away."""
    found = []
    for _ in range(pairs + 1):
        mine, theirs = _cpu(ours), _cpu(other)
        found.append(theirs / mine if inverse else mine / theirs)
    return judged(name, workload, found[1:], at_most=at_most, at_least=at_least)


def judged(
    name: str,
    workload: str,
    found: Sequence[float],
    *,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Ratio:
    """The median of what was found, held against its goal; without one it is only told."""
    value = statistics.median(found)
    is_met = (at_most is None or value <= at_most) and (at_least is None or value >= at_least)
    goal = f"≤ {at_most:g}" if at_most is not None else f"≥ {at_least:g}" if at_least is not None else "–"
    return Ratio(name, workload, value, min(found), max(found), goal, is_met)


def _cpu(run: Callable[[], Any]) -> float:
    gc.collect()
    start = time.process_time()
    run()
    return max(time.process_time() - start, 1e-6)
