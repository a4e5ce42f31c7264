"""Make-believe SMART360s inside the process of a test: each on loopback, asked over real HTTP."""

import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from types import TracebackType
from typing import Any

import httpx
import uvicorn

from monitor.sandbox.server import PASSWORD, USER, Sandbox, create_app
from monitor.sandbox.world import START, World
from monitor.source.manifest import smart360_manifest
from tests.support import CATALOGUE


@dataclass
class Served:
    """One world and the address it answers at."""

    app: Sandbox
    url: str
    user: str = USER
    password: str = PASSWORD

    @property
    def world(self) -> World:
        return self.app.source.world

    @property
    def utility(self) -> str:
        return self.world.utility

    @cached_property
    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, trust_env=False)

    def control(self, method: str, path: str, content: Any = None) -> Any:
        """Ask the sandbox itself."""
        answer = self.client.request(method, path, json=content)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def change(self, changes: Iterable[dict[str, Any]]) -> None:
        """Change the world as an administrator would."""
        self.control("POST", "/sandbox/changes", {"by": "an.administrator@utility.example", "changes": list(changes)})

    def fault(self, name: str, *lists: str, times: int | None = None, **options: Any) -> None:
        """Switch a fault on."""
        often = {} if times is None else {"times": times}
        self.control("POST", "/sandbox/faults", {"name": name, "lists": lists, "options": options, **often})

    def heal(self) -> None:
        """Switch all faults off."""
        self.control("DELETE", "/sandbox/faults")


class Worlds:
    """All that are served; leaving the context ends them."""

    def __init__(self) -> None:
        self._running: list[tuple[uvicorn.Server, threading.Thread, Served]] = []

    def __enter__(self) -> "Worlds":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for server, _, served in self._running:
            served.client.close()
            server.should_exit = server.force_exit = True
        for _, thread, _ in self._running:
            thread.join(20)

    def serve(
        self, data: bytes, name: str, clock: Callable[[], float] = time.monotonic, start: datetime = START
    ) -> Served:
        """Serve the world of a configuration file on a free port.

        Args:
            data, name: content and name of the file.
            clock: seconds; the world's time moves on with it.
            start: the world's time at first.
        """
        world = World.from_configuration(data, name, CATALOGUE, start=start, clock=clock)
        app = create_app(world, smart360_manifest())
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        config = uvicorn.Config(
            app, log_level="error", access_log=False, lifespan="off", loop="asyncio", http="h11", ws="none",
            timeout_keep_alive=3600,  # else a client that was busy for five seconds meets a closing connection
            date_header=False, server_header=False, proxy_headers=False,
        )  # fmt: skip
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name=name, daemon=True)
        thread.start()
        served = Served(app, f"http://127.0.0.1:{listener.getsockname()[1]}")
        self._running.append((server, thread, served))
        return served
