"""Metrics, read from the store at scrape time: every replica tells the same, and a restart loses none.

Names and labels are those of contracts §5. No label ever holds an object's name or key.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from importlib import metadata
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from baselines.catalogue import Catalogue
from monitor.audit import ChainWatch, anchor_age
from monitor.deps import Deps
from monitor.store.counters import BUCKETS
from monitor.store.unit import Unit
from monitor.target import Target

_PLACE = ("tenant", "environment")


def make_registry(deps: Deps, loops: Mapping[str, datetime] | None = None) -> CollectorRegistry:
    """A registry that reads the store when it is scraped.

    Args:
        deps: store and clock.
        loops: when each loop of this process last turned; None: it runs none.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_State(deps, loops))
    return registry


class _State(Collector):
    """Everything the store knows, as metrics."""

    def __init__(self, deps: Deps, loops: Mapping[str, datetime] | None) -> None:
        self.deps, self.loops = deps, loops
        self.chain = ChainWatch(deps)

    def describe(self) -> list[Metric]:
        """Nothing is read when the registry is made."""
        return []

    def collect(self) -> Iterator[Metric]:
        """One read transaction for a whole scrape."""
        with self.deps.store.read() as unit:
            targets = unit.targets.all()
            yield from self._targets(unit, targets)
            yield from self._alerts(unit)
            yield from self._audit(unit)
            yield from _counted(unit, {(target.tenant, target.environment) for target in targets})
        build = GaugeMetricFamily("smart360_build_info", "Version of the program.", labels=("version",))
        build.add_metric((metadata.version("smart360-monitor"),), 1)
        yield build
        if self.loops is not None:
            turns = GaugeMetricFamily(
                "smart360_loop_last_turn_timestamp_seconds", "When a loop last finished a turn.", labels=("loop",)
            )
            for name, at in list(self.loops.items()):
                turns.add_metric((name,), at.timestamp())
            yield turns

    def _targets(self, unit: Unit, targets: Sequence[Target]) -> Iterator[Metric]:
        now = self.deps.clock.now()
        gauges = {
            name: GaugeMetricFamily(f"smart360_{name}", told, labels=labels)
            for name, (told, labels) in {
                "readiness_ratio": ("Required rules passed ÷ (passed + failed).", _PLACE),
                "rules_undecided": ("Rules that could not be decided.", _PLACE),
                "snapshot_last_success_timestamp_seconds": ("When the newest good reading was taken.", _PLACE),
                "snapshot_objects": ("Objects of the newest reading.", (*_PLACE, "module")),
                "coverage_ratio": ("Lists read ÷ lists in scope.", _PLACE),
                "baseline_approved_timestamp_seconds": ("When the current baseline was approved.", _PLACE),
                "proposals_waiting": ("Open proposals.", _PLACE),
                "sweep_lag_seconds": ("How long the next sweep is overdue.", _PLACE),
            }.items()
        }
        baseline = InfoMetricFamily("smart360_baseline", "The current baseline.", labels=_PLACE)
        good = unit.sweeps.newest(("complete", "partial"))
        baselines, proposals = unit.baselines.current_of(targets), unit.baselines.open_numbers()
        for target in targets:
            place = (target.tenant, target.environment)
            if target.id in good:
                self._figures(place, good[target.id].report, gauges, self.deps.catalogue_of(target))
            current = baselines.get(target.id)
            if current is not None:
                baseline.add_metric(place, {"version": str(current.version), "digest": current.digest[:15]})
                gauges["baseline_approved_timestamp_seconds"].add_metric(place, current.approved_at.timestamp())
            gauges["proposals_waiting"].add_metric(place, len(proposals.get(target.id, ())))
            late = (now - target.next_run_at).total_seconds() if target.next_run_at and not target.paused_at else 0
            gauges["sweep_lag_seconds"].add_metric(place, max(0.0, late))
        yield from gauges.values()
        yield baseline
        findings = GaugeMetricFamily(
            "smart360_findings_open", "Findings that are not resolved.", labels=(*_PLACE, "module", "severity", "kind")
        )
        for labels, count in unit.findings.counts().items():
            findings.add_metric(labels, count)
        yield findings
        waivers = {each.number for several in unit.waivers.in_force(now).values() for each in several}
        active = GaugeMetricFamily("smart360_waivers_active", "Waivers in force; what they cover stays open.")
        active.add_metric((), len(waivers))
        yield active

    def _figures(
        self, place: tuple[str, str], report: Mapping[str, Any], gauges: Mapping[str, Any], catalogue: Catalogue
    ) -> None:
        """Of the newest sweep that read something."""
        if report["readiness"] is not None:
            gauges["readiness_ratio"].add_metric(place, report["readiness"])
        gauges["rules_undecided"].add_metric(place, report["rules"].get("undecided", 0))
        gauges["coverage_ratio"].add_metric(place, report["lists_read"] / max(1, report["lists_total"]))
        taken = datetime.fromisoformat(report["taken_at"]).timestamp()
        gauges["snapshot_last_success_timestamp_seconds"].add_metric(place, taken)
        objects: Counter[str] = Counter()
        for name, count in report["objects"].items():
            objects[catalogue.module_of(name) or "unknown"] += count
        for module, count in objects.items():
            if count:
                gauges["snapshot_objects"].add_metric((*place, module), count)

    def _audit(self, unit: Unit) -> Iterator[Metric]:
        whole = GaugeMetricFamily("smart360_audit_chain_ok", "1: the audit log is whole as far as it was followed.")
        whole.add_metric((), self.chain.look(unit))
        age = GaugeMetricFamily("smart360_audit_anchor_age_seconds", "Since the head of the log was told outside.")
        age.add_metric((), max(0.0, anchor_age(unit, self.deps).total_seconds()))
        yield whole
        yield age

    def _alerts(self, unit: Unit) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("smart360_alerts_waiting", "Alerts not yet delivered.", labels=("channel",))
        oldest = GaugeMetricFamily("smart360_alert_oldest_waiting_seconds", "Age of the oldest alert that waits.")
        now, ages = self.deps.clock.now(), [0.0]
        for channel, (count, since) in unit.alerts.waiting().items():
            waiting.add_metric((channel,), count)
            ages.append((now - since).total_seconds())
        oldest.add_metric((), max(ages))
        yield waiting
        yield oldest


