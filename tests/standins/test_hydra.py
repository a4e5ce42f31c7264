"""The second stand-in speaks as its manifest says."""

from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from baselines import document
from baselines.reader import parse_configuration
from monitor.source.manifest import Reference
from tests.standins.hydra import PASSWORD, UNIT, USER, Hydra, hydra_manifest, running_hydra
from tests.support import CATALOGUE, FORM, SECRETS, swa_bytes

MANIFEST = hydra_manifest()


@pytest.fixture(scope="module")
def hydra() -> Iterator[Hydra]:
    with running_hydra() as hydra:
        yield hydra


@pytest.fixture
def client(hydra: Hydra) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=hydra.url, trust_env=False) as client:
        answer = client.post("/rest/v3/sessions", json={"username": USER, "secret": PASSWORD})
        client.headers["authorization"] = f"Bearer {answer.json()['session']['token']}"
        yield client


def rows(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    """All rows, page by page, with decimals as they were written."""
    found: list[dict[str, Any]] = []
    while True:
        answer = client.get(path, params={"offset": len(found), "limit": 25, "sort": "id"})
        page = document.plain_value(document.read_document(answer.content, "page.json"))
        found += page["data"]
        if len(found) >= page["meta"]["total"]:
            return found


def test_its_lists_read_by_its_manifest_mean_what_the_file_means(client: httpx.Client, hydra: Hydra) -> None:
    read = {name: rows(client, MANIFEST.list_path(route, UNIT)) for name, route in MANIFEST.routes.items()}
    raw = {name: [MANIFEST.routes[name].read(row) for row in found] for name, found in read.items()}
    keys = {int(record.id[:8], 16): record.key for record in hydra.world.by_id.values()}

    def resolved(value: Any) -> Any:
        if isinstance(value, Reference):
            return keys[int(value.id)]
        return [resolved(item) for item in value] if isinstance(value, list) else value

    lists = {
        name: [FORM.canonicalise(name, {k: resolved(v) for k, v in each.items()}).object for each in objects]
        for name, objects in raw.items()
    }
    due = parse_configuration(swa_bytes(), "swa.yaml", CATALOGUE, SECRETS).lists
    found = FORM.configuration(lists).lists
    assert len(found) == 60
    assert {name: each.digest for name, each in found.items()} == {name: due[name].digest for name in found}


def test_it_is_spelled_unlike_smart360(client: httpx.Client) -> None:
    (plan,) = [row for row in rows(client, f"/rest/v3/units/{UNIT}/tariffs") if row["code"] == "RES-VAR"]
    assert plan["isActive"] is True
    assert plan["blocks"][0].keys() == {"above", "limit", "rate"}
    assert isinstance(plan["category"], int)
    assert b'"rate":4.10' in client.get(f"/rest/v3/units/{UNIT}/tariffs", params={"limit": 500}).content


def test_rows_have_no_order_unless_it_is_asked_for(client: httpx.Client) -> None:
    path = f"/rest/v3/units/{UNIT}/premise"
    seen = {tuple(row["id"] for row in client.get(path).json()["data"]) for _ in range(5)}
    sorted_twice = {tuple(row["id"] for row in client.get(path, params={"sort": "id"}).json()["data"]) for _ in "ab"}
    assert (len(seen) > 1, len(sorted_twice)) == (True, 1)


def test_an_empty_list_is_no_error_and_a_wrong_path_is(client: httpx.Client, hydra: Hydra) -> None:
    hydra.world.records("holiday").clear()
    assert client.get(f"/rest/v3/units/{UNIT}/holiday").json() == {"data": [], "meta": {"total": 0}}
    hydra.world.reset()
    assert client.get(f"/rest/v3/units/{UNIT}/spell").status_code == 404
    assert client.get("/rest/v3/units/other").status_code == 404
    assert client.get(MANIFEST.utility_path(UNIT)).json()["id"] == UNIT


def test_the_token_needs_its_word_before_it(client: httpx.Client) -> None:
    token = client.headers["authorization"].removeprefix("Bearer ")
    assert client.get(f"/rest/v3/units/{UNIT}", headers={"authorization": token}).status_code == 401
    refused = client.post("/rest/v3/sessions", content=orjson.dumps({"username": USER, "secret": "?"}))
    assert refused.status_code == 401
