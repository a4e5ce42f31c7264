"""The web application: pages, API, metrics, health, and where every refusal becomes an answer."""

import socket
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler as plainly
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import exposition
from prometheus_client.openmetrics import exposition as openmetrics
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from baselines.errors import Smart360Error
from monitor.access import EVERYWHERE, Actor, Right, roles_with
from monitor.deps import Deps
from monitor.errors import NotAllowed, StoreError
from monitor.metrics import make_registry
from monitor.schedule import Scheduler
from monitor.web.answers import NOTHING_HERE, invalid, is_asked, problem, problem_of, status_of
from monitor.web.api import create_api
from monitor.web.frame import NOBODY, actor_of, make_web
from monitor.web.pages import (
    acts,
    baselines,
    coverage,
    events,
    finding,
    findings,
    fleet,
    fleet_event,
    gap_list,
    plan,
    review,
    rules,
    search,
    sign_in,
    tabs,
    target,
    waivers,
)
from monitor.web.session import Denied, is_own_name, note_denied, recognise, refuse_forged

log = structlog.get_logger(__name__)
_HERE: Final = Path(__file__).parent
MISSED_TURNS: Final = 3
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self'; script-src 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
HSTS: Final = "max-age=31536000"


class PortTaken(Smart360Error):
    """The port of the pages is not to be had."""

    code = "port_taken"
    exit_code = 2


