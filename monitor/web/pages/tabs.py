"""The other pages of a target: its rules, baselines, history and reading."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from baselines.approval import Baseline, Proposal
from baselines.coverage import Gap
from monitor.deps import Deps
from monitor.store.findings_list import FindingQuery
from monitor.store.seen import Tenants
from monitor.store.sweeps import Run
from monitor.web.frame import Web, seen_by
from monitor.web.pages.fleet import ENDED
from monitor.web.pages.target import Head, head_of
from rules.evaluate import Verdict
from rules.pack import Rule

MOST: Final = 50  #: sweeps looked at for the history
#: The order in which verdicts are told (U3), and the words of each.
VERDICTS: Final = (Verdict.FAILED, Verdict.UNDECIDED, Verdict.PASSED, Verdict.NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class Judged:
    """One rule at the target."""

    rule: Rule
    verdict: Verdict
    why: str  #: of an undecided one
    open: int


@dataclass(frozen=True, slots=True)
class RulesTab(Head):
    """What each rule said at the newest reading."""

    judged: Sequence[Judged]
    module: str = ""  #: only of this one
    shown: Sequence[Verdict] = ()  #: whose rules are listed
    modules: Sequence[tuple[str, str]] = ()  #: name and title

    def of(self, verdict: Verdict) -> Sequence[Judged]:
        """Those with one verdict, the worst first."""
        mine = [each for each in self.judged if each.verdict is verdict]
        return sorted(mine, key=lambda each: (each.rule.severity.rank, not each.rule.required, each.rule.id))

    @property
    def counts(self) -> Sequence[tuple[Verdict, int]]:
        """How many have each verdict; none is left out (U3)."""
        return [(each, len(self.of(each))) for each in VERDICTS]


@dataclass(frozen=True, slots=True)
class BaselinesTab(Head):
    """What was approved, and what waits."""

    versions: Sequence[Baseline]
    proposals: Sequence[tuple[Proposal, int]]  #: with how many changes are decided


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened to the target."""

    at: datetime
    kind: str  #: approval, proposal, change, failure
    text: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class HistoryTab(Head):
    """What happened, newest first."""

    moments: Sequence[Moment]
    looked_at: int  #: sweeps


@dataclass(frozen=True, slots=True)
class ListLine:
    """One list of the scope, as it was read last."""

    name: str
    title: str
    objects: int | None  #: None: it was not read
    gap: Gap | None


@dataclass(frozen=True, slots=True)
class ReadingTab(Head):
    """Which lists were read, which were not and why, and the last sweeps."""

    lists: Sequence[ListLine]
    runs: Sequence[Run]

    @property
    def lost(self) -> Sequence[ListLine]:
        """Lists that were not read."""
        return [each for each in self.lists if each.objects is None]


def routes(web: Web) -> APIRouter:
    """The pages under their addresses."""
    router = APIRouter()
    at = "/targets/{tenant}/{environment}"

    @router.get(f"{at}/rules")
    def rules(
        request: Request, tenant: str, environment: str, module: str = "", verdict: str = ""
    ) -> HTMLResponse:  # fmt: skip
        view = rules_tab(f"{tenant}/{environment}", web.deps, seen_by(request), module, verdict)
        return web.page(request, "target_rules.html", view=view)

    @router.get(f"{at}/baselines")
    def baselines(request: Request, tenant: str, environment: str) -> HTMLResponse:
        view = baselines_tab(f"{tenant}/{environment}", web.deps, seen_by(request))
        return web.page(request, "target_baselines.html", view=view)

    @router.get(f"{at}/history")
    def history(request: Request, tenant: str, environment: str) -> HTMLResponse:
        view = history_tab(f"{tenant}/{environment}", web.deps, seen_by(request))
        return web.page(request, "target_history.html", view=view)

    @router.get(f"{at}/reading")
    def reading(request: Request, tenant: str, environment: str) -> HTMLResponse:
        view = reading_tab(f"{tenant}/{environment}", web.deps, seen_by(request))
        return web.page(request, "target_reading.html", view=view)

    return router


