"""A source on loopback that answers whatever a test says."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

Headers = dict[str, str]
Answered = tuple[int, Any, Headers]  #: status, JSON content or bytes, headers


@dataclass
class Scripted:
    """A running server. ``answer`` gets method, path and query, after log-in and control read."""

    answer: Callable[[str, str, str], Answered]
    pause_s: float = 0.0
    url: str = ""
    asked: list[tuple[str, str, Headers]] = field(default_factory=list)
    now: int = 0
    most: int = 0  #: requests that were open at once

    async def __call__(self, scope: dict[str, Any], _: Any, send: Any) -> None:
        """Answer one request."""
        method, path, query = scope["method"], scope["path"], scope["query_string"].decode()
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append((method, f"{path}?{query}" if query else path, headers))
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(self.pause_s)
        if path.endswith("/login/"):
            status, content, more = 200, {"token": "token-of-the-test"}, {}
        elif path == "/api/v1/utility/u":
            status, content, more = 200, {"id_string": "u"}, {}
        else:
            status, content, more = self.answer(method, path, query)
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        head = {"content-type": "application/json", "content-length": str(len(body)), **more}
        raw = [(name.encode(), value.encode()) for name, value in head.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})
        self.now -= 1


@contextmanager
def running(server: Scripted, certificate: Path | None = None, **tls: Any) -> Iterator[Scripted]:
    """The server on a free port of loopback."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    scheme = "https" if certificate else "http"
    server.url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    how: dict[str, Any] = {"ssl_certfile": str(certificate), **tls} if certificate else {}
    config = uvicorn.Config(server, log_level="critical", lifespan="off", loop="asyncio", http="h11", ws="none", **how)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        running.should_exit = True
        thread.join()