def create_app(deps: Deps, scheduler: Scheduler | None = None, *, on_loopback: bool = True) -> FastAPI:
    """The application of one process.

    Args:
        deps: store, clock and packs.
        scheduler: of this process, whose health it tells; None where it has none.
        on_loopback: it listens on this machine alone, where settings may let visitors look.
    """
    app = FastAPI(
        title="smart360-monitor", docs_url=None, redoc_url=None, openapi_url=None,
        dependencies=[Depends(refuse_forged)],
    )  # fmt: skip
    web = make_web(deps)
    secure = {"Strict-Transport-Security": HSTS} if deps.settings.public_url.startswith("https://") else {}
    registry = make_registry(deps, scheduler.last_turn if scheduler is not None else None)

    def count_crash() -> None:
        with suppress(StoreError), deps.store.write() as unit:
            unit.counters.add("pages_crashed", {(): 1})

    def trouble(request: Request, status: int, title: str, words: str = "") -> Response:
        if is_asked(request):
            return problem(request, status, f"{title} {words}".strip())
        return web.page(request, "error.html", status, title=title, words=words, leads_back=status == 404)

    def denied(request: Request, error: HTTPException) -> Response:
        if request.url.path == "/metrics" or is_asked(request):
            return problem(request, error.status_code, str(error.detail), error.headers)
        words = "Sign in again, then go back to what you wrote: nothing of it was saved."
        return trouble(request, error.status_code, "You are signed out.", words)

    def not_allowed(request: Request, error: NotAllowed) -> Response:
        note_denied(request, error, deps)
        if is_asked(request):
            return problem_of(request, error)
        actor = actor_of(request)
        title, words = refusal(actor, Right(error.right), error.tenant, can_sign_in=deps.settings.can_sign_in)
        return trouble(request, 403, title, words)

    @app.middleware("http")
    async def guarded(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        if not is_own_name(request, deps):
            return PlainTextResponse("This service is asked under a name it does not have.\n", 400, HEADERS)
        number = uuid.uuid4().hex[:8]  # of the log's lines and the audit log's entries, too
        request.state.csrf, request.state.actor = "", NOBODY
        try:
            if "\0" in request.scope["path"] or "%00" in request.url.query:
                response = trouble(request, 422, "There is a character in the address that cannot be.")
            else:
                with structlog.contextvars.bound_contextvars(request=number):
                    response = await recognise(request, deps, on_loopback=on_loopback) or await call_next(request)
        except Denied as error:
            response = denied(request, error)
        except NotAllowed as error:
            response = await run_in_threadpool(not_allowed, request, error)
        except StoreError as error:
            log.warning("page_not_served", path=request.url.path, kind=error.kind)
            response = trouble(request, 503, "The database is not answering.", "Nothing was saved. Try again in 10 s.")
            response.headers["Retry-After"] = "10"
        except Exception:
            log.exception("page_crashed", path=request.url.path, number=number)
            await run_in_threadpool(count_crash)
            response = trouble(request, 500, "This page could not be made.", f"Error {number}. Nothing was changed.")
        for name, value in (HEADERS | secure).items():
            response.headers.setdefault(name, value)
        return response

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        if is_asked(request) and error.status_code != 404:
            return problem(request, error.status_code, str(error.detail), error.headers)
        if error.status_code == 403:
            return trouble(request, 403, "This was not done.", str(error.detail))
        return trouble(request, 404, NOTHING_HERE) if error.status_code == 404 else await plainly(request, error)

    @app.exception_handler(RequestValidationError)
    async def unreadable(request: Request, error: RequestValidationError) -> Response:
        if is_asked(request):
            return invalid(request, error)
        told = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
        return trouble(request, 422, "This form cannot be read.", told)

    @app.exception_handler(Smart360Error)
    async def not_done(request: Request, error: Smart360Error) -> Response:
        if isinstance(error, StoreError):
            raise error  # told by the middleware, as where a page fails before its story
        if isinstance(error, NotAllowed):
            return await run_in_threadpool(not_allowed, request, error)
        if is_asked(request):
            return problem_of(request, error)
        status = status_of(error)
        if status == 404:
            return trouble(request, 404, NOTHING_HERE)
        return trouble(request, status, error.what[:1].upper() + error.what[1:], error.mend)

    @app.get("/metrics")
    def scrape(request: Request) -> Response:
        if "application/openmetrics-text" in request.headers.get("accept", ""):
            body: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
            return Response(body, media_type=openmetrics.CONTENT_TYPE_LATEST)
        return Response(exposition.generate_latest(registry), media_type=exposition.CONTENT_TYPE_LATEST)

    @app.get("/healthz")
    def healthz() -> Response:
        stuck = _stuck_loops(deps, scheduler)
        return JSONResponse({"alive": not stuck, "stuck": stuck}, 503 if stuck else 200)

    @app.get("/readyz")
    def readyz() -> Response:
        from monitor.store.engine import refuse_other_schema

        try:
            refuse_other_schema(deps.store.engine)
        except StoreError as error:
            return JSONResponse({"ready": False, "why": error.what, "mend": error.mend}, 503)
        if scheduler is not None and scheduler.is_stopping:
            return JSONResponse({"ready": False, "why": "it is being stopped"}, 503)
        stuck = _stuck_loops(deps, scheduler)
        return JSONResponse({"ready": not stuck, "stuck": stuck}, 503 if stuck else 200)

    for pages in (
        fleet, target, events, findings, finding, tabs, plan, baselines, rules, coverage, search, acts, sign_in,
        waivers, fleet_event, gap_list, review,
    ):  # fmt: skip
        app.include_router(pages.routes(web))
    app.include_router(create_api(deps))
    app.mount("/static", StaticFiles(directory=_HERE / "static"))
    return app


def refusal(actor: Actor, right: Right, tenant: str, *, can_sign_in: bool) -> tuple[str, str]:
    """In words: what one may not do where, and how to come to it."""
    where = "" if tenant == EVERYWHERE else f", on {tenant}"
    if not actor.is_person and can_sign_in:
        return f"You can look, not act{where}.", "Sign in first."
    roles = " or ".join(roles_with(right))
    acts = {Right.ACT, Right.SWEEP, Right.PROPOSE, Right.APPROVE} & actor.rights.get(tenant, frozenset())
    title = f"You may not {right}{where}." if acts else f"You can look, not act{where}."
    return title, f"To {right}, ask an admin for the role {roles}." if roles else ""


def _stuck_loops(deps: Deps, scheduler: Scheduler | None) -> list[str]:
    """Loops that missed three turns (F97)."""
    if scheduler is None:
        return []
    longest = timedelta(seconds=max(30.0, MISSED_TURNS * deps.settings.tick_seconds))
    now = deps.clock.now()
    return sorted(name for name, at in list(scheduler.last_turn.items()) if now - at > longest)


def serve_in_thread(
    app: FastAPI, port: int, host: str = "127.0.0.1", proxies: Sequence[str] = ()
) -> tuple[str, Callable[[], None]]:
    """Serve from a thread, on loopback unless another address is named; returns the address and what stops it.

    Args:
        proxies: addresses that are believed whom they pass on.

    Raises:
        PortTaken: somebody else listens there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        mend = f"Put another one: --port {port + 1}."
        raise PortTaken(f"nothing can listen there: {error.strerror}.", where=f"port {port}", mend=mend) from None
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="off", forwarded_allow_ips=list(proxies)
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="web", daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)

    def stop() -> None:
        server.should_exit = True
        thread.join(10)
        listener.close()

    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}", stop
