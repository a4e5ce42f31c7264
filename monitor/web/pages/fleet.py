"""The fleet: which targets need someone, which could not be read, which are quiet (S1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from alerts.plan import by_kind
from baselines.approval import Baseline
from baselines.catalogue import Catalogue
from baselines.coverage import LIST_GAPS
from baselines.severity import Severity
from monitor.deps import Deps
from monitor.schedule import next_slot
from monitor.store.seen import Tenants
from monitor.store.sweeps import Run
from monitor.store.unit import Unit
from monitor.target import Target
from monitor.web.charts import SPAN, Point, Spark, spark
from monitor.web.frame import Web, seen_by
from monitor.web.words import age, moment
from rules.findings import Kind
from rules.lifecycle import Known
from rules.pack import CONFIGURATION

SHOWN: Final = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)
FOLDED: Final = 20  #: from so many on, quiet targets are folded
MOST_RUNS: Final = 400  #: of one target, behind its charts
GOOD: Final = ("complete", "partial")
ENDED: Final = (*GOOD, "failed", "poisoned")


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of a target's data: from when it is, and what went wrong since."""

    at: datetime | None  #: of the newest good reading
    age: timedelta | None
    report: Mapping[str, Any]  #: its figures; {} before the first
    is_stale: bool  #: two slots were missed
    is_failed: bool  #: the newest sweep read nothing
    failed_at: datetime | None
    missed: int  #: sweeps that read nothing since the newest good one
    fault: str  #: the reason word of what was not read; "" where all was
    cure: str
    unread: tuple[str, ...]  #: titles of the lists not read
    told: str  #: what is known of a source that could not be read at all; "" otherwise

    @property
    def is_whole(self) -> bool:
        """Every list was read, within the interval."""
        return not (self.is_stale or self.is_failed or self.fault)

    @property
    def lists(self) -> str:
        """``87 of 87 lists``."""
        return f"{self.report['lists_read']} of {self.report['lists_total']} lists" if self.report else "never read"

    @property
    def unread_words(self) -> str:
        """``Integration, Bill cycle, Rate and 4 more``."""
        more = f" and {len(self.unread) - 3} more" if len(self.unread) > 3 else ""
        return ", ".join(self.unread[:3]) + more if self.unread else "see the findings"


@dataclass(frozen=True, slots=True)
class Row:
    """One target in the fleet; every figure comes from the query behind its list."""

    target: Target
    reading: Reading
    worst: Known | None  #: of drift and rules, else of what was not read
    counts: Mapping[str, int]  #: open findings by severity
    drift: int
    proposals: tuple[int, ...]
    baseline: int  #: 0: none
    approved_at: datetime | None
    stays_open: int  #: findings of drift and rules
    line: Spark | None = None  #: only where a page draws it

    @property
    def readiness(self) -> float | None:
        """Of the newest good reading."""
        return self.reading.report.get("readiness")

    @property
    def undecided(self) -> int:
        """Rules that could not be decided there."""
        return int(self.reading.report.get("rules", {}).get("undecided", 0))

    @property
    def open(self) -> int:
        """All that is open, of every severity."""
        return sum(self.counts.values())

    @property
    def needs_someone(self) -> bool:
        """True if something above low is open."""
        return self.worst is not None and self.worst.finding.severity.at_least(Severity.MEDIUM)

    @property
    def is_unread(self) -> bool:
        """True if its data is old, or if what was not read is all that is wrong."""
        reading = self.reading
        return reading.is_stale or reading.is_failed or (bool(reading.fault) and not self.stays_open)

    @property
    def trouble(self) -> str:
        """One sentence on why it was not read."""
        reading, zone = self.reading, self.target.definition.time_zone
        last = f"Last good reading {moment(reading.at, zone)}." if reading.at is not None else "Never read before."
        if reading.is_failed:
            return f"{reading.told} {last}"
        if reading.at is None:
            return "Not read yet."
        if self.target.paused_at is not None and reading.is_stale:
            by, why = self.target.paused_by, self.target.paused_reason.rstrip(".")
            return f"Paused by {by}: {why}. Last good reading {age_of(reading)}."
        if reading.is_stale:
            return f"Stale: last good reading {age_of(reading)}."
        return f"{reading.lists} were read. Not read: {reading.unread_words}."


