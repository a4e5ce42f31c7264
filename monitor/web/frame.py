"""What every page is made with: who asks, the templates, and what the frame around a page needs."""

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from monitor.access import EVERYWHERE, Actor, Right
from monitor.deps import Deps
from monitor.store.seen import Tenants
from monitor.web.words import filters

TEMPLATES: Final = Path(__file__).parent / "templates"
#: Who asks a service that listens on this machine alone: may look, and do nothing.
VISITOR: Final = Actor(
    "visitor", {EVERYWHERE: frozenset({Right.SEE, Right.SEE_PEOPLE, Right.METRICS})}, is_person=False
)
#: Who asks for what anybody may ask: the sign-in, health, what pages are drawn with.
NOBODY: Final = Actor("nobody", {}, is_person=False)


@dataclass(frozen=True)
class Web:
    """One process's pages."""

    deps: Deps
    templates: Environment

    def page(self, request: Request, template: str, status: int = 200, **view: object) -> HTMLResponse:
        """A template as an answer.

        Every template sees ``actor``, ``csrf()``: the hidden field that each form that posts must have, and
        ``csrf_token``: the same for htmx.
        """
        token: str = request.state.csrf
        field = Markup('<input type="hidden" name="csrf" value="{}">').format(token)
        shown = self.templates.get_template(template).render(
            actor=actor_of(request), csrf=lambda: field, csrf_token=token, **view
        )
        return HTMLResponse(shown, status_code=status)


def make_web(deps: Deps) -> Web:
    """The templates, their filters and what all of them see."""
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape(default=True), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    templates.filters.update(filters())
    templates.globals["version"] = metadata.version("smart360-monitor")
    templates.globals["can_sign_in"] = deps.settings.can_sign_in
    return Web(deps, templates)


def actor_of(request: Request) -> Actor:
    """Who asks."""
    found: Actor = request.state.actor
    return found


def seen_by(request: Request) -> Tenants:
    """The tenants who asks may see: for the transaction that answers."""
    return actor_of(request).tenants()
