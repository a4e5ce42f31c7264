"""What tests keep: targets, claims, configurations, findings and stories with good defaults."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from alerts.alert import AlertEvent, AlertKind, AlertReason, AlertStory
from baselines.configuration import Configuration
from baselines.severity import Severity
from monitor.store.sweeps import Claim
from monitor.store.unit import Store
from monitor.target import Definition, Target
from rules.findings import Finding, Kind
from rules.selector import Selector
from rules.waivers import Waiver
from tests.support import configuration, swa

NOW = datetime(2026, 11, 24, 15, 0, 0, 123456, tzinfo=UTC)
LEASE = timedelta(seconds=30)
DEFINITION = Definition(source="files", folder="exports", time_zone="America/Los_Angeles", schedule="every 6h")


def registered(store: Store, name: str = "swa/production", **fields: Any) -> Target:
    """A target, due at NOW."""
    tenant, _, environment = name.partition("/")
    with store.write() as unit:
        return unit.targets.put(tenant, environment, replace(DEFINITION, **fields), NOW)[0]


def claimed(store: Store, target: Target, slot: datetime = NOW, owner: str = "w-1") -> Claim:
    """A running sweep."""
    with store.write() as unit:
        claim = unit.sweeps.claim(target, slot, owner, slot, LEASE)
    assert claim is not None
    return claim


def finished(store: Store, target: Target, slot: datetime = NOW, state: str = "complete", fault: str = "") -> int:
    """A sweep that is over; its number."""
    claim = claimed(store, target, slot)
    with store.write() as unit:
        unit.sweeps.finish(claim, state, slot, fault=fault, report={})
    return claim.fence


def somebody_waits(store: Store) -> bool:
    """True if a transaction waits for another one; SQLite does not say, and has one writer at a time anyway."""
    if store.engine.dialect.name == "sqlite":
        return True
    with store.engine.connect() as connection:
        waiting = """
            select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()
        """
        return bool(connection.exec_driver_sql(waiting).scalar())


def small(rate: str = "4.10", **more: list[dict[str, Any]]) -> Configuration:
    """Two lists of SWA: its taxes, and one plan with this rate in its first slab."""
    raw = swa()
    plan = next(each for each in raw["service_plan"] if each["code"] == "COM-VAR")
    plan["rates"][0]["rate"] = rate
    return configuration({"service_plan": [plan], "tax": raw["tax"], **more})


def kept(store: Store, target: Target, what: Configuration, slot: datetime = NOW) -> int:
    """A snapshot of a finished sweep; its number."""
    sweep = finished(store, target, slot)
    with store.write() as unit:
        return unit.snapshots.keep(target, sweep, what, slot, len(what.lists), len(what.lists))


def finding(key: str = "COM-VAR", new: str = "4.85", **fields: Any) -> Finding:
    """A rate that drifted."""
    given: dict[str, Any] = {
        "kind": Kind.DRIFT, "rule": "", "severity": Severity.CRITICAL, "module": "billing",
        "resource_type": "service_plan", "key": key, "path": "rates[up_to=10].rate", "title": "A rate changed",
        "message": f"The rate of {key} is {new}, approved is 4.1.", "old": "4.1", "new": new,
    }  # fmt: skip
    return Finding(**{**given, **fields})


def asked(target: str = "swa/production", **fields: Any) -> Waiver:
    """A waiver of one finding, for a day, that nobody approved yet."""
    given: dict[str, Any] = {
        "number": 0, "targets": (target,), "fingerprint": finding().fingerprint, "match": Selector(),
        "subject": "finding 7F3K", "reason": "the council decides in January", "ticket": "",
        "ends": NOW + timedelta(days=1), "asked_by": "olga", "asked_at": NOW,
    }  # fmt: skip
    return Waiver(**{**given, **fields})


def story(
    revision: int = 1, key: str = "swa/production:sweep-1", *events: AlertReason, headline: str = ""
) -> AlertStory:
    """A revision of a message, and what happened since the one before."""
    return AlertStory(
        key=key, revision=revision, kind=AlertKind.FINDINGS, target="swa/production", utility="SWA", lines=(),
        read_at=NOW, zone="UTC", lists_read=2, lists_total=2, readiness=None, readiness_before=None, link="",
        first_reading=False, objects=9, rules=0, headline=headline,
        events=tuple(AlertEvent(reason, NOW, str(revision)) for reason in events),
    )  # fmt: skip


def count(store: Store, table: str) -> int:
    """Rows of a table."""
    with store.engine.connect() as connection:
        return int(connection.execute(text(f"select count(*) from {table}")).scalar_one())


def write(store: Store, statement: str, **values: Any) -> None:
    """Change rows behind the store's back."""
    with store.engine.begin() as connection:
        connection.execute(text(statement), values)


def in_a_write(store: Store, act: Callable[[Any], Any]) -> Any:
    """What an act gives that is a transaction by itself."""
    with store.write() as unit:
        return act(unit)
