"""What to do at one target, step by step."""

from dataclasses import dataclass
from datetime import datetime

from monitor.deps import Deps
from monitor.plan import TargetPlan, plan_of
from monitor.web.pages.fleet import Reading, newest_runs, row_of


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


def plan_view(name: str, deps: Deps) -> PlanView:
    """The plan of a target, as of its newest reading.

    Raises:
        UnknownTarget: it is not watched.
    """
    now, plan = deps.clock.now(), plan_of(name, deps)
    with deps.store.read() as unit:
        row = row_of(unit, plan.target, [], now, deps.catalogue, newest_runs(unit, plan.target))
    return PlanView(plan, row.reading, now)
