"""What was asked of the sandbox, and what it answers."""

import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import quote

import orjson

from monitor.sandbox.world import World
from monitor.source.manifest import Manifest, Route

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(slots=True)
class Asked:
    """One request. ``kind``: login, privileges, utility, list, detail, none (no such path)."""

    kind: str
    method: str
    path: str
    url: str  #: path with the query
    host: str  #: scheme and host
    headers: dict[str, str]
    utility: str
    identity: str
    route: Route | None
    page: int
    size: int
    world: World
    manifest: Manifest

    def page_url(self, page: int) -> str:
        """Address of another page of the same list."""
        paging = self.manifest.content.lists.paging
        return f"{self.host}{quote(self.path)}?{paging.at}={page}&{paging.size}={self.size}"


@dataclass(slots=True)
class Answer:
    """What is sent back; ``send`` where it is not sent as answers are."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    send: "Callable[[Exchange, Answer], Awaitable[None]] | None" = None
    ends_log_in: bool = False  #: all tokens die with it

    @classmethod
    def of(cls, content: Any, status: int = 200) -> "Answer":
        """A JSON answer."""
        return cls(status, orjson.dumps(content), {"content-type": "application/json"})


def refused(status: int, why: str) -> Answer:
    """SMART360's body for whatever it refuses."""
    return Answer.of({"state": "error", "results": why}, status)


def not_found(what: str = "Page") -> Answer:
    """A wrong path, a wrong utility, an unknown id, an empty list: only the first word tells them apart."""
    return refused(404, f"{what} not found.")


@dataclass(frozen=True, slots=True)
class Exchange:
    """The two ends of one HTTP exchange, and the connection under it."""

    receive: Receive
    send: Send

    async def begin(self, answer: Answer, length: int | None) -> None:
        """Send status and headers; without a length the body is chunked."""
        headers = dict(answer.headers) | ({} if length is None else {"content-length": str(length)})
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": answer.status, "headers": raw})

    async def more(self, body: bytes, *, is_last: bool = False) -> None:
        """Send a part of the body."""
        await self.send({"type": "http.response.body", "body": body, "more_body": not is_last})

    async def gone(self) -> None:
        """Wait until the other side has gone."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def close(self, *, by_reset: bool) -> None:
        """Close the connection in the middle: with FIN after what was sent, or with RST."""
        transport = self.send.__self__.transport  # type: ignore[attr-defined]  # uvicorn's, for each request
        if by_reset:
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()
        else:
            transport.close()
        await self.gone()


async def send_answer(exchange: Exchange, answer: Answer) -> None:
    """Send an answer whole."""
    await exchange.begin(answer, len(answer.body))
    await exchange.more(answer.body, is_last=True)
