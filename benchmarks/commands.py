"""Commands as people start them: wall time against an empty program, and the memory a large file takes."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

import orjson

from benchmarks.data import utility
from benchmarks.measure import Ratio, judged

PAIRS = 7


def starts() -> Iterator[Ratio]:
    """Wall time of a small ``diff`` and of ``check`` of SWA, bytecode kept as in an installation."""
    shipped = resources.files("monitor") / "sandbox" / "tenants" / "swa.yaml"
    with tempfile.TemporaryDirectory() as folder, resources.as_file(shipped) as swa:
        small = Path(folder) / "small.json"
        small.write_bytes(orjson.dumps(utility(40)))
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"PYTHONPYCACHEPREFIX": folder, "SMART360_STATE_FOLDER": folder}
        for words, goal in ((["diff", str(small), str(small)], 12), (["check", str(swa)], None)):
            found = []
            for _ in range(PAIRS + 1):
                ours = _wall([sys.executable, "-m", "monitor", *words], environment)
                found.append(ours / _wall([sys.executable, "-c", "pass"], environment))
            what = "two small files" if words[0] == "diff" else "SWA"
            yield judged(f"{words[0]} (wall) ÷ python -c pass", what, found[1:], at_most=goal)


def _wall(command: Sequence[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True, env=environment)
    return time.perf_counter() - start


def memory(size: int) -> Iterator[Ratio]:
    """The peak of ``check`` on a large file, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.json"
        path.write_bytes(orjson.dumps(utility(size)))
        with tempfile.TemporaryFile() as report:
            # Its own peak: that of all children would be the highest of any.
            code = (
                "import resource, sys; from monitor.__main__ import main\n"
                "try: main(['check', sys.argv[1], '--output', 'json'])\n"
                "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
            )
            done = subprocess.run([sys.executable, "-c", code, str(path)], stdout=report, stderr=subprocess.PIPE)
            assert done.returncode in (0, 1), done.stderr
            report.seek(0)
            assert orjson.loads(report.read())["configuration"]["objects"] == size
    peak = int(done.stderr.split()[-1]) / 1024
    yield judged("check, peak memory in MB", f"N={size:,}", [peak], at_most=500)
