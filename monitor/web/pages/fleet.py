"""The fleet: which targets need someone, which could not be read, which are quiet (S1)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from baselines.approval import Baseline
from baselines.catalogue import Catalogue
from baselines.coverage import LIST_GAPS
from baselines.severity import Severity
from monitor.access import EVERYWHERE, Actor
from monitor.deps import Deps
from monitor.fleet import FleetEvent, fleet_events
from monitor.store.sweeps import Run
from monitor.store.unit import Unit
from monitor.target import Target
from monitor.web.charts import SPAN, Point, Spark, spark
from monitor.web.frame import GOOD, VISITOR, Frame, Web, actor_of, address, frame_of, overdue
from monitor.web.words import age, moment
from rules.findings import Kind
from rules.lifecycle import Known
from rules.pack import CONFIGURATION

_WORDS: Final = tuple(each.value for each in Severity)
SHOWN: Final = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)
MOST: Final = 50  #: targets of one page
MOST_EVENTS: Final = 5  #: fleet events looked at
FOLDED: Final = 20  #: from so many on, quiet targets are folded
MOST_RUNS: Final = 400  #: of one target, behind its charts
DAY: Final = timedelta(days=1, hours=1)  #: lines have one point a day, and days may have 25 hours
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
    counts: Mapping[str, int]  #: open findings by severity
    drift: int
    proposals: tuple[int, ...]
    baseline: int  #: 0: none
    approved_at: datetime | None
    stays_open: int  #: findings of drift and rules
    worst: Known | None = None  #: of drift and rules, else of what was not read; only where a page shows it
    line: Spark | None = None  #: only where a page draws it
    progress: str | None = None  #: how far the sweep that runs has come; None: none runs

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
        return any(self.counts[each] for each in ("critical", "high", "medium"))

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
class Asked:
    """What of the fleet is asked for; all of it stands in the address (U11)."""

    mine: bool = False
    q: str = ""
    stage: tuple[str, ...] = ()
    sort: str = "worst"
    cursor: str = ""  #: the last target of the page before

    def at(self, **changed: Any) -> str:
        """The address of this page with something else asked; from its beginning."""
        now = replace(self, **{"cursor": "", **changed})
        sort = "" if now.sort == "worst" else now.sort
        asked = {"mine": "1" * now.mine, "q": now.q, "stage": now.stage, "sort": sort, "cursor": now.cursor}
        return address("/", asked)

    def wants(self, row: "Row", actor: Actor) -> bool:
        """True if a target is one of those asked for."""
        target = row.target
        is_named = self.q.casefold() in f"{target.name} {target.title}".casefold()
        is_mine = not self.mine or target.tenant in actor.rights
        return is_named and is_mine and (not self.stage or target.definition.stage in self.stage)


@dataclass(frozen=True, slots=True)
class FleetView:
    """Everything the page shows: the targets of one page in their sections, and how many there are of each."""

    now: datetime
    zone: str
    rows: tuple[Row, ...]  #: of this page
    all: tuple[Row, ...]  #: that who asks may see, as cheap as they come
    wanted: tuple[Row, ...]  #: of these: what is asked for, in order
    frame: Frame
    asked: Asked
    actor: Actor
    events: tuple[FleetEvent, ...] = ()  #: of which something that may be seen is not resolved, newest first
    severities: tuple[Severity, ...] = SHOWN
    folded: int = FOLDED

    @property
    def needs(self) -> tuple[Row, ...]:
        """On this page: something above low is open there."""
        return tuple(row for row in self.rows if _section(row) == 0)

    @property
    def unread(self) -> tuple[Row, ...]:
        """On this page: nothing, or not all, could be read."""
        return tuple(row for row in self.rows if _section(row) == 1)

    @property
    def quiet(self) -> tuple[Row, ...]:
        """On this page: nobody is needed."""
        return tuple(row for row in self.rows if _section(row) == 2)

    def count(self, section: int) -> int:
        """How many of those asked for stand in a section, on all pages."""
        return sum(1 for row in self.wanted if _section(row) == section)

    @property
    def stages(self) -> Sequence[tuple[str, int]]:
        """Each stage with its targets: what a choice would show, the other filters as they are (S3)."""
        others = [row for row in self.all if replace(self.asked, stage=()).wants(row, self.actor)]
        return [(stage, sum(1 for row in others if row.target.definition.stage == stage))
                for stage in ("live", "onboarding")]  # fmt: skip

    @property
    def mine(self) -> int | None:
        """How many are the reader's own; None where that is no question: all are, or none is."""
        own = sum(1 for row in self.all if replace(self.asked, mine=True).wants(row, self.actor))
        return own if EVERYWHERE in self.actor.rights and len(self.actor.rights) > 1 else None

    @property
    def following(self) -> str:
        """Where the next page is; "" at the end."""
        is_end = not self.rows or self.rows[-1].target.id == self.wanted[-1].target.id
        return "" if is_end else self.asked.at(cursor=self.rows[-1].target.name)

    @property
    def total(self) -> int:
        """How many targets are watched."""
        return len(self.all)

    @property
    def whole(self) -> int:
        """How many were read in full within their interval."""
        return sum(1 for row in self.all if row.reading.is_whole)

    @property
    def sentence(self) -> str:
        """The one sentence on top."""
        wanted = sum(1 for row in self.all if _section(row) < 2)
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
        lost = sum(1 for row in self.all if row.reading.is_stale or row.reading.is_failed)
        partly = self.total - self.whole - lost
        told = ((lost, "not read"), (partly, "read in part"))
        return ", ".join(f"{count} {words}" for count, words in told if count)


