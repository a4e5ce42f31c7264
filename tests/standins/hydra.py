"""A second source: the sandbox's world behind another API, with spelling of its own.

It shares the world with the sandbox and nothing of its server, so that what a connector reads from
both was not made by one piece of code.
"""

import random
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import uvicorn

from baselines.catalogue import Field, FieldType
from monitor.sandbox.world import Record, World
from monitor.source.manifest import Manifest, read_manifest
from tests.support import CATALOGUE, swa_bytes

USER, PASSWORD, UNIT = "monitor", "hydra", "swa-1"
SPELLED = {
    "percentage": "percent", "rates": "blocks", "up_to": "limit", "effective_from": "validFrom",
    "effective_to": "validUntil",
}  # fmt: skip
LACKING = ("compliance", "portal", "integrations", "notifications")  #: modules that nobody bought
THINGS = {"levies": "tax", "tariffs": "service_plan"}


def hydra_manifest() -> Manifest:
    """The manifest that tells a connector how to read it."""
    file = Path(__file__).with_name("hydra.yaml")
    return read_manifest(file.read_bytes(), file.name, CATALOGUE)


@dataclass
class Hydra:
    """A running server. ``world`` may be changed while it runs."""

    world: World
    url: str = ""
    tokens: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        body = (await receive()).get("body", b"")
        self.asked.append(scope["path"])
        headers = dict(scope["headers"])
        query = dict(part.split("=") for part in scope["query_string"].decode().split("&") if part)
        status, content = self.answer(scope["method"], scope["path"], query, headers.get(b"authorization", b""), body)
        sent = orjson.dumps(content)
        head = [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", str(len(sent)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": sent})

    def answer(self, method: str, path: str, query: dict[str, str], token: bytes, body: bytes) -> tuple[int, Any]:
        """Status and content."""
        if (method, path) == ("POST", "/rest/v3/sessions"):
            if orjson.loads(body) != {"username": USER, "secret": PASSWORD}:
                return 401, {"error": {"code": "bad_credentials"}}
            fresh = secrets.token_hex(8)
            self.tokens.add(fresh)
            return 201, {"session": {"token": fresh, "expires_in": 900}}
        scheme, _, word = token.decode().partition(" ")
        if scheme != "Bearer" or word not in self.tokens:
            return 401, {"error": {"code": "unauthorized"}}
        if path == f"/rest/v3/units/{UNIT}":
            return 200, {"id": UNIT, "title": "San Francisco Water Authority"}
        match = re.fullmatch(f"/rest/v3/units/{UNIT}/([A-Za-z]+)", path)
        name = THINGS.get(match[1], re.sub("[A-Z]", lambda m: f"_{m[0].lower()}", match[1])) if match else ""
        if name not in CATALOGUE.types or CATALOGUE.types[name].module in LACKING:
            return 404, {"error": {"code": "no_such_route"}}
        rows = [self.row(record) for record in self.world.records(name)]
        if query.get("sort") == "id":
            rows.sort(key=lambda row: row["id"])
        else:  # without an order asked for there is none
            random.shuffle(rows)
        start = int(query.get("offset", 0))
        return 200, {"data": rows[start : start + min(int(query.get("limit", 50)), 500)], "meta": {"total": len(rows)}}

    def row(self, record: Record) -> dict[str, Any]:
        """One object: what is not set is left out."""
        row = {spelled(name): self.value(record.kind.fields.get(name), v) for name, v in record.values.items()}
        about = {"createdAt": record.created_at, "modifiedAt": record.updated_at, "modifiedBy": record.updated_by}
        return {"id": number(record), "unitId": UNIT} | row | about

    def value(self, each: Field | None, value: Any) -> Any:
        """A value: ids for references, bare numbers for decimals."""
        if isinstance(value, Record):
            return number(value)
        if isinstance(value, list):
            return [self.value(each.item if each else None, item) for item in value]
        if isinstance(value, dict):
            inner = each.fields if each else {}
            return {spelled(name): self.value(inner.get(name), part) for name, part in value.items()}
        if each is not None and each.type is FieldType.DECIMAL:
            return orjson.Fragment(str(value).encode())
        return value


def spelled(name: str) -> str:
    """A field in camelCase, or as the exceptions say."""
    return SPELLED.get(name) or re.sub("_([a-z0-9])", lambda match: match[1].upper(), name)


def number(record: Record) -> int:
    """Ids are numbers here."""
    return int(record.id[:8], 16)


@contextmanager
def running_hydra() -> Iterator[Hydra]:
    """Hydra with San Francisco Water Authority, on a free port of loopback."""
    hydra = Hydra(World.from_configuration(swa_bytes(), "swa.yaml", CATALOGUE, clock=time.monotonic))
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    hydra.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(hydra, log_level="error", lifespan="off", loop="asyncio", http="h11", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield hydra
    finally:
        server.should_exit = True
        thread.join()
