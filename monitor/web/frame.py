"""What every page is made with: who asks, the templates, and what the frame around a page needs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from monitor.access import EVERYWHERE, Actor, Right
from monitor.deps import Deps
from monitor.schedule import next_slot
from monitor.store.seen import Tenants
from monitor.store.unit import Unit
from monitor.target import Target
from monitor.web.words import filters

TEMPLATES: Final = Path(__file__).parent / "templates"
#: Who asks a service that listens on this machine alone: may look, and do nothing.
VISITOR: Final = Actor(
    "visitor", {EVERYWHERE: frozenset({Right.SEE, Right.SEE_PEOPLE, Right.METRICS})}, is_person=False
)
#: Who asks for what anybody may ask: the sign-in, health, what pages are drawn with.
NOBODY: Final = Actor("nobody", {}, is_person=False)
GOOD: Final = ("complete", "partial")  #: sweeps that read something
#: The places of the bar, and the first part of the addresses that belong to each.
PLACES: Final = (
    ("Fleet", "/", ("", "targets")),
    ("Findings", "/findings", ("findings",)),
    ("Baselines", "/baselines", ("baselines", "proposals")),
    ("Rules", "/rules", ("rules",)),
    ("Waivers", "/settings/waivers", ("settings",)),
)
Query = Mapping[str, str | Iterable[str]]


@dataclass(frozen=True, slots=True)
class Frame:
    """The bar and the foot of a page."""

    watched: int
    stale: int
    waiting: int | None  #: messages not sent yet; None: who looks may not know of all targets
    paused_by: str  #: who paused all sweeps

    @property
    def health(self) -> str:
        """How the service does, in words."""
        if self.paused_by:
            return f"All sweeps are paused by {self.paused_by}."
        if self.waiting:
            return f"{self.waiting} message{'s wait' if self.waiting > 1 else ' waits'} to be sent."
        return "No message waits to be sent." if self.waiting is not None else "All sweeps go on."


@dataclass(frozen=True)
class Web:
    """One process's pages."""

    deps: Deps
    templates: Environment

    def page(self, request: Request, template: str, status: int = 200, **view: object) -> HTMLResponse:
        """A template as an answer.

        Every template sees ``actor``, ``frame``, the ``places`` of the bar, ``csrf()``: the hidden field that each form
        that posts must have, and ``csrf_token``: the same for htmx.
        A page that tells of trouble is made without a question to the store, which may be the trouble.
        """
        actor, frame = actor_of(request), view.pop("frame", None)
        if status == 200 and frame is None:
            with self.deps.store.read(actor.tenants()) as unit:
                frame = frame_of(unit, self.deps.clock.now(), sees_all=actor.tenants() is None)
        token: str = request.state.csrf
        field = Markup('<input type="hidden" name="csrf" value="{}">').format(token)
        first = request.url.path.split("/")[1]
        places = [(name, path, first in parts and status == 200) for name, path, parts in PLACES]
        shown = self.templates.get_template(template).render(
            actor=actor, frame=frame, theme="", places=places, csrf=lambda: field, csrf_token=token, **view
        )
        return HTMLResponse(shown, status_code=status)


def make_web(deps: Deps) -> Web:
    """The templates, their filters and what all of them see."""
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape(default=True), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    templates.filters.update(filters())
    templates.globals.update(version=metadata.version("smart360-monitor"), address=address, Right=Right)
    templates.globals["can_sign_in"] = deps.settings.can_sign_in
    return Web(deps, templates)


def frame_of(unit: Unit, now: datetime, *, sees_all: bool, counted: tuple[int, int] | None = None) -> Frame:
    """How many targets are watched, how many of them are stale; what waits.

    Args:
        sees_all: who looks may know of all targets.
        counted: both numbers, where the page has them already.
    """
    if counted is None:
        targets, read_at = unit.targets.all(), unit.sweeps.read_at(GOOD)
        stale = sum(1 for each in targets if each.id not in read_at or now >= overdue(each, read_at[each.id]))
        counted = len(targets), stale
    waiting = sum(count for count, _ in unit.alerts.waiting().values()) if sees_all else None
    return Frame(*counted, waiting, unit.targets.paused_all())


def overdue(target: Target, read_at: datetime) -> datetime:
    """From when on a reading of this moment is old: the second slot after it has come (U1)."""
    return _overdue(target.definition.schedule, target.definition.time_zone, read_at)


@lru_cache(maxsize=16_384)
def _overdue(schedule: str, zone: str, read_at: datetime) -> datetime:
    of = ZoneInfo(zone)
    return next_slot(schedule, of, next_slot(schedule, of, read_at))


def address(path: str, query: Query) -> str:
    """A path with a query; what is empty is left out, so that the same page has one address (U11)."""
    told = {name: value if isinstance(value, str) else ",".join(value) for name, value in query.items()}
    asked = urlencode({name: value for name, value in told.items() if value}, safe=",/:*")
    return f"{path}?{asked}" if asked else path


def actor_of(request: Request) -> Actor:
    """Who asks."""
    found: Actor = request.state.actor
    return found


def seen_by(request: Request) -> Tenants:
    """The tenants who asks may see: for the transaction that answers."""
    return actor_of(request).tenants()
