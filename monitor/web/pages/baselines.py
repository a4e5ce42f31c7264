"""What waits for review, and what is approved, over all targets."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from baselines.approval import Awaited, Baseline, Proposal, awaited_of, decisions_of
from monitor.deps import Deps
from monitor.store.seen import Tenants
from monitor.web.frame import Web, seen_by

MOST = 100  #: current baselines shown


@dataclass(frozen=True, slots=True)
class Waiting:
    """An open proposal, and who is awaited."""

    proposal: Proposal
    zone: str  #: of its target
    awaited: Awaited
    decided: int  #: changes

    @property
    def words(self) -> str:
        """``olga, to decide and hand over``."""
        proposer = self.proposal.proposer
        is_review = self.awaited is Awaited.REVIEW
        return f"{proposer}, to decide and hand over" if is_review else f"another than {proposer}, to approve"


@dataclass(frozen=True, slots=True)
class BaselinesView:
    """Everything the page shows; each with its target's zone."""

    waiting: Sequence["Waiting"]
    current: Sequence[tuple[Baseline, str]]
    approved: int
    targets: int


def routes(web: Web) -> APIRouter:
    """The page under its address."""
    router = APIRouter()

    @router.get("/baselines")
    def baselines(request: Request) -> HTMLResponse:
        return web.page(request, "baselines.html", view=baselines_view(web.deps, seen_by(request)))

    return router


def baselines_view(deps: Deps, seen: Tenants = None) -> BaselinesView:
    """Proposals that wait and newest baselines of what may be seen."""
    with deps.store.read(seen) as unit:
        targets = {each.id: each for each in unit.targets.all()}
        zones = {each.name: each.definition.time_zone for each in targets.values()}
        numbers = [each for target, several in unit.baselines.open_numbers().items() if target in targets
                   for each in several]  # fmt: skip
        waiting = []
        for proposal in map(unit.baselines.proposal, sorted(numbers)):
            acts = unit.baselines.acts(proposal)
            awaited = awaited_of(proposal, acts) or Awaited.REVIEW
            waiting.append(Waiting(proposal, zones[proposal.target], awaited, len(decisions_of(acts))))
        current = sorted(unit.baselines.current_of(list(targets.values())).values(),
                         key=lambda each: each.approved_at, reverse=True)  # fmt: skip
    return BaselinesView(
        waiting, [(each, zones[each.target]) for each in current[:MOST]],
        len(current), len(targets),
    )  # fmt: skip
