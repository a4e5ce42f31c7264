"""A target that real sweeps of the sandbox fill, at moments that the test sets."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from monitor.access import on_host
from monitor.approval import approve, propose_baseline, review_of
from monitor.clock import SetClock
from monitor.demo import incidents
from monitor.deps import Deps
from monitor.sandbox.process import start_sandbox
from monitor.sandbox.server import PASSWORD, USER
from monitor.settings import Settings
from monitor.store.unit import Store
from monitor.sweep import sweep
from monitor.target import Definition, Target
from tests.monitor.watch import QUICK

NOW = datetime(2026, 11, 24, 14, 12, tzinfo=UTC)  #: Tue 24 Nov 06:12 in Portland


@dataclass
class Watched:
    """One target, its store and its sandbox."""

    deps: Deps
    sandbox: object
    target: Target

    def sweep(self, target: Target | None = None):
        return sweep(target or self.target, self.deps.clock.at, self.deps)

    def later(self, **span):
        self.deps.clock.at += timedelta(**span)

    def approve(self):
        proposal = propose_baseline(self.target, on_host("olga.brandt"), self.deps)
        with self.deps.store.read() as unit:
            digest = review_of(proposal, self.deps, unit).digest
        return approve(proposal, digest, on_host("nisha.rao"), self.deps).baseline

    def happen(self, incident: str):
        changes = next(each.changes for each in incidents() if each.name == incident)
        self.control("/sandbox/changes", {"by": "mei.tanaka@swa-water.example", "changes": changes})

    def fault(self, name: str, *lists: str):
        self.control("/sandbox/faults", {"name": name, "lists": list(lists)})

    def control(self, path: str, body: object):
        self.sandbox.client.post(path, json=body).raise_for_status()

    def register(self, name: str, **changed) -> Target:
        tenant, environment = name.split("/")
        with self.deps.store.write() as unit:
            definition = replace(self.target.definition, **changed)
            return unit.targets.put(tenant, environment, definition, self.deps.clock.at)[0]


@pytest.fixture(scope="package")
def sandbox():
    with start_sandbox() as running:
        yield running


@pytest.fixture
def watched(sandbox, tmp_path):
    sandbox.client.delete("/sandbox/faults").raise_for_status()
    sandbox.client.post("/sandbox/reset").raise_for_status()
    for name, value in (("user", USER), ("password", PASSWORD)):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(value)
    store = Store.open(f"sqlite:///{tmp_path / 'monitor.db'}", migrate=True)
    settings = Settings(database_url="sqlite://", state_folder=tmp_path, allowed_hosts=["127.0.0.1"])
    deps = Deps(settings, clock=SetClock(NOW), worker="w", patience=QUICK, open_store=lambda: store)
    definition = Definition(
        source="smart360", url=sandbox.url, utility=sandbox.utility, user=f"file:{tmp_path / 'user'}",
        password=f"file:{tmp_path / 'password'}", time_zone="America/Los_Angeles", schedule="every 6h", clock="source",
        channel="swa-care", requests_per_second=5000, requests_at_once=8,
    )  # fmt: skip
    with store.write() as unit:
        target, _ = unit.targets.put("swa", "production", definition, NOW)
    yield Watched(deps, sandbox, target)
    store.close()
