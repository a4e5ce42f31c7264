"""Metrics against a store that real sweeps filled: names, figures, what is left out, and what a scrape costs."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import exposition
from prometheus_client.openmetrics import exposition as openmetrics

from baselines.severity import Severity
from baselines.writer import write_configuration
from monitor.access import on_host
from monitor.approval import approve, propose_baseline, review_of
from monitor.clock import SetClock
from monitor.deps import Deps
from monitor.metrics import make_registry
from monitor.settings import Settings
from monitor.store.unit import Store
from monitor.sweep import sweep
from monitor.target import Definition
from rules.findings import Kind
from tests.support import CATALOGUE, configuration, find, queries_of, swa

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
PROMTOOL = Path(__file__).parents[2] / ".tools" / "deb" / "usr" / "bin" / "promtool"
PLACE = {"tenant", "environment"}
#: contracts: family → type and labels
CONTRACT = {
    "smart360_findings_open": ("gauge", PLACE | {"module", "severity", "kind"}),
    "smart360_waivers_active": ("gauge", set()),
    "smart360_readiness_ratio": ("gauge", PLACE),
    "smart360_rules_undecided": ("gauge", PLACE),
    "smart360_snapshot_last_success_timestamp_seconds": ("gauge", PLACE),
    "smart360_snapshot_objects": ("gauge", PLACE | {"module"}),
    "smart360_coverage_ratio": ("gauge", PLACE),
    "smart360_baseline_info": ("gauge", PLACE | {"version", "digest"}),
    "smart360_baseline_approved_timestamp_seconds": ("gauge", PLACE),
    "smart360_proposals_waiting": ("gauge", PLACE),
    "smart360_sweeps_total": ("counter", PLACE | {"outcome"}),
    "smart360_sweep_duration_seconds": ("histogram", {"stage"}),
    "smart360_source_requests_total": ("counter", PLACE | {"status"}),
    "smart360_source_faults_total": ("counter", PLACE | {"fault"}),
    "smart360_source_request_duration_seconds": ("histogram", set()),
    "smart360_changes_unconfirmed_total": ("counter", PLACE),
    "smart360_alerts_total": ("counter", {"channel", "outcome"}),
    "smart360_pages_crashed_total": ("counter", set()),
    "smart360_store_errors_total": ("counter", {"kind"}),
    "smart360_alerts_waiting": ("gauge", {"channel"}),
    "smart360_alert_oldest_waiting_seconds": ("gauge", set()),
    "smart360_audit_chain_ok": ("gauge", set()),
    "smart360_audit_anchor_age_seconds": ("gauge", set()),
    "smart360_sweep_lag_seconds": ("gauge", PLACE),
    "smart360_build_info": ("gauge", {"version"}),
    "smart360_loop_last_turn_timestamp_seconds": ("gauge", {"loop"}),
}


class World:
    """A store on disk, a clock, and one target whose exports can be changed."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'monitor.db'}"
        self.clock = SetClock(NOW)
        self.folder = folder / "exports"
        self.folder.mkdir()
        self.settings = Settings(database_url="sqlite://", state_folder=folder)
        self.deps = self.replica()
        self.export(swa())
        self.target = self.watched("swa")

    def replica(self, worker: str = "w") -> Deps:
        store = Store.open(self.url, migrate=True)
        return Deps(self.settings, clock=self.clock, worker=worker, open_store=lambda: store)

    def watched(self, tenant: str):
        definition = Definition(
            source="files", folder=str(self.folder), time_zone="America/Los_Angeles", schedule="every 6h"
        )
        with self.deps.store.write() as unit:
            return unit.targets.put(tenant, "production", definition, NOW)[0]

    def export(self, raw) -> None:
        (self.folder / "swa.yaml").write_bytes(write_configuration(configuration(raw), CATALOGUE))

    def sweep(self):
        self.clock.at += timedelta(hours=1)
        with self.deps.store.write() as unit:
            unit.targets.set_next_run(self.target, self.clock.at + timedelta(hours=6))
        return sweep(self.target, self.clock.at, self.deps)

    def approve(self) -> None:
        proposal = propose_baseline(self.target, on_host("alice"), self.deps)
        with self.deps.store.read() as unit:
            digest = review_of(proposal, self.deps, unit).digest
        approve(proposal, digest, on_host("bob"), self.deps)

    def count(self, name: str, *labels: tuple[str, ...]) -> None:
        with self.deps.store.write() as unit:
            unit.counters.add(name, dict.fromkeys(labels, 1))

    def series(self, deps: Deps | None = None, loops=None):
        """(name, labels) → value."""
        families = make_registry(deps or self.deps, loops).collect()
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value for each in families
            for sample in each.samples
        }  # fmt: skip

    def value(self, name: str, **labels: str):
        """Value of the one series of ``swa`` with these labels; None without one."""
        found = [
            value for (given, with_labels), value in self.series().items()
            if given == name and dict(with_labels).items() >= {"tenant": "swa", **labels}.items()
        ]  # fmt: skip
        assert len(found) < 2, found
        return found[0] if found else None


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    made.deps.store.close()