def rules_tab(name: str, deps: Deps, seen: Tenants = None, module: str = "", verdict: str = "") -> RulesTab:
    """What each rule in force said at the newest reading of a target; listed are those of one verdict, or of the
    two that want somebody."""
    with deps.store.read(seen) as unit:
        head = head_of(unit, name, deps)
        results = unit.snapshots.memory(head.target).results
        by_rule = unit.finding_list.by_rule(FindingQuery(target=name))
    catalogue, rules = deps.catalogue_of(head.target), deps.packs_of(head.target).by_id
    judged = [
        Judged(rules[each], kept.result.verdict, kept.result.detail or kept.result.reason.replace("_", " "),
               by_rule.get(each, 0))
        for each, kept in results.items()
        if each in rules and module in ("", rules[each].module)
    ]  # fmt: skip
    modules = [(each.name, each.title) for each in catalogue.modules]
    shown = [each for each in VERDICTS if each.value == verdict] or VERDICTS[:2]
    return RulesTab(head.row, head.now, head.baseline, head.progress, judged, module, shown, modules)


def baselines_tab(name: str, deps: Deps, seen: Tenants = None) -> BaselinesTab:
    """Versions and proposals of a target."""
    with deps.store.read(seen) as unit:
        head = head_of(unit, name, deps)
        proposals = [(each, len(unit.baselines.decisions(each))) for each in unit.baselines.open_proposals(head.target)]
        versions = unit.baselines.history(head.target)
    return BaselinesTab(head.row, head.now, head.baseline, head.progress, versions, proposals)


def history_tab(name: str, deps: Deps, seen: Tenants = None) -> HistoryTab:
    """Approvals, proposals, and sweeps that changed something or failed."""
    with deps.store.read(seen) as unit:
        head = head_of(unit, name, deps)
        runs = unit.sweeps.last(head.target, most=8 * MOST, states=ENDED)
        approved = [
            Moment(each.approved_at, "approval",
                   f"Baseline {each.version} approved by {each.approver}: {each.accepted} changes accepted, "
                   f"{each.rejected} rejected.", f"/targets/{name}/baselines")
            for each in unit.baselines.history(head.target)
        ]  # fmt: skip
        proposed = [
            Moment(each.created_at, "proposal", f"Proposal {each.id} opened by {each.proposer}.")
            for each in unit.baselines.open_proposals(head.target)
        ]
    swept = [each for each in map(_moment, runs) if each is not None]
    moments = sorted((*approved, *proposed, *swept), key=lambda each: each.at, reverse=True)[:MOST]
    return HistoryTab(head.row, head.now, head.baseline, head.progress, moments, len(runs))


def _moment(run: Run) -> Moment | None:
    """A sweep as a line of the history; None where it saw what the one before saw."""
    opened, resolved = run.report.get("opened", 0), run.report.get("resolved", 0)
    if not run.report or run.state not in ("complete", "partial"):
        return Moment(run.claimed_at, "failure", f"The sweep {run.state}: {run.fault.replace('_', ' ')}.")
    told = [f"{count} {words}" for count, words in ((opened, "opened"), (resolved, "resolved")) if count]
    return Moment(run.claimed_at, "change", f"Findings: {', '.join(told)}.") if told else None


def reading_tab(name: str, deps: Deps, seen: Tenants = None) -> ReadingTab:
    """Every list of the scope, as it was read last."""
    with deps.store.read(seen) as unit:
        head = head_of(unit, name, deps)
        snapshot = unit.snapshots.last(head.target)
        runs = unit.sweeps.last(head.target, most=20)
    catalogue = deps.catalogue_of(head.target)
    configuration = snapshot.configuration if snapshot is not None else None
    unread: Mapping[str, Gap] = configuration.unread if configuration is not None else {}
    lists = []
    for each in head.target.scope(catalogue):
        listed = configuration.lists.get(each) if configuration is not None else None
        lists.append(ListLine(each, catalogue.types[each].title, listed.count if listed is not None else None,
                              unread.get(each)))  # fmt: skip
    return ReadingTab(head.row, head.now, head.baseline, head.progress, lists, runs)