def routes(web: Web) -> APIRouter:
    """The page under its address."""
    router = APIRouter()

    @router.get("/")
    def fleet(
        request: Request, mine: str = "", q: Annotated[str, Query(max_length=80)] = "", stage: str = "",
        sort: str = "worst", cursor: Annotated[str, Query(max_length=100)] = "",
    ) -> HTMLResponse:  # fmt: skip
        stages = tuple(each for each in ("live", "onboarding") if each in split(request, "stage") or each == stage)
        asked = Asked(mine == "1", q.strip(), stages, sort if sort in _ORDERS else "worst", cursor)
        view = fleet_view(web.deps, actor_of(request), asked)
        return web.page(request, "fleet.html", view=view, frame=view.frame)

    return router


def split(request: Request, name: str) -> list[str]:
    """The values of a filter, given once for each or joined with commas."""
    return [each for given in request.query_params.getlist(name) for each in given.split(",") if each]


def fleet_view(deps: Deps, actor: Actor = VISITOR, asked: Asked | None = None) -> FleetView:
    """One page of the fleet as of now; findings and histories are read of its own targets only."""
    now, asked = deps.clock.now(), asked or Asked()
    with deps.store.read(actor.tenants()) as unit:
        targets, newest = unit.targets.all(), unit.sweeps.newest(ENDED, in_brief=True)
        lost = [target for target, run in newest.items() if run.state not in GOOD]
        good = unit.sweeps.newest(GOOD, lost, in_brief=True) if lost else {}
        tallies, baselines = unit.findings.tallies(), unit.baselines.current_of(targets)
        proposals = unit.baselines.open_numbers()
        rows = []
        for target in targets:
            runs = [each for each in (newest.get(target.id), good.get(target.id)) if each is not None]
            rows.append(
                row_of(
                    target, tallies.get(target.id, {}), reading_of(target, runs, (), now, deps.catalogue_of(target)),
                    baselines.get(target.id), proposals.get(target.id, ()),
                )
            )  # fmt: skip
        wanted = tuple(sorted((row for row in rows if asked.wants(row, actor)), key=_ORDERS[asked.sort]))
        names = [row.target.name for row in wanted]
        begin = names.index(asked.cursor) + 1 if asked.cursor in names else 0
        shown = _filled(unit, wanted[begin : begin + MOST], now, deps)
        zones = {row.target.definition.time_zone for row in rows}
        zone = zones.pop() if len(zones) == 1 else "UTC"
        counted = len(rows), sum(1 for row in rows if row.reading.is_stale)
        frame = frame_of(unit, now, sees_all=actor.tenants() is None, counted=counted)
        events = tuple(each for each in fleet_events(unit, deps, most=MOST_EVENTS) if each.open)
        return FleetView(now, zone, tuple(shown), tuple(rows), wanted, frame, asked, actor, events)


def _filled(unit: Unit, rows: Sequence[Row], now: datetime, deps: Deps) -> Sequence[Row]:
    """The rows of one page with what a row shows: its figures, its worst finding, why it was not read, its line."""
    ids = [row.target.id for row in rows if _section(row) < 2]
    newest = unit.sweeps.newest(ENDED, [row.target.id for row in rows])
    worst, unread = unit.findings.worst_of(ids), unit.findings.unread_of(ids)
    lately, progress = unit.sweeps.lately(ids, ENDED, now - SPAN), unit.sweeps.progress()
    filled = []
    for row in rows:
        target = row.target
        runs = runs_since_good(unit, target, newest.get(target.id))
        reading = reading_of(target, runs, unread.get(target.id, ()), now, deps.catalogue_of(target))
        line = line_of(target, lately.get(target.id, ()), now) if target.id in ids else None
        filled.append(
            replace(row, reading=reading, worst=worst.get(target.id), line=line, progress=progress.get(target.id))
        )
    return filled


def line_of(target: Target, runs: Sequence[Run], now: datetime) -> Spark:
    """Readiness over 30 days."""
    points = [Point(run.claimed_at, run.state in GOOD, run.state == "complete", run.report.get("readiness"))
              for run in reversed(runs)]  # fmt: skip
    return spark(points, now, lambda at: max(overdue(target, at), at + DAY), target.definition.time_zone)


def _section(row: Row) -> int:
    """0: needs someone; 1: not read; 2: quiet."""
    return 1 if row.is_unread else 0 if row.needs_someone else 2


def _by_worst(row: Row) -> tuple[Any, ...]:
    rank = next((rank for rank, word in enumerate(_WORDS) if row.counts[word]), 9)
    section = _section(row)
    return (section, *((rank, -row.open) if section < 2 else ()), row.target.name)


#: How the fleet may be sorted; each keeps the sections.
_ORDERS: Final[Mapping[str, Callable[[Row], tuple[Any, ...]]]] = {
    "worst": _by_worst,
    "name": lambda row: (_section(row), row.target.name),
    "readiness": lambda row: (_section(row), row.readiness if row.readiness is not None else -1, row.target.name),
    "stale": lambda row: (not row.reading.is_stale, _section(row), -(row.reading.age or SPAN), row.target.name),
}


def row_of(
    target: Target, tally: Mapping[str, int], reading: Reading, baseline: Baseline | None,
    proposals: Sequence[int],
) -> Row:  # fmt: skip
    """One target with how much is open there.

    Args:
        tally: how many are open of each severity and of each kind.
    """
    return Row(
        target=target, reading=reading, counts={word: tally.get(word, 0) for word in _WORDS},
        drift=tally.get("drift", 0), proposals=tuple(proposals),
        baseline=baseline.version if baseline is not None else 0,
        approved_at=baseline.approved_at if baseline is not None else None,
        stays_open=tally.get("drift", 0) + tally.get("rule", 0),
    )  # fmt: skip


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
            run.report.get("open", {}),
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
