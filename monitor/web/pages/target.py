"""One target: what is open, by module, thirty days, baseline, readings, what was said (S2)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from alerts.plan import by_kind
from baselines.approval import Baseline, Proposal
from baselines.catalogue import Catalogue
from baselines.severity import Severity
from monitor.deps import Deps
from monitor.schedule import next_slot
from monitor.store.findings_list import FindingQuery
from monitor.store.seen import Tenants
from monitor.store.unit import Unit
from monitor.target import Target
from monitor.web.charts import Lanes, lanes
from monitor.web.frame import Web, seen_by
from monitor.web.pages.fleet import ENDED, Reading, Row, points_of, reading_of, row_of, runs_of, runs_since_good
from monitor.web.words import clock, day
from rules.evaluate import Verdict
from rules.findings import Kind
from rules.lifecycle import Known, state_words
from rules.pack import Packs
from rules.precision import Opinion, latest
from rules.waivers import as_of

MOST: Final = 12  #: kinds of finding on the page
MOST_UNDECIDED: Final = 8
MOST_SAID: Final = 5
MOST_READ: Final = 200  #: findings read for the overview; the rest stands in the list


@dataclass(frozen=True, slots=True)
class ModuleLine:
    """Required rules of one module, and what is open there."""

    name: str
    title: str
    passed: int
    failed: int
    undecided: int
    drift: int
    open: int
    unread: int = 0  #: lists not read

    @property
    def judged(self) -> int:
        """Required rules that apply."""
        return self.passed + self.failed + self.undecided

    @property
    def is_calm(self) -> bool:
        """Nothing to see here."""
        return not (self.failed or self.undecided or self.drift or self.open or self.unread)

    def share(self, count: int) -> str:
        """Part of the bar, in percent."""
        return f"{100 * count / self.judged:.2f}" if self.judged else "0"


@dataclass(frozen=True, slots=True)
class Undecided:
    """A rule that could not be decided, and why."""

    rule: str
    title: str
    why: str


@dataclass(frozen=True, slots=True)
class Said:
    """One message about the target, as it stands now."""

    sentence: str
    channel: str
    at: datetime | None  #: of the newest revision that was sent
    edits: int
    state: str
    error: str


@dataclass(frozen=True, slots=True)
class Head:
    """What stands above every page of a target."""

    row: Row
    now: datetime
    baseline: Baseline | None
    progress: str | None  #: how far the sweep that runs has come; None: none runs

    @property
    def target(self) -> Target:
        """As registered."""
        return self.row.target

    @property
    def reading(self) -> Reading:
        """From when the data is."""
        return self.row.reading

    @property
    def zone(self) -> str:
        """Of every time on the page."""
        return self.target.definition.time_zone

    @property
    def title(self) -> str:
        """The utility's own name, else the target's."""
        return self.target.title or self.target.name

    @property
    def tabs(self) -> Sequence[tuple[str, str, int | None]]:
        """Name, address and count of each page of the target."""
        at = f"/targets/{self.target.name}"
        drift = self.row.drift if self.baseline is not None else None
        others = ((name, f"{at}/{name.lower()}", None) for name in ("Rules", "Baselines", "History", "Reading"))
        counted = (("Findings", f"{at}/findings", self.row.open), ("Drift", f"{at}/drift", drift))
        return [("Overview", at, None), *counted, *others]

    @property
    def objects(self) -> int:
        """How many objects were read."""
        return sum(self.reading.report.get("objects", {}).values())

    @property
    def as_of(self) -> str:
        """Beside every figure of old data: from when it is; "" where it is fresh."""
        at = self.reading.at
        return f"as of {clock(at, self.zone, self.now)}" if self.reading.is_stale and at is not None else ""

    @property
    def next_words(self) -> str:
        """When it is read next, or that it should have been; "" while it is paused or being read."""
        due = self.target.next_run_at
        if due is None or self.target.paused_at is not None or self.progress is not None:
            return ""
        return f"{'next' if due > self.now else 'was due'} {clock(due, self.zone, self.now)}"

    @property
    def failed_words(self) -> str:
        """What the newest sweep could not do; "" where it read everything."""
        reading = self.reading
        if reading.failed_at is not None:
            good = clock(reading.at, self.zone, self.now) if reading.at is not None else "none yet"
            when = clock(reading.failed_at, self.zone, self.now)
            return f"The sweep of {when} failed. {reading.told} Nothing was changed here. Last good reading: {good}."
        if reading.fault:
            count = self.row.undecided
            rules = f" {count} rule{'s' if count != 1 else ''} undecided." if count else ""
            why = f"{reading.unread_words} ({reading.fault.replace('_', ' ')})"
            return f"{reading.lists} were read. Not read: {why}.{rules}"
        return ""

    @property
    def empty_words(self) -> str:
        """What is said where nothing is open: what was looked at, or that nothing was."""
        at = self.reading.at
        if at is None:
            lacks = "no reading yet" if self.baseline else "no baseline and no reading yet"
            return f"Nothing was compared: {self.target.name} has {lacks}."
        against = f"compared with baseline {self.baseline.version}" if self.baseline else "compared with no baseline"
        rules = self.reading.report["rules_total"]
        when = clock(at, self.zone, self.now)
        looked_at = f"{rules} rules judged, {self.objects} objects {against}, at {when}."
        return f"No open findings on {self.target.name}. {looked_at}"

    def state(self, known: Known) -> str:
        """``open, announced (CHG-123, until 18:00)``: where it stands, and why nobody is alerted."""
        return state_words(known, lambda at: clock(at, self.zone, self.now), self.now)


@dataclass(frozen=True, slots=True)
class TargetView(Head):
    """Everything the overview shows."""

    findings: Sequence[Known]  #: the worst of what is open
    modules: Sequence[ModuleLine]
    chart: Lanes | None
    proposals: Sequence[tuple[Proposal, int]]  #: with how many changes are decided
    said: Sequence[Said]
    undecided: Sequence[Undecided]
    opinions: Mapping[int, Sequence[Opinion]]  #: by finding: each person's last word
    most: int = MOST
    most_undecided: int = MOST_UNDECIDED

    @property
    def groups(self) -> Sequence[tuple[Known, Sequence[Known]]]:
        """Open findings, those of the same rule folded under the first."""
        return by_kind(self.findings)

    @property
    def severities(self) -> Sequence[tuple[Severity, int]]:
        """How many are open of each severity that occurs."""
        return [(each, self.row.counts[each.value]) for each in Severity if self.row.counts[each.value]]

    @property
    def deadline(self) -> tuple[Known, date] | None:
        """What the next bill run would use of all that is wrong, the worst first; None where no run is known."""
        used = [each for each in self.findings if each.finding.money is not None and each.finding.money.next_run]

        def order(each: Known) -> tuple[str, int, bool]:
            run = each.finding.money.next_run if each.finding.money is not None else ""
            return run, each.finding.severity.rank, each.finding.kind is not Kind.DRIFT

        first = min(used, key=order, default=None)
        return (first, date.fromisoformat(order(first)[0])) if first is not None else None

    @property
    def passed(self) -> int:
        """Required rules that hold."""
        return sum(each.passed for each in self.modules)

    @property
    def decided(self) -> int:
        """Required rules that were decided."""
        return sum(each.passed + each.failed for each in self.modules)

    @property
    def required_undecided(self) -> int:
        """Required rules that could not be decided."""
        return sum(each.undecided for each in self.modules)

    @property
    def rules_words(self) -> str:
        """``279 passed · 4 failed · 1 undecided · 15 not applicable``: all rules, each in its own place (U3)."""
        counted = self.reading.report.get("rules", {})
        order = (Verdict.PASSED, Verdict.FAILED, Verdict.UNDECIDED, Verdict.NOT_APPLICABLE)
        return " · ".join(f"{counted.get(each, 0)} {each.replace('_', ' ')}" for each in order)


def routes(web: Web) -> APIRouter:
    """The page under its address."""
    router = APIRouter()

    @router.get("/targets/{tenant}/{environment}")
    def target(request: Request, tenant: str, environment: str) -> HTMLResponse:
        return web.page(request, "target.html", view=target_view(f"{tenant}/{environment}", web.deps, seen_by(request)))

    return router


def head_of(unit: Unit, name: str, deps: Deps) -> Head:
    """What stands above every page of a target, as of now.

    Raises:
        UnknownTarget: it is not watched.
    """
    now, target = deps.clock.now(), unit.targets.named(name)
    newest = next(iter(unit.sweeps.last(target, states=ENDED)), None)
    lost = unit.findings.unread_of([target.id]).get(target.id, ())
    runs = runs_since_good(unit, target, newest)
    baseline = unit.baselines.current(target)
    row = row_of(
        target, unit.findings.tallies(target).get(target.id, {}),
        reading_of(target, runs, lost, now, deps.catalogue_of(target)), baseline,
        [each.id for each in unit.baselines.open_proposals(target)],
    )  # fmt: skip
    return Head(row, now, baseline, unit.sweeps.progress().get(target.id))


def target_view(name: str, deps: Deps, seen: Tenants = None) -> TargetView:
    """One target as of now.

    Raises:
        UnknownTarget: it is not watched.
    """
    with deps.store.read(seen) as unit:
        head = head_of(unit, name, deps)
        target, now = head.target, head.now
        listed = unit.finding_list.listed(FindingQuery(target=name), MOST_READ)
        found = [known for _, known in as_of(listed, unit.waivers.in_force(now), now)]
        ids = [known.id for known in found]
        approvals = [
            (each.approved_at, f"{day(each.approved_at, head.zone)}: baseline {each.version}")
            for each in reversed(unit.baselines.history(target))
        ]
        return TargetView(
            row=head.row, now=now, baseline=head.baseline, progress=head.progress, findings=found,
            modules=modules_of(head.row, unit.findings.counts(target), deps.catalogue_of(target)),
            chart=lanes(points_of(runs_of(unit, target, now)), approvals, now, lambda at: next_reading(target, at),
                        target.zone),
            proposals=[(each, len(unit.baselines.decisions(each))) for each in unit.baselines.open_proposals(target)],
            said=said_of(unit, target), undecided=undecided_of(head.reading, deps.packs_of(target)),
            opinions=latest(unit.findings.opinions(target=target)) if ids else {},
        )  # fmt: skip


def next_reading(target: Target, at: datetime) -> datetime:
    """When the next reading after one of this moment is due."""
    return next_slot(target.definition.schedule, target.zone, at)


def modules_of(
    row: Row, open_now: Mapping[tuple[str, str, str, str, str], int], catalogue: Catalogue
) -> list[ModuleLine]:  # fmt: skip
    """Every module in the guide's order: verdicts from the newest reading, the rest from what is open.

    Args:
        open_now: how many are open, as the store counts them.
    """
    counted: Mapping[str, Mapping[str, int]] = row.reading.report.get("modules", {})
    everything, drift = Counter[str](), Counter[str]()
    for (_, _, module, _, kind), count in open_now.items():
        everything[module] += count
        drift[module] += count if kind == Kind.DRIFT else 0
    lines = []
    for each in catalogue.modules:
        verdicts = counted.get(each.name, {})
        titles = {catalogue.types[name].title for name in each.types}
        lines.append(
            ModuleLine(
                each.name, each.title, verdicts.get("passed", 0), verdicts.get("failed", 0),
                verdicts.get("undecided", 0), drift[each.name], everything[each.name],
                sum(1 for title in row.reading.unread if title in titles),
            )
        )  # fmt: skip
    return lines


def undecided_of(reading: Reading, packs: Packs) -> list[Undecided]:
    """Rules of the newest good reading that could not be decided, required ones first."""
    return [
        Undecided(rule, packs.by_id[rule].title if rule in packs.by_id else rule, detail or reason.replace("_", " "))
        for rule, reason, detail in reading.report.get("undecided", ())
    ]


def said_of(unit: Unit, target: Target) -> list[Said]:
    """The newest messages about a target, each as it stands now."""
    revisions: dict[tuple[str, str], list[Mapping[str, object]]] = {}
    for each in unit.alerts.recent(target, 10 * MOST_SAID):
        revisions.setdefault((str(each["channel"]), str(each["key"])), []).append(each)
    told = []
    for (channel, key), mine in list(revisions.items())[:MOST_SAID]:
        story = unit.alerts.last_story(channel, key)
        assert story is not None, "a revision was just read"
        sent = [each["sent_at"] for each in mine if isinstance(each["sent_at"], datetime)]
        told.append(
            Said(
                story.headline or (story.lines[0].sentence if story.lines else f"{target.name} was not read."), channel,
                max(sent, default=None), max(0, len(sent) - 1), str(mine[0]["state"]), str(mine[0]["error"]),
            )
        )  # fmt: skip
    return told
