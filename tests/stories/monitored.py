"""A monitor of worlds in this process: a real store, sweeps over real HTTP, and who approved what."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monitor.access import on_host
from monitor.approval import approve, propose_baseline, review_of
from monitor.clock import Clock, SystemClock
from monitor.deps import Deps
from monitor.settings import Settings
from monitor.source import Patience
from monitor.store.unit import Store
from monitor.sweep import SweepReport, sweep
from monitor.target import Definition, Target
from rules.findings import Kind
from rules.lifecycle import Known
from tests.worlds import Served

#: As in earnest but for the pauses: on a busy machine a slow answer is no fault of the world.
PATIENT = Patience(backoff_s=0.01)


class Monitored:
    """Store, settings and the targets of one test."""

    def __init__(self, folder: Path, store: Store, *, clock: Clock | None = None, **settings: object) -> None:
        self.folder = folder
        made = Settings(
            database_url=f"sqlite:///{folder / 'monitor.db'}", state_folder=folder / "state",
            allowed_hosts=["127.0.0.1"], **settings,
        )  # fmt: skip
        self.deps = Deps(made, clock=clock or SystemClock(), patience=PATIENT, open_store=lambda: store)

    def watch(self, name: str, served: Served, zone: str, channel: str = "care", schedule: str = "every 6h") -> Target:
        """Register a world as a target; nothing is due before somebody says so."""
        user, password = (self._secret(f"{name}-{what}", getattr(served, what)) for what in ("user", "password"))
        return self._put(name, Definition(
            source="smart360", url=served.url, utility=served.utility, user=user, password=password, time_zone=zone,
            schedule=schedule, channel=channel, clock="source", requests_per_second=5000, requests_at_once=8,
        ))  # fmt: skip

    def watch_folder(self, name: str, folder: Path, zone: str) -> Target:
        """Register a folder of exports as a target."""
        return self._put(name, Definition(source="files", folder=str(folder), time_zone=zone, schedule="every 6h"))

    def _put(self, name: str, definition: Definition) -> Target:
        tenant, environment = name.split("/")
        with self.deps.store.write() as unit:
            target, _ = unit.targets.put(tenant, environment, definition, self.deps.clock.now())
            return target

    def _secret(self, name: str, value: str) -> str:
        path = self.folder / name.replace("/", "-")
        path.write_text(value, encoding="utf-8")
        return f"file:{path}"

    def sweep(self, target: Target) -> SweepReport:
        """One sweep now."""
        return sweep(target, self.deps.clock.now(), self.deps)

    def approve(self, target: Target, title: str = "as it is") -> str:
        """Olga proposes the newest reading, Nisha approves it whole; returns the digest."""
        proposal = propose_baseline(target, on_host("olga"), self.deps, title=title)
        with self.deps.store.read() as unit:
            digest = review_of(proposal, self.deps, unit).digest
        return approve(proposal, digest, on_host("nisha"), self.deps).baseline.digest

    def open(self, target: Target, *kinds: Kind) -> list[Known]:
        """Open findings, of these kinds or of all."""
        with self.deps.store.read() as unit:
            return [known for _, known in unit.findings.open(target) if not kinds or known.finding.kind in kinds]

    def rules(self, target: Target) -> set[str]:
        """Rules that have an open finding."""
        return {known.finding.rule for known in self.open(target, Kind.RULE)}

    def drift(self, target: Target) -> set[tuple[str, str, str, str, str]]:
        """Open drift, as incidents name it: op, type, key, path, severity."""
        found = (known.finding for known in self.open(target, Kind.DRIFT))
        return {(str(one.op), one.resource_type, one.key, one.path, one.severity.value) for one in found}


@contextmanager
def monitored(folder: Path, *, clock: Clock | None = None, **settings: object) -> Iterator[Monitored]:
    """A monitor with an empty SQLite store in a folder."""
    store = Store.open(f"sqlite:///{folder / 'monitor.db'}", migrate=True)
    try:
        yield Monitored(folder, store, clock=clock, **settings)
    finally:
        store.close()
