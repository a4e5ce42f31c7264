"""How far running sweeps have come, as server-sent events: one a second at most (U17)."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from monitor.deps import Deps
from monitor.errors import StoreError
from monitor.store.seen import Tenants
from monitor.web.frame import Web, seen_by

EVERY: Final = 1.0  #: seconds
LONGEST: Final = 600  #: events of one stream; the browser asks again


def routes(web: Web) -> APIRouter:
    """The streams of the fleet and of one target."""
    router = APIRouter()

    @router.get("/events")
    def everywhere(request: Request) -> StreamingResponse:
        return _stream(web.deps, seen_by(request))

    @router.get("/targets/{tenant}/{environment}/events")
    def of_target(request: Request, tenant: str, environment: str) -> StreamingResponse:
        name = f"{tenant}/{environment}"
        running(web.deps, seen_by(request), name)
        return _stream(web.deps, seen_by(request), name)

    return router


def running(deps: Deps, seen: Tenants = None, only: str = "") -> Mapping[str, str]:
    """How far each running sweep has come, by target: ``31 of 87 lists``.

    Raises:
        UnknownTarget: the only one asked for is not watched.
    """
    with deps.store.read(seen) as unit:
        progress = unit.sweeps.progress()
        targets = [unit.targets.named(only)] if only else unit.targets.all() if progress else []
    return {each.name: progress[each.id] or "…" for each in targets if each.id in progress}


def _stream(deps: Deps, seen: Tenants, only: str = "") -> StreamingResponse:
    return StreamingResponse(_events(deps, seen, only), media_type="text/event-stream")


async def _events(deps: Deps, seen: Tenants, only: str) -> AsyncIterator[bytes]:
    """What has changed, until nothing runs any more: then ``done``, and the browser stops asking."""
    before: Mapping[str, str] = {}
    for _ in range(LONGEST):
        try:
            now = await run_in_threadpool(running, deps, seen, only)
        except StoreError:
            return  # the browser asks again
        if now != before:
            yield b"data: " + orjson.dumps(now) + b"\n\n"
        if not now or before.keys() - now.keys():
            yield b"event: done\ndata: {}\n\n"
            return
        before = now
        await asyncio.sleep(EVERY)
