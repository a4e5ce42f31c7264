"""What programs may read: ``/api/v1``, described by its own OpenAPI; problems as RFC 9457. It never writes."""

import base64
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from importlib import metadata
from typing import Annotated, Any, Final, TypeVar

import orjson
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response

from monitor.deps import Deps
from monitor.explain import explain
from monitor.fleet import fleet_event, fleet_events
from monitor.plan import plan_of
from monitor.reports.items import (
    Item,
    finding_in_full,
    finding_item,
    fleet_item,
    plan_head,
    step_item,
    target_in_full,
    target_item,
)
from monitor.web.frame import actor_of, seen_by
from rules.waivers import as_of

BASE: Final = "/api/v1"
MOST: Final = 200  #: items of one answer
T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=MOST, description="How many items at most.")]
Cursor = Annotated[str, Query(max_length=500, description="next_cursor of the answer before.")]
_PROBLEM: Final = {
    "description": "What went wrong, as RFC 9457 says it.",
    "content": {"application/problem+json": {"schema": {
        "type": "object", "required": ["type", "title", "status"],
        "properties": {"type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"},
                       "detail": {"type": "string"}, "instance": {"type": "string"}}}}},
}  # fmt: skip


def is_asked(request: Request) -> bool:
    """True if a request is for the API, so that what goes wrong is told as a problem."""
    return request.url.path.startswith(f"{BASE}/")


def problem(request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """A problem as ``application/problem+json``."""
    told = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail,
            "instance": request.url.path}  # fmt: skip
    return Response(orjson.dumps(told), status, headers, media_type="application/problem+json")


def invalid(request: Request, error: RequestValidationError) -> Response:
    """Each value that cannot be read."""
    told = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return problem(request, 422, "; ".join(told))


def refuse_unknown_parameters(request: Request) -> None:
    """A misspelt filter must not read as "everything"."""
    route = request.scope["route"]
    known = {each.alias for each in route.dependant.query_params}
    if unknown := sorted(set(request.query_params) - known):
        told = f"Known here: {', '.join(sorted(known))}." if known else "None is known here."
        raise HTTPException(422, f"Unknown query parameter {unknown[0]}. {told}")


def create_api(deps: Deps) -> APIRouter:
    """The routes of the API, and the document that describes them."""
    api = APIRouter(
        prefix=BASE, dependencies=[Depends(refuse_unknown_parameters)],
        responses=dict.fromkeys((404, 422), _PROBLEM),
    )  # fmt: skip

    @api.get("/openapi.json", include_in_schema=False)
    def described() -> JSONResponse:
        version = metadata.version("smart360-monitor")
        return JSONResponse(get_openapi(title="smart360-monitor", version=version, routes=api.routes))

    @api.get("/targets", summary="What is watched")
    def targets(request: Request, limit: Limit = 50, cursor: Cursor = "") -> JSONResponse:
        with deps.store.read(seen_by(request)) as unit:
            shown, following = page(unit.targets.all(), lambda each: [each.name], limit, cursor)
            return answer("targets", [target_item(unit, each) for each in shown], following)

    @api.get("/targets/{tenant}/{environment}", summary="One target: what was read, judged and approved")
    def target(request: Request, tenant: str, environment: str) -> JSONResponse:
        with deps.store.read(seen_by(request)) as unit:
            return JSONResponse(target_in_full(unit, unit.targets.named(f"{tenant}/{environment}")))

    @api.get("/targets/{tenant}/{environment}/findings", summary="What is open at a target, worst first")
    def findings(
        request: Request, tenant: str, environment: str, limit: Limit = 50, cursor: Cursor = ""
    ) -> JSONResponse:
        with deps.store.read(seen_by(request)) as unit:
            listed = unit.findings.open(unit.targets.named(f"{tenant}/{environment}"))
            found = as_of(listed, unit.waivers.in_force(deps.clock.now()), deps.clock.now())
        shown, following = page(
            found,
            lambda each: [each[1].finding.severity.rank, each[1].opened_at.isoformat(), each[1].id],
            limit,
            cursor,
        )
        return answer("findings", [finding_item(name, known) for name, known in shown], following)

    @api.get("/targets/{tenant}/{environment}/plan", summary="What to do about it, in the order of configuration")
    def plan(request: Request, tenant: str, environment: str, limit: Limit = 50, cursor: Cursor = "") -> JSONResponse:
        found = plan_of(f"{tenant}/{environment}", deps, seen_by(request))
        shown, following = page(found.steps, lambda each: [each.number], limit, cursor)
        return answer("steps", [step_item(each) for each in shown], following, plan_head(found))

    @api.get("/findings/{number}", summary="One finding with its history")
    def finding(request: Request, number: str) -> JSONResponse:
        with deps.store.read(seen_by(request)) as unit:
            found = unit.findings.numbered(number)
            if found is None:
                raise HTTPException(404, "There is nothing here that you may see.")
            ((name, known),) = as_of([found], unit.waivers.in_force(deps.clock.now()), deps.clock.now())
        explained = explain(number, actor_of(request), deps)
        with deps.store.read(seen_by(request)) as unit:
            return JSONResponse(finding_in_full(unit, name, known, explained))

    @api.get("/fleet-events", summary="One cause on many targets, newest first")
    def fleet(request: Request, limit: Limit = 50, cursor: Cursor = "") -> JSONResponse:
        with deps.store.read(seen_by(request)) as unit:
            events = fleet_events(unit, deps, most=limit + 1, before=_number_before(cursor))
        shown, following = page(events, lambda each: [-each.number], limit, cursor)
        return answer("fleet_events", [fleet_item(each) for each in shown], following)

    @api.get("/fleet-events/{number}", summary="One fleet event with its members")
    def event(request: Request, number: int) -> JSONResponse:
        with deps.store.read(seen_by(request)) as unit:
            found = fleet_event(unit, number, deps)
        if found is None:
            raise HTTPException(404, "There is nothing here that you may see.")
        return JSONResponse(fleet_item(found))

    return api


def answer(noun: str, items: list[Item], following: str | None, head: Mapping[str, Any] | None = None) -> JSONResponse:
    """A list under its noun, with where it goes on: null at its end."""
    return JSONResponse({**(head or {}), noun: items, "next_cursor": following})


def _number_before(cursor: str) -> int | None:
    """The number of the event that a cursor stands on; None where it is none (``page`` refuses it)."""
    try:
        return -int(orjson.loads(base64.urlsafe_b64decode(cursor))[0]) if cursor else None
    except (ValueError, TypeError, LookupError):
        return None


def page(several: Iterable[T], place: Callable[[T], list[Any]], limit: int, cursor: str) -> tuple[list[T], str | None]:
    """The items after a cursor, and the cursor of the next; what comes and goes meanwhile moves no other item.

    Raises:
        HTTPException: 422, it is no cursor of this list.
    """
    rest = sorted(several, key=place)
    if cursor:
        try:
            after = orjson.loads(base64.urlsafe_b64decode(cursor))
            rest = [each for each in rest if place(each) > after]
        except (ValueError, TypeError):
            raise HTTPException(422, "cursor: not one of this list; take next_cursor as it came.") from None
    shown = rest[:limit]
    more = len(rest) > limit
    return shown, base64.urlsafe_b64encode(orjson.dumps(place(shown[-1]))).decode() if more else None
