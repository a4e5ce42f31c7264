"""One sandbox process for the tests of a module, as new for each test."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from monitor.sandbox.process import SandboxProcess, start_sandbox
from monitor.sandbox.server import PASSWORD, USER
from monitor.source.manifest import smart360_manifest


@dataclass
class Reader:
    """Asks the sandbox as a monitor would, one request at a time."""

    sandbox: SandboxProcess
    token: str = ""

    def log_in(self, password: str = PASSWORD) -> httpx.Response:
        answer = self.sandbox.client.post("/api/v1/user/login/", json={"email": USER, "password": password})
        self.token = answer.json().get("token", "") if answer.status_code == 200 else self.token
        return answer

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.sandbox.client.get(path, params=query or None, headers={"Authorization": self.token})

    def page(self, resource_type: str, **query: Any) -> httpx.Response:
        manifest = smart360_manifest()
        return self.get(manifest.list_path(manifest.routes[resource_type], self.sandbox.utility), **query)

    def detail(self, resource_type: str, identity: str) -> httpx.Response:
        manifest = smart360_manifest()
        return self.get(manifest.detail_path(manifest.routes[resource_type], self.sandbox.utility, identity))

    def utility(self) -> httpx.Response:
        return self.get(smart360_manifest().utility_path(self.sandbox.utility))

    def rows(self, resource_type: str) -> list[dict[str, Any]]:
        answer = self.page(resource_type, page_size=1000)
        rows: list[dict[str, Any]] = answer.json()["results"] if answer.status_code == 200 else []
        return rows

    def control(self, method: str, path: str, content: Any = None) -> Any:
        answer = self.sandbox.client.request(method, path, json=content)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def change(self, op: str, resource: str, key: str, field: str = "", value: Any = None) -> None:
        change = {"op": op, "resource": resource, "key": key, "field": field, "value": value}
        self.control("POST", "/sandbox/changes", {"by": "dana", "changes": [change]})

    def fault(self, name: str, **how: Any) -> None:
        self.control("POST", "/sandbox/faults", {"name": name, **how})

    def fired(self) -> int:
        active = self.control("GET", "/sandbox/faults")["active"]
        return sum(each["fired"] for each in active)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with start_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def reader(sandbox: SandboxProcess) -> Reader:
    if "client" in sandbox.__dict__:  # a fault of the test before may have reset its kept connection
        sandbox.__dict__.pop("client").close()
    reader = Reader(sandbox)
    reader.control("DELETE", "/sandbox/faults")
    reader.control("POST", "/sandbox/reset")
    reader.log_in()
    reader.control("DELETE", "/sandbox/log")
    return reader
