"""One cause on many targets, with those of its targets that who asks may see (S1.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse

from monitor.access import Actor
from monitor.deps import Deps
from monitor.fleet import FleetEvent, fleet_event
from monitor.web.frame import VISITOR, Web, actor_of
from rules.lifecycle import Known, State


@dataclass(frozen=True, slots=True)
class FleetEventView:
    """Everything the page shows."""

    event: FleetEvent
    zones: Mapping[str, str]  #: of each target
    actor: Actor
    now: datetime
    zone: str = "UTC"

    @property
    def targets(self) -> Sequence[tuple[str, Sequence[Known]]]:
        """Targets with their members, those that wait for somebody first."""

        def is_calm(members: Sequence[Known]) -> bool:
            return all(known.state is not State.OPEN for known in members)

        return sorted(self.event.by_target.items(), key=lambda each: (is_calm(each[1]), each[0]))

    @property
    def waiting(self) -> int:
        """Open members on which who asks may act."""
        return self.event.waiting_for(self.actor)


def routes(web: Web) -> APIRouter:
    """The page under its address."""
    router = APIRouter()

    @router.get("/fleet-events/{event}")
    def event(request: Request, event: int) -> HTMLResponse:
        view = fleet_event_view(event, web.deps, actor_of(request))
        if view is None:
            raise HTTPException(404)
        return web.page(request, "fleet_event.html", view=view)

    return router


def fleet_event_view(number: int, deps: Deps, actor: Actor = VISITOR) -> FleetEventView | None:
    """One event as of now; None where there is none of which a member may be seen."""
    with deps.store.read(actor.tenants()) as unit:
        event = fleet_event(unit, number, deps)
        if event is None or not event.members:
            return None
        zones = {each.name: each.definition.time_zone for each in unit.targets.all()}
    return FleetEventView(event, zones, actor, deps.clock.now())
