"""What waits for review, and what is approved, over all targets."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from baselines.approval import Baseline, Proposal
from monitor.deps import Deps
from monitor.store.seen import Tenants
from monitor.web.frame import Web, seen_by

MOST = 100  #: current baselines shown


@dataclass(frozen=True, slots=True)
class BaselinesView:
    """Everything the page shows; each with its target's zone."""

    waiting: Sequence[tuple[Proposal, str]]
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
        waiting = [unit.baselines.proposal(each) for each in sorted(numbers)]
        current = sorted(unit.baselines.current_of(list(targets.values())).values(),
                         key=lambda each: each.approved_at, reverse=True)  # fmt: skip
    return BaselinesView(
        [(each, zones[each.target]) for each in waiting], [(each, zones[each.target]) for each in current[:MOST]],
        len(current), len(targets),
    )  # fmt: skip
