"""What a utility is to mend, to be printed or shown to its own administrators by a link that ends."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from monitor.access import Right
from monitor.gaplist import end_share, gap_list, opened, share
from monitor.web.frame import Web, actor_of, seen_by

PATH = "/targets/{tenant}/{environment}/gap-list"


def routes(web: Web) -> APIRouter:
    """The page, what is done there, and what a link shows."""
    router = APIRouter()

    def page(request: Request, name: str, link: str = "") -> HTMLResponse:
        found, now = gap_list(name, web.deps, seen_by(request)), web.deps.clock.now()
        may_share = actor_of(request).may(Right.PROPOSE, found.target.tenant)
        with web.deps.store.read(seen_by(request)) as unit:
            shares = unit.shares.of(found.target.name, now) if may_share else ()
        return web.page(
            request, "gap_list.html", gaps=found, now=now, shares=shares, link=link, may_share=may_share
        )  # fmt: skip

    @router.get(PATH)
    def listed(request: Request, tenant: str, environment: str) -> HTMLResponse:
        return page(request, f"{tenant}/{environment}")

    @router.post(PATH)
    def shared(request: Request, tenant: str, environment: str, days: Annotated[int, Form()]) -> HTMLResponse:
        secret = share(f"{tenant}/{environment}", timedelta(days=min(days, 1000)), actor_of(request), web.deps)
        site = web.deps.settings.public_url or str(request.base_url)
        return page(request, f"{tenant}/{environment}", f"{site.rstrip('/')}/shared/{secret}")

    @router.post(f"{PATH}/{{share}}/end")
    def ended(request: Request, tenant: str, environment: str, share: int) -> RedirectResponse:
        end_share(f"{tenant}/{environment}", share, actor_of(request), web.deps)
        return RedirectResponse(PATH.format(tenant=tenant, environment=environment), 303)

    @router.get("/shared/{secret}")
    def by_link(request: Request, secret: str) -> HTMLResponse:
        found = opened(secret, web.deps)
        return web.page(request, "gap_list_shared.html", gaps=found, now=web.deps.clock.now(), frame=())

    return router
