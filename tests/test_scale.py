"""Large utilities: bounded memory, and nothing done for what did not change."""

import subprocess
import sys

import orjson
import pytest

from benchmarks.data import utility
from monitor.sandbox.process import start_sandbox
from tests.monitor.watch import Watch


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


def test_an_unchanged_sweep_decodes_and_compares_nothing():
    with start_sandbox() as sandbox:
        watch = Watch(sandbox)
        watch.sweep()
        again = watch.sweep()
    assert again.decoded_objects == 0
    assert len(again.kept) == 87
