"""Charts as SVG from the server: a gap where nothing was read is a gap, never a line."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 96, 20


@dataclass(frozen=True, slots=True)
class Spark:
    """A step line of readiness, and the sentence that says the same."""

    path: str
    x: float
    y: float
    is_bad: bool
    label: str


def spark(values: Sequence[float | None]) -> Spark:
    """Readiness over the last sweeps, oldest first; None where nothing was read."""
    known = [value for value in values if value is not None]
    if not known:
        return Spark("", 0, 0, False, "Readiness: not known yet")
    low = min(0.9, *known)
    step = (WIDTH - 4) / max(1, len(values) - 1)
    parts: list[str] = []
    x = y = 0.0
    pen_down = False
    for place, value in enumerate(values):
        if value is None:
            pen_down = False
            continue
        x, y = 1 + place * step, 3 + (1 - value) / max(1e-6, 1 - low) * (HEIGHT - 6)
        parts.append(f"H{x:.1f}V{y:.1f}" if pen_down else f"M{x:.1f} {y:.1f}")
        pen_down = True
    return Spark("".join(parts), x, y, known[-1] < known[0], f"Readiness over {len(values)} readings, now {known[-1]}")
