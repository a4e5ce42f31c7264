"""A SMART360 on loopback: its API by the manifest, and ``/sandbox`` to change it from outside.

The API is plain ASGI, so that a fault can send what no framework would; ``/sandbox`` is FastAPI.
"""

import re
import secrets
import socket
from collections import deque
from collections.abc import Callable, Iterable, MutableMapping
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict

from baselines.errors import Smart360Error
from monitor.sandbox.exchange import Answer, Asked, Exchange, Receive, Scope, Send, not_found, refused, send_answer
from monitor.sandbox.faults import FAULTS, Faults, Stage
from monitor.sandbox.rows import is_moving, usual_style, write_row
from monitor.sandbox.world import Change, Op, Record, World, plain, stamp
from monitor.source.manifest import Manifest, Route

USER: Final = "monitor@swa-water.example"
PASSWORD: Final = "sandbox"  # noqa: S105 - of a make-believe SMART360
TOKEN_LIFE: Final = 4 * 3600  #: seconds of the world's time
ADMINISTRATOR: Final = "dana.whitfield@swa-water.example"  #: who makes a change that names nobody
USUAL_PAGE, LARGEST_PAGE = 100, 1000


class SourceApi:
    """What SMART360 itself answers. Reads only; all else is refused and logged."""

    def __init__(self, world: World, manifest: Manifest, faults: Faults) -> None:
        self.world, self.manifest, self.faults = world, manifest, faults
        self.log: deque[dict[str, Any]] = deque(maxlen=100_000)
        self.without: frozenset[str] = frozenset()  #: privileges that the user lacks
        self._tokens: dict[str, float] = {}
        self._things = {route.thing: route for route in manifest.routes.values()}
        content = manifest.content
        self._paths = [
            ("login", _pattern(content.api + content.log_in.path)),
            ("privileges", _pattern(content.api + content.privileges)),
            ("utility", _pattern(content.api + content.utility)),
            ("list", _pattern(content.api + content.lists.path)),
            ("detail", _pattern(content.api + content.lists.detail)),
        ]
        self._records: dict[str, tuple[int, list[Record]]] = {}
        self._rows: dict[str, tuple[tuple[int, int], dict[int, bytes]]] = {}

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, with the faults that are on."""
        asked = self._asked(scope)
        body = await _body(receive) if asked.method == "POST" else b""
        answer = self.faults.answer(asked)
        if answer is not None:
            self._tokens = {} if answer.ends_log_in else self._tokens
        else:
            answer = self._answer(asked, body)
        answer = self.faults.changed(Stage.SEND, asked, answer)
        at = stamp(self.world.now())
        self.log.append({"method": asked.method, "path": asked.url, "status": answer.status, "at": at})
        answer.headers["date"] = http_date(self.world)
        await (answer.send or send_answer)(Exchange(receive, send), answer)

    def _asked(self, scope: Scope) -> Asked:
        path, query = scope["path"], scope["query_string"].decode("latin-1")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        kind, parts = "none", {}
        for name, pattern in self._paths:
            if match := pattern.fullmatch(path):
                kind, parts = name, match.groupdict()
                break
        route = self._things.get(parts.get("thing", ""))
        if kind in ("list", "detail") and route is None:
            kind = "none"
        paging = self.manifest.content.lists.paging
        asks = dict(parse_qsl(query))
        host = f"{scope['scheme']}://{headers.get('host', 'localhost')}"
        return Asked(
            kind, scope["method"], path, f"{path}?{query}" if query else path, host, headers,
            parts.get("utility", ""), parts.get("id", ""), route, _number(asks.get(paging.at), 1, 10**9),
            _number(asks.get(paging.size), USUAL_PAGE, LARGEST_PAGE), self.world, self.manifest,
        )  # fmt: skip

    def _answer(self, asked: Asked, body: bytes) -> Answer:
        if asked.method != ("POST" if asked.kind == "login" else "GET"):
            return refused(405, f'Method "{asked.method}" not allowed.')
        if asked.kind == "login":
            return self._log_in(body)
        if not self._is_logged_in(asked):
            return refused(401, "Token has expired.")
        if asked.kind == "privileges":
            return Answer.of(self.faults.changed(Stage.PRIVILEGES, asked, self._privileges()))
        if asked.kind == "none" or asked.utility != self.world.utility:
            return not_found()
        if asked.kind == "utility":
            return self._utility()
        assert asked.route is not None
        if asked.route.privilege in self.without:
            return refused(403, "You do not have permission to perform this action.")
        return self._detail(asked, asked.route) if asked.kind == "detail" else self._list(asked, asked.route)

    def _log_in(self, body: bytes) -> Answer:
        log_in = self.manifest.content.log_in
        own = {"user": USER, "password": PASSWORD}
        try:
            sent = orjson.loads(body)
        except orjson.JSONDecodeError:
            sent = None
        if not isinstance(sent, dict) or any(sent.get(name) != own[of] for name, of in log_in.send.items()):
            return refused(401, "Unable to log in with the credentials provided.")
        now = self.world.elapsed()
        token = secrets.token_hex(20)
        self._tokens = {each: born for each, born in self._tokens.items() if now - born < TOKEN_LIFE} | {token: now}
        self.world.log_in(USER)
        told: Any = token
        for part in reversed(log_in.token.split(".")):
            told = {part: told}
        return Answer.of({"state": "success", **told})

    def _is_logged_in(self, asked: Asked) -> bool:
        log_in = self.manifest.content.log_in
        token = asked.headers.get(log_in.header.lower(), "")
        if log_in.scheme:
            scheme, _, token = token.partition(" ")
            if scheme != log_in.scheme:
                return False
        born = self._tokens.get(token)
        return born is not None and self.world.elapsed() - born < TOKEN_LIFE

    def _privileges(self) -> list[dict[str, str]]:
        needed = {route.privilege for route in self.manifest.routes.values() if route.privilege}
        return [{"module": module, "privilege": "VIEW"} for module in sorted(needed - self.without)]

    def _utility(self) -> Answer:
        found = next(iter(self.world.lists["utility"]), None)
        values = found.values if found is not None else {}
        told = {"name": values.get("name", ""), "status": str(values.get("status", "approved")).upper()}
        return Answer.of({self.manifest.content.object.id: self.world.utility, **told})

    def _detail(self, asked: Asked, route: Route) -> Answer:
        record = self.world.by_id.get(asked.identity)
        if record is None or record.kind is not route.kind:
            return not_found(route.kind.title)
        style = self.faults.changed(Stage.STYLE, asked, usual_style(self.manifest))
        return Answer.of(write_row(record, route, self.manifest, self.world, style))

    def _list(self, asked: Asked, route: Route) -> Answer:
        usual = self._listed(route)
        records = self.faults.changed(Stage.RECORDS, asked, usual)
        asked.size = self.faults.changed(Stage.SIZE, asked, asked.size)
        total = len(records)
        if not total:
            return not_found(route.kind.title)
        start, stop = (asked.page - 1) * asked.size, asked.page * asked.size
        if start >= total:
            return refused(404, "Invalid page.")
        start, stop = self.faults.changed(Stage.WINDOW, asked, (start, stop))
        paging = self.manifest.content.lists.paging
        page: dict[str, Any] = {
            paging.count or "count": total,
            paging.next or "next": asked.page_url(asked.page + 1) if stop < total else None,
            "previous": asked.page_url(asked.page - 1) if asked.page > 1 else None,
        }
        style = usual_style(self.manifest)
        if not self.faults.touches_rows(asked) and records is usual:
            page[paging.rows] = orjson.Fragment(b"[" + b",".join(self._encoded(route, usual, start, stop)) + b"]")
            return Answer.of(page)
        style = self.faults.changed(Stage.STYLE, asked, style)
        rows = [write_row(each, route, self.manifest, self.world, style) for each in records[start:stop]]
        page[paging.rows] = self.faults.changed(Stage.ROWS, asked, rows)
        return Answer.of(self.faults.changed(Stage.BODY, asked, page))

    def _listed(self, route: Route) -> list[Record]:
        """Active objects in the order of a list: by a name that may not be unique."""
        name, revision = route.kind.name, self.world.revision[route.kind.name]
        kept = self._records.get(name)
        if kept is None or kept[0] != revision:
            active = self.manifest.content.active
            records = [each for each in self.world.lists[name] if each.is_active(active)]
            kept = self._records[name] = (revision, sorted(records, key=lambda each: each.label))
        return kept[1]

    def _encoded(self, route: Route, records: list[Record], start: int, stop: int) -> Iterable[bytes]:
        """Rows as bytes, each made once until the list changes (or, where counters run, the second)."""
        name = route.kind.name
        state = (self.world.revision[name], int(self.world.elapsed()) if is_moving(route) else 0)
        kept = self._rows.get(name)
        if kept is None or kept[0] != state:
            kept = self._rows[name] = (state, {})
        rows, style = kept[1], usual_style(self.manifest)
        for place in range(start, min(stop, len(records))):
            if place not in rows:
                row = write_row(records[place], route, self.manifest, self.world, style)
                rows[place] = orjson.dumps(row)
            yield rows[place]


def _pattern(template: str) -> re.Pattern[str]:
    """A path of the manifest as a pattern; a query in it is no part of the path."""
    parts = re.split(r"\{([a-z]+)\}", template.partition("?")[0].rstrip("/"))
    named = (f"(?P<{part}>[^/]+)" if place % 2 else re.escape(part) for place, part in enumerate(parts))
    return re.compile("".join(named) + "/?")


def _number(text: str | None, usual: int, most: int) -> int:
    return min(int(text), most) if text and re.fullmatch("[1-9][0-9]{0,8}", text) else usual


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


def http_date(world: World) -> str:
    """The world's time as the Date header tells it."""
    return format_datetime(world.now(), usegmt=True)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Changes(_Body):
    by: str = ADMINISTRATOR
    changes: list[Change]