def age_of(reading: Reading) -> str:
    """``1 h 28 min ago``."""
    return f"{age(reading.age)} ago" if reading.age is not None else "never"


@dataclass(frozen=True, slots=True)
class FleetView:
    """Everything the page shows."""

    now: datetime
    zone: str
    needs: tuple[Row, ...]
    unread: tuple[Row, ...]
    quiet: tuple[Row, ...]
    paused_by: str
    severities: tuple[Severity, ...] = SHOWN
    folded: int = FOLDED

    @property
    def total(self) -> int:
        """How many targets are watched."""
        return len(self.needs) + len(self.unread) + len(self.quiet)

    @property
    def whole(self) -> int:
        """How many were read in full within their interval."""
        return sum(1 for row in (*self.needs, *self.unread, *self.quiet) if row.reading.is_whole)

    @property
    def sentence(self) -> str:
        """The one sentence on top."""
        wanted = len(self.needs) + len(self.unread)
        if not self.total:
            return "No target yet."
        if wanted:
            verb = "targets need" if self.total != 1 and wanted != 1 else "target needs"
            return f"{wanted} of {self.total} {verb} someone."
        noun = "targets" if self.total != 1 else "target"
        return f"Nothing needs you. {self.total} {noun} read within their interval."

    @property
    def unread_words(self) -> str:
        """``1 not read, 1 read in part``; "" where all were read."""
        rows = (*self.needs, *self.unread, *self.quiet)
        lost = sum(1 for row in rows if row.reading.is_stale or row.reading.is_failed)
        partly = sum(1 for row in rows if not row.reading.is_whole) - lost
        told = ((lost, "not read"), (partly, "read in part"))
        return ", ".join(f"{count} {words}" for count, words in told if count)

    @property
    def health(self) -> str:
        """For the frame: how many are watched, how many not read."""
        told = f"{self.total} targets" if self.total != 1 else "1 target"
        lost = self.total - self.whole
        return f"{told} · {lost} not read" if lost else told


def routes(web: Web) -> APIRouter:
    """The page under its address."""
    router = APIRouter()

    @router.get("/")
    def fleet(request: Request) -> HTMLResponse:
        return web.page(request, "fleet.html", view=fleet_view(web.deps, seen_by(request)))

    return router


def fleet_view(deps: Deps, seen: Tenants = None) -> FleetView:
    """The fleet as of now."""
    now = deps.clock.now()
    with deps.store.read(seen) as unit:
        open_findings: dict[str, list[Known]] = {}
        for name, known in unit.findings.open():
            open_findings.setdefault(name, []).append(known)
        targets, newest, proposals = unit.targets.all(), unit.sweeps.newest(ENDED), unit.baselines.open_numbers()
        baselines = unit.baselines.current_of(targets)
        rows = [
            row_of(
                target, open_findings.get(target.name, []), now, deps.catalogue_of(target),
                runs_since_good(unit, target, newest.get(target.id)), baselines.get(target.id),
                proposals.get(target.id, ()),
            )
            for target in targets
        ]  # fmt: skip
        view = sorted_fleet(rows, now, unit.targets.paused_all())
        # Quiet rows show no line, so the history of most targets is never read.
        return replace(
            view,
            needs=tuple(_with_line(unit, row, now) for row in view.needs),
            unread=tuple(_with_line(unit, row, now) for row in view.unread),
        )


def _with_line(unit: Unit, row: Row, now: datetime) -> Row:
    target = row.target
    points = points_of(runs_of(unit, target, now))
    return replace(row, line=spark(points, now, lambda at: overdue(target, at), target.definition.time_zone))


def sorted_fleet(rows: Sequence[Row], now: datetime, paused_by: str = "") -> FleetView:
    """Each target in the one section it belongs to, worst first; quiet ones by name."""
    worst_first = sorted(rows, key=_badness)
    unread = tuple(row for row in worst_first if row.is_unread)
    needs = tuple(row for row in worst_first if not row.is_unread and row.needs_someone)
    quiet = tuple(row for row in rows if not row.is_unread and not row.needs_someone)
    zones = {row.target.definition.time_zone for row in rows}
    return FleetView(now, zones.pop() if len(zones) == 1 else "UTC", needs, unread, quiet, paused_by)


