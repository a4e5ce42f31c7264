"""Process, scheduler and store rows of the failure matrix (F45–F58)."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from baselines.compare import compare
from monitor.clock import SetClock
from monitor.deps import Deps
from monitor.errors import Fenced, StoreError
from monitor.schedule import Scheduler, spread
from monitor.settings import Settings
from monitor.store.engine import open_engine
from monitor.store.sweeps import Claim
from monitor.store.unit import Store
from monitor.sweep import claim_slot, sweep
from monitor.target import Definition
from rules.evaluate import Verdict
from rules.judge import judge
from rules.pack import load_packs
from tests.reliability.service import wait_for
from tests.support import CATALOGUE, SECRETS, configuration, swa

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)


def deps_on(store: Store, tmp_path, worker: str = "w-1", at: datetime = NOW) -> Deps:
    settings = Settings(database_url="sqlite://", state_folder=tmp_path, lease_seconds=30, sweeps_at_once=4)
    return Deps(settings, clock=SetClock(at), worker=worker, open_store=lambda: store)


def exports(tmp_path):
    """A folder with SWA as exports: a source without a network."""
    from baselines.writer import write_configuration

    folder = tmp_path / "exports"
    folder.mkdir(exist_ok=True)
    (folder / "swa.yaml").write_bytes(write_configuration(configuration(swa()), CATALOGUE))
    return folder


def registered(store: Store, tmp_path, name: str = "production", due: datetime = NOW):
    definition = Definition(
        source="files", folder=str(exports(tmp_path)), time_zone="America/Los_Angeles", schedule="every 6h"
    )
    with store.write() as unit:
        target, _ = unit.targets.put("swa", name, definition, due)
        unit.targets.set_next_run(target, due)
        return unit.targets.named(target.name)


def runs(store: Store, target):
    with store.read() as unit:
        return unit.sweeps.last(target, most=50)


def test_f45_two_schedulers_on_one_store_sweep_each_slot_once(store, tmp_path):
    targets = [registered(store, tmp_path, f"e{n}") for n in range(3)]
    schedulers = [Scheduler(deps_on(store, tmp_path, worker)) for worker in ("w-1", "w-2")]
    start = threading.Barrier(2)

    def turn(scheduler: Scheduler) -> None:
        start.wait()
        scheduler.turn()

    threads = [threading.Thread(target=turn, args=(scheduler,)) for scheduler in schedulers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for scheduler in schedulers:
        scheduler._pool.shutdown(wait=True)
    for target in targets:
        assert [run.state for run in runs(store, target)] == ["complete"]
        assert {run.slot for run in runs(store, target)} == {NOW}


def test_f45_a_slot_is_taken_once_and_a_second_one_of_a_running_target_is_skipped(store, tmp_path):
    target = registered(store, tmp_path)
    one, other = deps_on(store, tmp_path, "w-1"), deps_on(store, tmp_path, "w-2")
    with store.write() as unit:
        first = claim_slot(unit, target, NOW, one)
        second = claim_slot(unit, target, NOW, other)
        third = claim_slot(unit, target, NOW + timedelta(hours=6), other)
    assert isinstance(first, Claim)
    assert [second.state, third.state] == ["skipped", "skipped"]
    assert [run.state for run in runs(store, target)] == ["skipped", "running"]


@pytest.mark.parametrize("moment", ["it can be told", "its store is there"])
def test_a_service_that_is_stopped_while_it_starts_ends_as_one_that_runs(moment, tmp_path):
    environment = {**os.environ, "SMART360_STATE_FOLDER": str(tmp_path)}
    command = [sys.executable, "-m", "monitor", "serve", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        if moment == "it can be told":
            wait_for(lambda: takes_sigterm(process.pid), moment)
        else:
            wait_for((tmp_path / "monitor.db").exists, moment)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=60)
    assert (process.returncode, b"Traceback" in told) == (0, False), told


def takes_sigterm(pid: int) -> bool:
    """True once the process has a handler of its own."""
    (caught,) = re.findall(r"^SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def write_late(store: Store, target, claim) -> None:
    with store.write() as unit:
        unit.targets.set_title(target, "written by the dead")
        unit.sweeps.finish(claim, "complete", NOW, report={})


def test_f46_a_sweep_that_was_taken_over_writes_nothing(store, tmp_path):
    target = registered(store, tmp_path)
    early = deps_on(store, tmp_path, "w-1")
    with store.write() as unit:
        claim = claim_slot(unit, target, NOW, early)
    late = deps_on(store, tmp_path, "w-2", NOW + timedelta(minutes=5))
    report = sweep(target, NOW + timedelta(minutes=5), late)
    assert report.state == "complete"
    with pytest.raises(Fenced):
        write_late(store, target, claim)
    with store.read() as unit:
        assert unit.targets.named(target.name).title == "San Francisco Water Authority"
    assert [run.state for run in runs(store, target)] == ["complete", "failed"]


def test_f48_a_sweep_whose_worker_is_gone_is_taken_again(store, tmp_path):
    target = registered(store, tmp_path)
    with store.write() as unit:
        claim_slot(unit, target, NOW, deps_on(store, tmp_path, "w-1"))
        unit.targets.set_next_run(target, NOW + timedelta(hours=6))
    scheduler = Scheduler(deps_on(store, tmp_path, "w-2", NOW + timedelta(seconds=31)))
    scheduler.turn()
    scheduler._pool.shutdown(wait=True)
    assert [run.state for run in runs(store, target)] == ["complete", "failed"]


def test_f49_a_target_that_kills_its_worker_three_times_is_set_aside(store, tmp_path):
    target = registered(store, tmp_path)
    at = NOW
    for _ in range(3):
        with store.write() as unit:
            claim_slot(unit, target, at, deps_on(store, tmp_path, "w", at))
        at += timedelta(minutes=1)
        with store.write() as unit:
            unit.sweeps.expired(at)
    assert sweep(target, at, deps_on(store, tmp_path, "w", at)).state == "poisoned"
    with store.read() as unit:
        assert unit.targets.named(target.name).paused_reason
        assert list(unit.targets.due(at + timedelta(days=1), 10)) == []


def test_f50_missed_slots_are_made_up_once_each_at_its_own_moment(store, tmp_path):
    targets = [registered(store, tmp_path, f"e{n}", NOW - timedelta(days=3)) for n in range(5)]
    scheduler = Scheduler(deps_on(store, tmp_path))
    scheduler.spread_missed()
    with store.read() as unit:
        due = {each.name: each.next_run_at - NOW for each in unit.targets.all()}
    assert due == {each.name: spread(each, 600) for each in targets}
    assert len(set(due.values())) == 5
    assert all(timedelta(0) <= each < timedelta(minutes=10) for each in due.values())


BROKEN = """
pack: own
version: 1.0.0
rules:
  - id: billing.errs
    title: A rule that cannot be computed
    severity: high
    required: true
    for: tax
    expect: 'days(self.name, 1) != "" || self.name == "x"'
    message: "{self.code}"
    why: To see it.
    fix: None.
    tests:
      - {name: passes, given: {tax: [{code: T, name: "2026-01-01"}]}, finds: []}
      - {name: finds, given: {tax: [{code: T, name: "0001-01-01"}]}, finds: []}
  - id: billing.holds
    title: A rule that holds
    severity: high
    required: true
    for: tax
    expect: self.code != ""
    message: "{self.code}"
    why: To see it.
    fix: None.
    tests:
      - {name: passes, given: {tax: [{code: T}]}, finds: []}
      - {name: finds, given: {tax: [{code: T, name: x}]}, finds: [{key: T}]}