def _counted(unit: Unit, places: Collection[tuple[str, str]]) -> Iterator[Metric]:
    for name, told, labels in (
        ("sweeps", "Sweeps by outcome.", (*_PLACE, "outcome")),
        ("source_requests", "Requests to sources by status.", (*_PLACE, "status")),
        ("source_faults", "Faults of sources by coverage reason.", (*_PLACE, "fault")),
        ("changes_unconfirmed", "Changes that one reading showed and the next did not.", _PLACE),
        ("alerts", "Deliveries by outcome.", ("channel", "outcome")),
        ("pages_crashed", "Pages and answers that could not be made; each is logged with its number.", ()),
        ("store_errors", "Errors of the database by kind.", ("kind",)),
    ):
        counter = CounterMetricFamily(f"smart360_{name}", told, labels=labels)
        for values, count in unit.counters.all(name).items():
            if labels[:2] != _PLACE or values[:2] in places:  # what is counted of a target goes with it
                counter.add_metric(values, count)
        yield counter
    yield _histogram(unit, "sweep_duration", "Time of each step of a sweep.", ("stage",))
    yield _histogram(unit, "source_request_duration", "Time of requests to sources.", ())


def _histogram(unit: Unit, name: str, told: str, labels: tuple[str, ...]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(f"smart360_{name}_seconds", told, labels=labels)
    parts: dict[tuple[str, ...], dict[str, int]] = {}
    for values, count in unit.counters.all(name).items():
        parts.setdefault(values[:-1], {})[values[-1]] = count
    for values, counted in parts.items():
        buckets = [(str(bound), float(counted.get(str(bound), 0))) for bound in BUCKETS]
        buckets.append(("+Inf", float(counted.get("count", 0))))
        family.add_metric(values, buckets, counted.get("sum", 0) / 1_000_000)
    return family
