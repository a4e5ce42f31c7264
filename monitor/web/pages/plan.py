"""What to do at one target, step by step."""

from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from monitor.deps import Deps
from monitor.plan import TargetPlan, plan_of
from monitor.store.seen import Tenants
from monitor.web.frame import Web, seen_by
from monitor.web.pages.fleet import ENDED, Reading, reading_of, runs_since_good


@dataclass(frozen=True, slots=True)
class PlanView:
    """Everything the page shows."""

    plan: TargetPlan
    reading: Reading
    now: datetime

    @property
    def zone(self) -> str:
        """Of every time on the page."""
        return self.plan.target.definition.time_zone

    @property
    def findings(self) -> int:
        """How many are mended by all steps together: every one that is open."""
        return sum(len(each.findings) for each in self.plan.steps)


def routes(web: Web) -> APIRouter:
    """The page under its address."""
    router = APIRouter()

    @router.get("/targets/{tenant}/{environment}/plan")
    def plan(request: Request, tenant: str, environment: str) -> HTMLResponse:
        return web.page(request, "plan.html", view=plan_view(f"{tenant}/{environment}", web.deps, seen_by(request)))

    return router


def plan_view(name: str, deps: Deps, seen: Tenants = None) -> PlanView:
    """The plan of a target, as of its newest reading.

    Raises:
        UnknownTarget: it is not watched.
    """
    now, plan = deps.clock.now(), plan_of(name, deps, seen)
    with deps.store.read(seen) as unit:
        newest = next(iter(unit.sweeps.last(plan.target, states=ENDED)), None)
        runs = runs_since_good(unit, plan.target, newest)
    return PlanView(plan, reading_of(plan.target, runs, [], now, deps.catalogue_of(plan.target)), now)
