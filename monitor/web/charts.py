"""Charts as SVG from the server: what was not read is a gap, never a line. Geometry here, marks in templates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from baselines.severity import Severity
from monitor.web.words import age, day, figure

WIDTH: Final = 96  #: of a spark, in pixels; its height is 20
SPAN: Final = timedelta(days=30)
DAYS: Final = 30
LEFT, RIGHT = 110.0, 745.0  #: of the days in the chart of 30 days
LABEL_ROOM: Final = 130.0


@dataclass(frozen=True, slots=True)
class Point:
    """One sweep, as charts see it."""

    at: datetime
    is_read: bool  #: something was read and judged
    is_whole: bool  #: every list was read
    readiness: float | None = None
    open: Mapping[str, int] = field(default_factory=dict)  #: findings, by severity


#: When, after a reading of a given moment, the next is due, or counts as missed.
After = Callable[[datetime], datetime]


@dataclass(frozen=True, slots=True)
class Spark:
    """A step line of readiness, and the sentence that says the same."""

    path: str
    gap: str
    x: float
    y: float
    is_worse: bool
    label: str


def spark(points: Sequence[Point], now: datetime, overdue: After, zone: str) -> Spark:
    """Readiness over at most 30 days.

    Args:
        points: oldest first; the line begins with the first that is younger than 30 days.
        now: where the line ends.
        overdue: beyond it a reading is no longer drawn on.
        zone: of the days named in the label.
    """
    young = [each for each in points if each.at >= now - SPAN]
    good = [each for each in young if each.is_read and each.readiness is not None]
    if not good:
        return Spark("", "", 0, 0, False, "Readiness: not known")
    start = good[0].at
    seconds = max(1.0, (now - start).total_seconds())
    low = min([0.95, *(each.readiness or 0.0 for each in good)])
    line: list[str] = []
    gaps: list[str] = []
    x, y, is_broken, until = 1, 3.0, True, start
    for each in young:
        if each.at < start:
            continue
        if each.readiness is None or not each.is_read:
            is_broken = True
            continue
        was_x, was_y = x, y
        x = round(1 + (each.at - start).total_seconds() / seconds * (WIDTH - 4))
        y = round(3 + (1 - each.readiness) / max(1e-6, 1 - low) * 14, 1)
        if not line:
            line.append(f"M{x} {y}")
        elif is_broken or each.at >= until:
            gaps.append(f"M{was_x} {was_y}H{x}")
            line.append(f"H{was_x}M{x} {y}")
        elif y != was_y:
            line.append(f"H{x}V{y}")
        is_broken, until = False, overdue(each.at)
    line.append(f"H{x}")
    is_old = is_broken or now >= until
    if is_old:
        gaps.append(f"M{x} {y}H{WIDTH - 3}")
    return Spark("".join(line), "".join(gaps), x, y, good[-1].readiness != good[0].readiness and y > 3,
                 _spark_label(good, now, is_old=is_old, zone=zone))  # fmt: skip


def _spark_label(good: Sequence[Point], now: datetime, *, is_old: bool, zone: str) -> str:
    span = "30 days" if now - good[0].at > SPAN - timedelta(days=1) else age(now - good[0].at)
    last = good[-1]
    since = next((each for each in reversed(good) if each.readiness != last.readiness), None)
    told = f"{figure(since.readiness)} until {day(since.at, zone)}, now" if since else "all the time"
    end = f"; not read since {day(last.at, zone)}" if is_old else ""
    return f"Readiness, {span}: {told} {figure(last.readiness)}{end}"


@dataclass(frozen=True, slots=True)
class Column:
    """One day of the chart of 30 days, and of the table behind it."""

    day: date
    x: float
    readings: int
    readiness: float | None
    open: Mapping[str, int]  #: findings, by severity
    is_gap: bool
    is_whole: bool
    y: float = 0.0
    bars: tuple[tuple[str, float, float], ...] = ()  #: severity, top and height of each, the worst lowest
    happened: str = ""

    @property
    def total(self) -> int:
        """All that is open."""
        return sum(self.open.values())

    @property
    def state(self) -> str:
        """Its readings, in a word: read, part, gap; "" before the target was watched or where none was due."""
        if self.readings:
            return "read" if self.is_whole else "part"
        return "gap" if self.is_gap else ""


@dataclass(frozen=True, slots=True)
class Lanes:
    """Thirty days of one target: readiness, open findings, readings, approvals."""

    columns: tuple[Column, ...]
    path: str
    most_open: int
    label: str
    ticks: tuple[tuple[float, str], ...]
    events: tuple[tuple[float, str], ...]  #: the text is "" where another one stands too near

    @property
    def last(self) -> Column:
        """The last day with a reading."""
        return next(each for each in reversed(self.columns) if each.readings)


def lanes(
    points: Sequence[Point], approvals: Sequence[tuple[datetime, str]], now: datetime, due: After, zone: ZoneInfo
) -> Lanes | None:
    """The chart of 30 days; None before the second day of readings, as one day makes no line.

    Args:
        points: oldest first.
        approvals: moments and names of baselines, oldest first.
        now: its day is the last column.
        due: a day without a reading that ends after it is a gap.
        zone: whose days they are.
    """
    today = now.astimezone(zone).date()
    step = (RIGHT - LEFT) / DAYS
    columns: list[Column] = []
    until: datetime | None = None
    for place in range(DAYS):
        this = today - timedelta(days=DAYS - 1 - place)
        mine = [each for each in points if each.at.astimezone(zone).date() == this]
        good = [each for each in mine if each.is_read]
        if good:
            until = due(good[-1].at)
        end = min(now, datetime(this.year, this.month, this.day, tzinfo=zone) + timedelta(days=1))
        columns.append(
            Column(
                this, round(LEFT + place * step, 1), len(good), good[-1].readiness if good else None,
                good[-1].open if good else {},
                is_gap=not good and (bool(mine) or (until is not None and end > until)),
                is_whole=bool(good) and all(each.is_whole for each in mine),
                happened=", ".join(name for at, name in approvals if at.astimezone(zone).date() == this),
            )
        )  # fmt: skip
    if sum(1 for each in columns if each.readings) < 2:
        return None
    low = min([0.95, *(each.readiness for each in columns if each.readiness is not None)])
    most = max(each.total for each in columns)
    columns = [_placed(each, low, most) for each in columns]
    return Lanes(
        tuple(columns), _line(columns, step), most, _label(columns), _ticks(columns), _events(columns)
    )  # fmt: skip


def _placed(column: Column, low: float, most: int) -> Column:
    y = 12 + (1 - column.readiness) / max(1e-6, 1 - low) * 20 if column.readiness is not None else 0.0
    bars, floor = [], 73.0
    for each in Severity:
        if count := column.open.get(each.value):
            tall = count * 22 / max(most, 5)
            floor -= tall
            bars.append((each.value, round(floor, 1), round(max(0.6, tall - 1), 1)))
    return replace(column, y=round(y, 1), bars=tuple(bars))


def _line(columns: Sequence[Column], step: float) -> str:
    parts: list[str] = []
    pen_down = False
    for each in columns:
        if each.readiness is not None:
            begin = f"V{each.y}" if pen_down else f"M{each.x} {each.y}"
            parts.append(f"{begin}H{each.x + step:.1f}")
        pen_down = each.readiness is not None or (pen_down and not each.is_gap)
    return "".join(parts)


def _label(columns: Sequence[Column]) -> str:
    good = [each for each in columns if each.readings]
    gaps = sum(1 for each in columns if each.is_gap)
    known = [each.readiness for each in good if each.readiness is not None]
    ready = f"readiness between {figure(min(known))} and {figure(max(known))}, " if known else ""
    last = good[-1].total
    told = {0: "none without a reading", 1: "one without a reading"}.get(gaps, f"{gaps} without a reading")
    return f"{len(good)} days with readings, {told}: {ready}{last} open findings at the last."


def _ticks(columns: Sequence[Column]) -> tuple[tuple[float, str], ...]:
    return tuple((each.x, f"{each.day.day} {each.day:%b}") for each in columns[::7])


def _events(columns: Sequence[Column]) -> tuple[tuple[float, str], ...]:
    found: list[tuple[float, str]] = []
    free_until = RIGHT + LABEL_ROOM
    for each in reversed(columns):
        if each.happened:
            room = each.x + LABEL_ROOM <= free_until
            found.append((each.x + 7, each.happened if room else ""))
            free_until = each.x if room else free_until
    return tuple(reversed(found))