def with_other_rate(raw):
    find(raw, "service_plan", code="COM-VAR")["rates"][0]["rate"] = "4.85"
    return raw


def full(world: World) -> World:
    """Everything that is counted or shown has happened once."""
    world.sweep()
    world.approve()
    world.export(with_other_rate(swa()))
    world.sweep()
    propose_baseline(world.target, on_host("alice"), world.deps)
    world.count("source_requests", ("swa", "production", "200"), ("swa", "production", "error"))
    world.count("source_faults", ("swa", "production", "forbidden"))
    world.count("changes_unconfirmed", ("swa", "production"))
    world.count("alerts", ("operators", "sent"))
    world.count("pages_crashed", ())
    world.count("store_errors", ("locked",))
    with world.deps.store.write() as unit:
        unit.counters.observe("source_request_duration", (), (0.004, 0.02, 0.02, 400.0))
    return world


def text_of(deps: Deps) -> bytes:
    return exposition.generate_latest(make_registry(deps, {"schedule": NOW}))


def test_every_metric_of_the_contract_is_there_with_its_type_and_labels(world):
    families = list(make_registry(full(world).deps, {"schedule": NOW}).collect())
    told = {}
    for each in families:
        name = each.name + {"counter": "_total", "info": "_info"}.get(each.type, "")
        labels = {label for sample in each.samples for label in sample.labels} - {"le"}
        told[name] = ("gauge" if each.type == "info" else each.type, labels)
    assert told == CONTRACT


