"""The fleet: which targets need someone, which could not be read, which are quiet (S1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from baselines.severity import Severity
from monitor.deps import Deps
from monitor.schedule import BadSchedule, interval_of
from monitor.store.sweeps import Run
from monitor.store.unit import Unit
from monitor.target import Target
from monitor.web.charts import Spark, spark
from rules.findings import Kind
from rules.lifecycle import Known

SHOWN = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)


@dataclass(frozen=True, slots=True)
class Row:
    """One target in the fleet."""

    target: Target
    worst: Known | None
    counts: dict[str, int]
    drift: int
    proposals: tuple[int, ...]
    baseline: int
    readiness: float | None
    undecided: int
    line: Spark
    read_at: datetime | None
    age: timedelta | None
    lists: str
    is_stale: bool
    fault: str  #: the reason word where the last sweep read nothing or not all
    cure: str
    stays_open: int

    @property
    def needs_someone(self) -> bool:
        """True if something above low is open that nobody snoozed or waived."""
        return self.worst is not None and self.worst.finding.severity.at_least(Severity.MEDIUM)


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

    @property
    def total(self) -> int:
        """How many targets are watched."""
        return len(self.needs) + len(self.unread) + len(self.quiet)

    @property
    def sentence(self) -> str:
        """The one sentence on top."""
        wanted = len(self.needs) + len(self.unread)
        if not self.total:
            return "No target yet."
        if wanted:
            verb = "targets need" if wanted != 1 else "target needs"
            return f"{wanted} of {self.total} {verb} someone."
        noun = "targets" if self.total != 1 else "target"
        return f"Nothing needs you. {self.total} {noun} read within their interval."

    @property
    def health(self) -> str:
        """For the frame: how many are watched, how many not read."""
        told = f"{self.total} targets" if self.total != 1 else "1 target"
        return f"{told} · {len(self.unread)} not read" if self.unread else told


def fleet_view(deps: Deps) -> FleetView:
    """The fleet as of now; every figure comes from the query behind its list."""
    now = deps.clock.now()
    with deps.store.read() as unit:
        open_findings: dict[str, list[Known]] = {}
        for name, known in unit.findings.open():
            open_findings.setdefault(name, []).append(known)
        rows = [row_of(unit, target, open_findings.get(target.name, []), now) for target in unit.targets.all()]
        paused = unit.targets.paused_all()
    worst_first = sorted(rows, key=_badness)
    unread = tuple(row for row in worst_first if row.fault or row.is_stale)
    needs = tuple(row for row in worst_first if row not in unread and row.needs_someone)
    quiet = tuple(sorted((row for row in rows if row not in unread and row not in needs), key=_name))
    zone = rows[0].target.definition.time_zone if rows else "UTC"
    return FleetView(now, zone, needs, unread, quiet, paused)


def _name(row: Row) -> str:
    return row.target.name


def _badness(row: Row) -> tuple[int, int, str]:
    rank = row.worst.finding.severity.rank if row.worst is not None else 9
    return rank, -sum(row.counts.values()), row.target.name


def interval(target: Target) -> timedelta:
    """The time between two readings, for telling what is stale."""
    try:
        return interval_of(target.definition.schedule) or timedelta(days=1)
    except BadSchedule:
        return timedelta(days=1)


def row_of(unit: Unit, target: Target, found: list[Known], now: datetime) -> Row:
    """One target with what is open there."""
    good = unit.sweeps.last(target, states=("complete", "partial"))
    latest = unit.sweeps.last(target, states=("complete", "partial", "failed", "poisoned"))
    report = good[0].report if good else {}
    read_at = datetime.fromisoformat(report["taken_at"]) if report else None
    history = unit.sweeps.last(target, most=120, states=("complete", "partial", "failed"))
    baseline = unit.baselines.current(target)
    judged = [known for known in found if known.finding.kind is not Kind.COVERAGE]
    fault, cure = _fault(latest)
    return Row(
        target=target,
        worst=min(judged or found, key=lambda known: (known.finding.severity.rank, known.opened_at), default=None),
        counts={each.value: sum(1 for known in found if known.finding.severity is each) for each in SHOWN},
        drift=sum(1 for known in found if known.finding.kind is Kind.DRIFT),
        proposals=tuple(each.id for each in unit.baselines.open_proposals(target)),
        baseline=baseline.version if baseline is not None else 0,
        readiness=report.get("readiness"),
        undecided=report.get("rules", {}).get("undecided", 0),
        line=spark([run.report.get("readiness") for run in reversed(history)]),
        read_at=read_at,
        age=now - read_at if read_at is not None else None,
        lists=f"{report['lists_read']} of {report['lists_total']} lists" if report else "never read",
        is_stale=read_at is None or now - read_at > 2 * interval(target),
        fault=fault,
        cure=cure,
        stays_open=len(judged),
    )


def _fault(latest: Sequence[Run]) -> tuple[str, str]:
    if latest and latest[0].state != "complete":
        return latest[0].fault or latest[0].state, latest[0].cure
    return "", ""