"""


def judged(text: str, tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(text.replace("finds: []}\n  - id: billing.holds", "finds: [{key: T}]}\n  - id: billing.holds"))
    packs = load_packs([path], CATALOGUE)
    configured = configuration(swa())
    return judge(configured, compare(None, configured, CATALOGUE), packs, CATALOGUE, at=NOW, secrets=SECRETS)


def test_f53_a_rule_that_errs_is_undecided_and_the_pack_goes_on(tmp_path):
    judgement = judged(BROKEN, tmp_path)
    erring, holding = (judgement.results[name].result for name in ("billing.errs", "billing.holds"))
    assert (erring.verdict, erring.reason) == (Verdict.UNDECIDED, "error")
    assert holding.verdict is Verdict.PASSED
    assert judgement.readiness == 1.0


def test_f54_a_rule_over_its_budget_is_undecided_and_the_pack_goes_on(tmp_path):
    loops = "configuration.role_privilege"
    greedy = (
        f"{loops}.all(a, {loops}.all(b, {loops}.all(c, {loops}.all(d, a.key + b.key + c.key + d.key != self.code))))"
    )
    judgement = judged(BROKEN.replace("""'days(self.name, 1) != "" || self.name == "x"'""", f"'{greedy}'"), tmp_path)
    result = judgement.results["billing.errs"].result
    assert (result.verdict, result.reason) == (Verdict.UNDECIDED, "budget")
    assert judgement.results["billing.holds"].result.verdict is Verdict.PASSED


def register(store: Store, definition: Definition) -> None:
    with store.write() as unit:
        unit.targets.put("swa", "production", definition, NOW)


def test_f58_a_locked_sqlite_is_waited_for_and_then_told_without_half_a_step(tmp_path):
    url = f"sqlite:///{tmp_path / 'monitor.db'}"
    Store.open(url, migrate=True).close()
    store = Store(open_engine(url, busy_ms=300))
    definition = Definition(source="files", folder="x", time_zone="UTC", schedule="every 6h")
    other = sqlite3.connect(tmp_path / "monitor.db", isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(StoreError) as told:
        register(store, definition)
    assert (told.value.kind, told.value.exit_code) == ("locked", 3)
    assert "Try again" in str(told.value)
    other.execute("rollback")
    with store.read() as unit:
        assert list(unit.targets.all()) == []
    with store.write() as unit:
        unit.targets.put("swa", "production", definition, NOW)
    with Store(open_engine(url)).read() as unit:  # another replica tells the same
        assert [each.name for each in unit.targets.all()] == ["swa/production"]
        assert unit.counters.all("store_errors") == {("locked",): 1}


def test_f58_a_lock_shorter_than_the_wait_is_not_noticed(tmp_path):
    url = f"sqlite:///{tmp_path / 'monitor.db'}"
    store = Store.open(url, migrate=True)
    other = sqlite3.connect(tmp_path / "monitor.db", isolation_level=None, check_same_thread=False)
    other.execute("begin immediate")
    threading.Timer(0.5, lambda: other.execute("rollback")).start()
    definition = Definition(source="files", folder="x", time_zone="UTC", schedule="every 6h")
    with store.write() as unit:
        unit.targets.put("swa", "production", definition, NOW)
    with store.read() as unit:
        assert [each.name for each in unit.targets.all()] == ["swa/production"]


def test_f70_two_migrations_at_once_both_end_well(tmp_path, postgres):
    from sqlalchemy import create_engine, text

    engine = create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"create database {(name := 'f70_' + uuid.uuid4().hex)}"))
    for url in (f"sqlite:///{tmp_path / 'monitor.db'}", postgres.url(name)):
        command = [sys.executable, "-m", "monitor", "db", "upgrade"]
        environment = {**os.environ, "SMART360_DATABASE_URL": url}
        both = [
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for _ in range(2)
        ]
        told = [process.communicate(timeout=60)[0] for process in both]
        assert [process.returncode for process in both] == [0, 0], told
        Store.open(url).close()