def test_a_full_scrape_passes_promtool_and_ends_as_openmetrics_does(world):
    body = text_of(full(world).deps)
    checked = subprocess.run([PROMTOOL, "check", "metrics"], input=body, capture_output=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
    assert openmetrics.generate_latest(make_registry(world.deps)).endswith(b"# EOF\n")


def test_figures_are_those_of_the_newest_sweep_baseline_and_proposals(world):
    full(world)
    read_at = world.clock.at.timestamp()
    assert world.value("smart360_findings_open", kind="drift", module="billing", severity="critical") == 1
    assert world.value("smart360_snapshot_last_success_timestamp_seconds") == read_at
    assert world.value("smart360_baseline_info", version="1") == 1
    assert world.value("smart360_baseline_approved_timestamp_seconds") == read_at - 3600
    assert world.value("smart360_proposals_waiting") == 1
    assert world.value("smart360_coverage_ratio") == 1
    assert world.value("smart360_sweeps_total", outcome="complete") == 2
    kinds = [CATALOGUE.module_of(name) for name, objects in swa().items() for _ in objects]
    assert world.value("smart360_snapshot_objects", module="billing") == kinds.count("billing")


def test_a_sweep_that_read_nothing_leaves_the_figures_of_the_one_before(world):
    world.sweep()
    before = {name: world.value(f"smart360_{name}") for name in (
        "readiness_ratio", "rules_undecided", "coverage_ratio", "snapshot_last_success_timestamp_seconds",
    )}  # fmt: skip
    assert None not in before.values()
    (world.folder / "swa.yaml").unlink()
    assert world.sweep().state == "failed"
    assert {name: world.value(f"smart360_{name}") for name in before} == before
    assert world.value("smart360_sweeps_total", outcome="failed") == 1


def test_coverage_is_the_share_of_lists_that_were_read(world):
    full(world)
    (world.folder / "tax.yaml").write_bytes(b"tax: [{code: ")
    raw = swa()
    del raw["tax"]
    world.export(raw)
    report = world.sweep()
    assert report.state == "partial"
    assert world.value("smart360_coverage_ratio") == report.lists_read / report.lists_total < 1
    assert world.value("smart360_snapshot_last_success_timestamp_seconds") == world.clock.at.timestamp()


@pytest.mark.parametrize(("due", "paused", "lag"), [(-90, False, 90), (90, False, 0), (-90, True, 0)])
def test_lag_is_how_long_a_sweep_is_overdue_unless_people_paused_it(world, due, paused, lag):
    with world.deps.store.write() as unit:
        unit.targets.set_next_run(world.target, NOW + timedelta(seconds=due))
        if paused:
            unit.targets.pause(world.target, "alice", "holiday", NOW)
    assert world.value("smart360_sweep_lag_seconds") == lag


def test_alerts_that_wait_are_counted_by_channel_and_the_oldest_one_is_told(world):
    assert world.series()["smart360_alert_oldest_waiting_seconds", ()] == 0
    full(world)
    world.clock.at += timedelta(seconds=45)
    assert world.series()["smart360_alert_oldest_waiting_seconds", ()] == 45
    waiting = {key: value for key, value in world.series().items() if key[0] == "smart360_alerts_waiting"}
    assert waiting == {("smart360_alerts_waiting", (("channel", "operators"),)): 1}


def test_buckets_of_a_histogram_are_cumulative_and_end_with_the_count(world):
    name = "smart360_source_request_duration_seconds"
    told = {key: value for key, value in full(world).series().items() if key[0].startswith(name)}
    buckets = [value for (given, _), value in told.items() if given == f"{name}_bucket"]
    assert buckets == sorted(buckets)
    assert told[f"{name}_bucket", (("le", "0.005"),)] == 1
    assert told[f"{name}_bucket", (("le", "0.025"),)] == 3
    assert told[f"{name}_bucket", (("le", "300.0"),)] == 3
    assert told[f"{name}_bucket", (("le", "+Inf"),)] == told[f"{name}_count", ()] == 4
    assert told[f"{name}_sum", ()] == pytest.approx(400.044)


def test_a_target_without_findings_has_at_most_forty_series(world):
    world.sweep()
    world.approve()
    world.count("sweeps", *[("swa", "production", each) for each in ("partial", "failed", "skipped", "poisoned")])
    statuses = ("200", "304", "401", "403", "404", "429", "500", "error")
    world.count("source_requests", *[("swa", "production", each) for each in statuses])
    faults = ("forbidden", "unreachable", "timeout", "rate_limited")
    world.count("source_faults", *[("swa", "production", each) for each in faults])
    own = {key: value for key, value in world.series().items() if ("tenant", "swa") in key[1]}
    assert 8 < len(own) <= 40
    assert not [key for key in own if key[0] == "smart360_findings_open"]


def test_a_module_without_objects_has_no_series(world):
    raw = {name: [] if CATALOGUE.module_of(name) == "metering" else objects for name, objects in swa().items()}
    world.export(raw)
    world.sweep()
    with world.deps.store.read() as unit:
        assert unit.sweeps.last(world.target)[0].report["objects"]["route"] == 0
    assert world.value("smart360_snapshot_objects", module="metering") is None
    assert world.value("smart360_snapshot_objects", module="billing") > 0


def test_no_label_holds_the_name_or_key_of_an_object(world):
    allowed = {
        "kind": {*Kind, "locked"}, "severity": set(Severity), "module": {each.name for each in CATALOGUE.modules},
        "tenant": {"swa"}, "environment": {"production"}, "channel": {"operators"}, "loop": {"schedule"},
        "outcome": {"complete", "sent"}, "fault": {"forbidden"}, "status": {"200", "error"},
        "stage": {"collect", "store", "compare", "judge", "settle", "plan"},
    }  # fmt: skip
    for _, labels in full(world).series(loops={"schedule": NOW}):
        for name, value in labels:
            assert name in ("le", "version", "digest") or value in allowed[name], (name, value)


def test_a_removed_target_leaves_no_series(world):
    full(world)
    with world.deps.store.write() as unit:
        unit.targets.remove(world.target, NOW)
    assert not [key for key in world.series() if ("tenant", "swa") in key[1]]


def test_a_second_replica_and_a_restart_tell_the_same(world):
    told = text_of(full(world).deps)
    other = world.replica("other")
    assert text_of(other) == told
    world.deps.store.close()
    assert text_of(world.replica("after a restart")) == told


def test_turns_of_loops_are_told_only_where_loops_run(world):
    turns = "smart360_loop_last_turn_timestamp_seconds"
    assert world.series(loops={"delivery": NOW})[turns, (("loop", "delivery"),)] == NOW.timestamp()
    assert not [key for key in world.series() if key[0] == turns]


def test_a_scrape_of_many_targets_costs_as_many_queries_as_one_of_one_target(world):
    world.sweep()
    alone = queries_of(world.deps.store, world.series)
    for number in range(4):
        sweep(world.watched(f"t{number}"), world.clock.at, world.deps)
    assert len([key for key in world.series() if key[0] == "smart360_readiness_ratio"]) == 5
    assert queries_of(world.deps.store, world.series) == alone
