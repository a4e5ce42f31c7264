"""Builders that every test may use: SWA as raw objects, and configurations made from raw objects."""

import copy
import json
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import event

from baselines import document
from baselines.canonical import Canonicaliser
from baselines.catalogue import load_catalogue
from baselines.configuration import Configuration
from baselines.fingerprints import SecretKey
from baselines.reader import parse_configuration, raw_value, read_file
from baselines.writer import write_configuration

CATALOGUE = load_catalogue()
SECRETS = SecretKey(b"a key for tests", "swa")
FORM = Canonicaliser(CATALOGUE, zone=ZoneInfo("America/Los_Angeles"), secrets=SECRETS)


def shipped_bytes(tenant: str) -> bytes:
    """The shipped configuration of a tenant of the sandbox."""
    return (resources.files("monitor") / "sandbox" / "tenants" / f"{tenant}.yaml").read_bytes()


def swa_bytes() -> bytes:
    """The shipped configuration of SWA."""
    return shipped_bytes("swa")


@lru_cache(4)
def _shipped(tenant: str) -> dict[str, list[dict[str, Any]]]:
    tree = document.read_document(shipped_bytes(tenant), f"{tenant}.yaml")
    assert isinstance(tree, document.Mapping)
    return {name: raw_value(node) for name, node in tree.items.items() if name != "_about"}  # type: ignore[misc]


def shipped(tenant: str) -> dict[str, list[dict[str, Any]]]:
    """A shipped tenant as raw objects; a copy to edit."""
    return copy.deepcopy(_shipped(tenant))


def swa() -> dict[str, list[dict[str, Any]]]:
    """SWA as raw objects; a copy to edit."""
    return shipped("swa")


def configuration(raw: dict[str, list[dict[str, Any]]], **about: Any) -> Configuration:
    """Raw objects in canonical form; refuses what cannot be read."""
    lists = {}
    for name, objects in raw.items():
        done = [FORM.canonicalise(name, each) for each in objects]
        problems = [problem for one in done for problem in (*one.problems, one.key_problem) if problem]
        assert not problems, problems
        lists[name] = [one.object for one in done]
    return FORM.configuration(lists, about=about)


def read_configuration(path: Path | str) -> Configuration:
    """A configuration file, as ``check`` reads it."""
    return parse_configuration(*read_file(path), CATALOGUE, SECRETS)


def as_json(found: Configuration) -> bytes:
    """The same file as other programs write it."""
    tree = document.read_document(write_configuration(found, CATALOGUE), "t.yaml")
    return json.dumps(document.plain_value(tree), ensure_ascii=False).encode("utf-8", "surrogatepass")


def find(raw: dict[str, list[dict[str, Any]]], resource_type: str, **fields: Any) -> dict[str, Any]:
    """The one raw object that has these values."""
    (found,) = [each for each in raw[resource_type] if all(each.get(k) == v for k, v in fields.items())]
    return found


def queries_of(store, act) -> int:
    """How many statements an act sends to its store."""
    seen = []

    def note(*given) -> None:
        seen.append(given[2])

    event.listen(store.engine, "before_cursor_execute", note)
    try:
        act()
    finally:
        event.remove(store.engine, "before_cursor_execute", note)
    return len(seen)