class _Object(_Body):
    by: str = ADMINISTRATOR
    value: dict[str, Any]


class _Fault(_Body):
    name: str
    lists: list[str] = []
    times: int | None = None
    options: dict[str, Any] = {}


class _Clock(_Body):
    advance_seconds: float


class _Privileges(_Body):
    without: list[str]


class Sandbox(FastAPI):
    """The app: ``/sandbox`` is its own, everything else is SMART360's."""

    source: SourceApi

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and not scope["path"].startswith("/sandbox/"):
            await self.source.answer(scope, receive, send)
            return

        async def dated(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"date", http_date(self.source.world).encode())]
            await send(message)

        await super().__call__(scope, receive, dated)


def create_app(world: World, manifest: Manifest, *, faults: Iterable[str] = ()) -> Sandbox:
    """The sandbox as an ASGI app.

    Args:
        world: what is served, and changed by ``/sandbox``.
        manifest: routes and spelling.
        faults: names of those that are on from the beginning.

    Raises:
        UnknownFault: a name is none of a fault.
    """
    app = Sandbox(title="SMART360 sandbox", openapi_url=None)
    app.source = source = SourceApi(world, manifest, Faults(world))
    for name in faults:
        source.faults.switch_on(name)

    @app.exception_handler(Smart360Error)
    async def _refuse(_: Request, error: Smart360Error) -> Response:
        return _json({"error": error.what, "where": error.where, "mend": error.mend}, 422)

    def change(by: str, *changes: Change) -> Response:
        world.apply(changes, by)
        return _json({"changed": len(changes), "at": stamp(world.now())})

    @app.get("/sandbox/health")
    async def health() -> Response:
        count = sum(map(len, world.lists.values()))
        return _json({"utility": world.utility, "objects": count, "now": stamp(world.now()), "user": USER})

    @app.post("/sandbox/changes")
    async def changes(body: _Changes) -> Response:
        return change(body.by, *body.changes)

    @app.post("/sandbox/reset")
    async def reset() -> Response:
        world.reset()
        source.without = frozenset()
        return _json({"reset": True})

    @app.get("/sandbox/faults")
    async def faults_on() -> Response:
        known = {name: each.what for name, each in sorted(FAULTS.items())}
        return _json({"active": [each.told() for each in source.faults.active], "known": known})

    @app.post("/sandbox/faults")
    async def switch_on(body: _Fault) -> Response:
        for name in body.lists:
            world.records(name)
        source.faults.switch_on(body.name, body.lists, body.times, body.options)
        return _json({"on": body.name})

    @app.delete("/sandbox/faults")
    async def switch_off() -> Response:
        source.faults.active.clear()
        return _json({"active": []})

    @app.get("/sandbox/log")
    async def log() -> Response:
        return _json(list(source.log))

    @app.delete("/sandbox/log")
    async def clear_log() -> Response:
        source.log.clear()
        return _json([])

    @app.get("/sandbox/trail")
    async def trail() -> Response:
        return _json(list(world.trail))

    @app.get("/sandbox/config")
    async def config() -> Response:
        return _json(world.configuration())

    @app.post("/sandbox/clock")
    async def clock(body: _Clock) -> Response:
        world.advance(body.advance_seconds)
        return _json({"now": stamp(world.now())})

    @app.post("/sandbox/privileges")
    async def privileges(body: _Privileges) -> Response:
        source.without = frozenset(body.without)
        return _json({"without": sorted(source.without)})

    @app.get("/sandbox/{resource}/{key:path}")
    async def show(resource: str, key: str) -> Response:
        return _json(plain(world.find(resource, key)))

    @app.post("/sandbox/{resource}/{key:path}")
    async def add(resource: str, key: str, body: _Object) -> Response:
        return change(body.by, Change(Op.ADD, resource, key, value=body.value))

    @app.put("/sandbox/{resource}/{key:path}")
    async def put(resource: str, key: str, body: _Object) -> Response:
        return change(body.by, *(Change(Op.SET, resource, key, name, value) for name, value in body.value.items()))

    @app.delete("/sandbox/{resource}/{key:path}")
    async def remove(resource: str, key: str, by: str = ADMINISTRATOR, soft: bool = False) -> Response:
        return change(by, Change(Op.DEACTIVATE if soft else Op.REMOVE, resource, key))

    return app


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def run(app: Sandbox, host: str, port: int, *, ready: Callable[[str], None] = lambda _: None) -> None:
    """Serve until interrupted.

    Args:
        host, port: where to listen; port 0 takes a free one.
        ready: called with the address once the port takes connections.
    """
    # With the protocol named, asyncio sets TCP_NODELAY; without it each answer would wait 40 ms.
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(128)
    ready(f"http://{host}:{listener.getsockname()[1]}")
    config = uvicorn.Config(
        app, log_level="error", access_log=False, lifespan="off", loop="asyncio", http="h11", ws="none",
        date_header=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[listener])