def _badness(row: Row) -> tuple[int, int, str]:
    rank = row.worst.finding.severity.rank if row.worst is not None else 9
    return rank, -row.open, row.target.name


def overdue(target: Target, read_at: datetime) -> datetime:
    """From when on a reading of this moment is old: the second slot after it has come (U1)."""
    schedule, zone = target.definition.schedule, target.zone
    return next_slot(schedule, zone, next_slot(schedule, zone, read_at))


def row_of(
    target: Target, found: Sequence[Known], now: datetime, catalogue: Catalogue, runs: Sequence[Run],
    baseline: Baseline | None, proposals: Sequence[int],
) -> Row:  # fmt: skip
    """One target with what is open there."""
    judged = [known for known in found if known.finding.kind is not Kind.COVERAGE]
    reading = reading_of(target, runs, found, now, catalogue)
    return Row(
        target=target,
        reading=reading,
        worst=next((first for first, _ in by_kind(judged or found)), None),
        counts={each.value: sum(1 for known in found if known.finding.severity is each) for each in Severity},
        drift=sum(1 for known in found if known.finding.kind is Kind.DRIFT),
        proposals=tuple(proposals),
        baseline=baseline.version if baseline is not None else 0,
        approved_at=baseline.approved_at if baseline is not None else None,
        stays_open=len(judged),
    )


def runs_since_good(unit: Unit, target: Target, newest: Run | None) -> Sequence[Run]:
    """Sweeps that ended, newest first, back to the newest good one, which is nearly always the newest."""
    if newest is None or newest.state in GOOD:
        return [newest] if newest is not None else []
    runs = unit.sweeps.last(target, most=MOST_RUNS, states=ENDED)
    return runs if any(run.state in GOOD for run in runs) else [*runs, *unit.sweeps.last(target, states=GOOD)]


def runs_of(unit: Unit, target: Target, now: datetime) -> list[Run]:
    """Sweeps of 30 days that ended, newest first: what charts show."""
    ended = unit.sweeps.last(target, most=MOST_RUNS, states=ENDED)
    return [run for run in ended if now - SPAN < run.claimed_at <= now]


def points_of(runs: Sequence[Run]) -> list[Point]:
    """Sweeps as charts see them, oldest first."""
    return [
        Point(
            run.claimed_at, run.state in GOOD, run.state == "complete", run.report.get("readiness"),
            run.report.get("findings", 0), run.report.get("drift", 0),
        )
        for run in reversed(runs)
    ]  # fmt: skip


def reading_of(
    target: Target, runs: Sequence[Run], found: Sequence[Known], now: datetime, catalogue: Catalogue
) -> Reading:
    """From when the data is, and what was not read since.

    Args:
        target: whose schedule says what is old.
        runs: its sweeps that ended, newest first.
        found: what is open, for the lists not read.
        now: in UTC.
        catalogue: for the titles of lists.
    """
    good = next((run for run in runs if run.state in GOOD), None)
    newest = runs[0] if runs else None
    at = datetime.fromisoformat(good.report["taken_at"]) if good is not None else None
    missed = sum(1 for run in runs if good is None or run.id > good.id)
    is_failed = newest is not None and newest.state not in GOOD
    fault = (newest.fault or newest.state) if newest is not None and newest.state != "complete" else ""
    lost = [known for known in found if known.finding.kind is Kind.COVERAGE]
    gone = {known.finding.resource_type for known in lost if known.finding.rule in LIST_GAPS and not known.finding.path}
    whole = [known.finding.message for known in lost if known.finding.resource_type == CONFIGURATION]
    told = (whole or [f"The sweep failed: {fault.replace('_', ' ')}."])[0] if is_failed else ""
    return Reading(
        at=at, age=now - at if at is not None else None, report=good.report if good is not None else {},
        is_stale=at is None or now >= overdue(target, at), is_failed=is_failed,
        failed_at=newest.claimed_at if newest is not None and is_failed else None, missed=missed,
        fault=fault, told=told, cure=newest.cure if newest is not None else "",
        unread=tuple(catalogue.types[name].title for name in catalogue.types if name in gone),
    )  # fmt: skip
