"""Large utilities: bounded memory, and nothing done for what did not change."""

import subprocess
import sys
from datetime import timedelta

import orjson
import pytest

from benchmarks.data import utility
from benchmarks.sweeps import growth
from monitor.clock import SetClock
from monitor.sandbox.process import start_sandbox
from monitor.store.unit import Store
from monitor.sweep import sweep
from tests.monitor.watch import Watch
from tests.reliability.test_process import NOW, deps_on, registered
from tests.support import CATALOGUE


@pytest.mark.long
def test_check_of_fifty_thousand_objects_stays_below_500_mb(tmp_path):
    path = tmp_path / "large.json"
    path.write_bytes(orjson.dumps(utility(50_000)))
    report = tmp_path / "report.json"
    code = (
        "import resource, sys\n"
        "from monitor.__main__ import main\n"
        "try: main(['check', sys.argv[1], '--output', 'json'])\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\n"
    )
    with report.open("wb") as out:
        done = subprocess.run([sys.executable, "-c", code, str(path)], stdout=out, stderr=subprocess.PIPE, text=True)
    peak_mb = int(done.stderr.split()[-1]) / 1024
    assert done.returncode == 1
    assert orjson.loads(report.read_bytes())["configuration"]["objects"] == 50_000
    assert peak_mb < 500, f"{peak_mb:.0f} MB"


def test_an_unchanged_sweep_decodes_only_lists_whose_counters_run():
    with start_sandbox() as sandbox:
        watch = Watch(sandbox)
        watch.sweep()
        again = watch.sweep()
    # Their bytes are others from second to second; whether one passed between the two sweeps is chance.
    running = {name for name, kind in CATALOGUE.types.items() if any(each.is_volatile for each in kind.fields.values())}
    assert len(running) < 8
    assert again.kept | running == set(CATALOGUE.types)
    moved = set(CATALOGUE.types) - again.kept
    assert again.decoded_objects == sum(again.configuration.lists[name].count for name in moved)


@pytest.mark.parametrize(("later", "judges"), [(timedelta(hours=6), False), (timedelta(days=1), True)])
def test_an_unchanged_sweep_judges_only_what_another_day_can_turn(tmp_path, later, judges):
    store = Store.open(f"sqlite:///{tmp_path / 'monitor.db'}", migrate=True)
    target, deps = registered(store, tmp_path), deps_on(store, tmp_path)
    first = sweep(target, NOW, deps)
    deps.clock = SetClock(NOW + later)
    again = sweep(target, NOW + later, deps)
    store.close()
    assert first.judged == len(deps.packs.rules)
    assert (again.kept, again.drift, again.opened) == (87, 0, 0)
    today = [rule.id for rule in deps.packs.rules if rule.reads_today]
    assert today
    assert again.judged == (len(today) if judges else 0)


def test_an_unchanged_sweep_adds_less_than_a_twentieth_of_the_configuration_to_the_store():
    (grown,) = growth(10)
    assert grown.value < 0.05
